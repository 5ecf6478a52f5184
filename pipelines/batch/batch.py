"""A batch from what was asked to its report: the one call behind the command line."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Self

from layerstudio.errors import UnreadableFile, UnwritableFile
from layerstudio.io.limits import DEFAULT_LIMITS, Limits
from layerstudio.machine import gpus
from layerstudio.pipelines.batch import places
from layerstudio.pipelines.batch.engine import Engine
from layerstudio.pipelines.batch.inline_engine import InlineEngine
from layerstudio.pipelines.batch.journal import Journal, entry
from layerstudio.pipelines.batch.local_engine import LocalEngine
from layerstudio.pipelines.batch.performing import Setup
from layerstudio.pipelines.batch.planning import Asked, Plan, Refused, planned
from layerstudio.pipelines.batch.policy import Policy
from layerstudio.pipelines.batch.resuming import Standing, begin
from layerstudio.pipelines.batch.running import Listener, Run, Tally
from layerstudio.pipelines.batch.work import Work, digest_of
from layerstudio.pipelines.runtime import Runtime
from layerstudio.progress import CancelToken

EngineName = Literal["local", "ray"]
FOLDER = ".layerstudio-batch"  # beside the results: the journal, and pictures for the report


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a batch is carried out; none of it changes what the results are.

    ``workers`` None is one for each GPU, or one where there is none; 0 works in this process.
    ``timeout`` is in seconds for one item. ``address`` is that of a cluster. ``home`` is where the
    journal is kept, by default beside local results. ``patience`` is a factor on every wait before
    something is tried again.
    """

    engine: EngineName = "local"
    workers: int | None = None
    address: str = ""
    runtime: Runtime = field(default_factory=Runtime)
    limits: Limits = DEFAULT_LIMITS
    overwrite: bool = False
    retry: bool = False
    most_failures: int | None = None
    timeout: float | None = None
    home: Path | None = None
    thumbnails: bool = True
    patience: float = 1.0


@dataclass(frozen=True)
class Summary:
    """What became of a batch. ``refused`` are all inputs that were set aside, with the reason,
    ``wall_seconds`` this run's."""

    tally: Tally
    refused: tuple[Refused, ...]
    duplicates: int
    wall_seconds: float
    home: Path
    out: str

    @property
    def sentence(self) -> str:
        tally = self.tally
        parts = [f"{tally.done} of {tally.total} items done"]
        if tally.before:
            parts.append(f"{tally.before} were done before")
        if self.refused:
            parts.append(f"{len(self.refused)} set aside")
        if self.duplicates:
            parts.append(f"{self.duplicates} given twice")
        rate = f", {60 * tally.done / self.wall_seconds:.1f} a minute" if tally.done else ""
        return f"{'; '.join(parts)}; {self.wall_seconds:.1f} s{rate}."

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            **asdict(self.tally),
            "refused": [asdict(one) for one in self.refused],
            "duplicates": self.duplicates,
            "wall_seconds": round(self.wall_seconds, 3),
        }


class Batch:
    """One batch, run once or again and again on what is new; its workers stay in between.

    ``listener`` gets every event as JSON-ready data. Use it in a ``with``.
    """

    def __init__(
        self, asked: Asked, options: Options, listener: Listener, cancel: CancelToken
    ) -> None:
        self.home = options.home or home_of(asked.out)
        self._asked = asked
        self._options = options
        self._listener = listener
        self._cancel = cancel
        self._engine: Engine | None = None
        self._journal: Journal | None = None
        self._watches = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self._close(now=error is not None)
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    def run(self, standard_input: Iterator[str] | None = None) -> Summary:
        """Plan, continue where an earlier run ended, carry out, and say what became of it.

        Raises ``InvalidRequest``, ``UnreadableFile``, ``MissingWeights`` before anything runs, and
        ``UnwritableFile`` where no journal can be kept. What goes wrong with one item is in the
        summary.
        """
        start = time.monotonic()
        return self._run(planned(self._asked, standard_input, self._cancel), start)

    def watch(self, seconds: float) -> Iterator[Summary]:
        """Run whenever something new is there, looking every so many seconds, until cancelled.

        The first run is like any other, with nothing there too; later ones are for works that are
        new. A place that does not answer for a while is asked again.
        """
        self._watches = True
        seen: set[str] = set()
        while not self._cancel.is_cancelled:
            start = time.monotonic()
            plan = self._plan_again(seen)
            new = {_name(one) for one in (*plan.works, *plan.refused)} - seen if plan else set()
            if plan is not None and (new or not seen):
                seen |= new | {""}
                summary = self._run(plan, start)
                yield summary
                if summary.tally.stopped:
                    return
            self._cancel.wait(seconds)

    def _plan_again(self, seen: set[str]) -> Plan | None:
        try:
            return planned(self._asked, None, self._cancel)
        except UnreadableFile as error:
            if not seen:
                raise
            self._listener({"event": "waiting", "message": str(error)})
            return None

    def _run(self, plan: Plan, start: float) -> Summary:
        if self._journal is None:
            _make_folder(self.home / "thumbnails")
            self._journal = Journal.open(self.home / "journal.jsonl")
        tally, refused = self._carried_out(plan, self._journal)
        with suppress(UnwritableFile):  # only told, and on a full disk the run ended for that
            self._journal.append([entry("end", done=tally.done, refused=tally.refused)])
        return Summary(
            tally, refused, plan.duplicates, time.monotonic() - start, self.home, self._asked.out
        )

    def _carried_out(self, plan: Plan, journal: Journal) -> tuple[Tally, tuple[Refused, ...]]:
        options = self._options
        standing = begin(
            journal,
            plan.works,
            self.home / "spool",
            overwrite=options.overwrite,
            retry=options.retry,
        )
        refused = [*plan.refused, *(Refused(work.origin, why) for work, why in standing.refused)]
        self._listener(_announcement(plan, standing, refused))
        tally = Tally(
            total=len(plan.works) + len(plan.refused), before=standing.done, refused=len(refused)
        )
        if not standing.todo:
            return tally, tuple(refused)

        def listen(event: Mapping[str, Any]) -> None:
            if event["event"] == "refused":
                refused.append(Refused(str(event["origin"]), str(event["message"])))
            self._listener(event)

        engine = self._opened(len(standing.todo))
        thumbnails = self.home / "thumbnails" if options.thumbnails else None
        policy = Policy(options.most_failures, options.patience)
        run = Run(journal, engine, policy, listen, self._cancel, thumbnails, tally)
        if run.carry_out(standing.todo).stopped:
            self._close(now=True)
        return tally, tuple(refused)

    def _opened(self, works: int) -> Engine:
        if self._engine is None:
            setup = setup_of(self._options, self.home)
            most = sys.maxsize if self._watches else works  # more may come
            self._engine = engine_of(self._options, setup, most)
        return self._engine

    def _close(self, *, now: bool) -> None:
        if self._engine is not None:
            self._engine.close(now=now)
            self._engine = None


def home_of(out: str) -> Path:
    """Where the journal of results in ``out`` is kept: beside them, or for an address in the
    user's state folder, named by the address."""
    if not places.is_address(out):
        return Path(out) / FOLDER
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state"
    return Path(state) / "layerstudio" / "batches" / digest_of(places.shown(out))[:16]


def setup_of(options: Options, home: Path) -> Setup:
    return Setup(options.runtime, options.limits, home / "spool", options.thumbnails)


def engine_of(options: Options, setup: Setup, works: int) -> Engine:
    """As many workers as were asked for, and no more than there are works.

    Raises ``InvalidRequest`` for an engine that is not installed, or a cluster that is not there.
    """
    if options.engine == "ray":
        from layerstudio.pipelines.batch.ray_engine import RayEngine

        return RayEngine(setup, options.workers, options.address, timeout=options.timeout)
    if options.workers == 0:
        return InlineEngine(setup)
    runtimes = runtimes_of(options)
    return LocalEngine(setup, runtimes[: max(1, works)], timeout=options.timeout)


def runtimes_of(options: Options) -> list[Runtime]:
    """One for each worker; on a machine with several GPUs each has its own."""
    runtime = options.runtime
    devices = [f"cuda:{index}" for index in range(len(gpus()))] if runtime.device == "auto" else []
    count = options.workers or max(1, len(devices))
    if not devices:
        return [runtime] * count
    return [replace(runtime, device=devices[index % len(devices)]) for index in range(count)]


def _name(one: Work | Refused) -> str:
    return one.key if isinstance(one, Work) else f"{one.origin}\n{one.message}"


def _announcement(plan: Plan, standing: Standing, refused: Sequence[Refused]) -> dict[str, Any]:
    return {
        "event": "planned",
        "works": len(plan.works),
        "done": standing.done,
        "todo": len(standing.todo),
        "refused": [{"origin": one.origin, "message": one.message} for one in refused],
        "duplicates": plan.duplicates,
    }


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UnwritableFile(
            f"The folder {str(folder)!r} cannot be made: {error.strerror}."
        ) from error
