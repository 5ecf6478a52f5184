"""The loop of a batch: works handed to an engine, results made safe, troubles judged."""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from layerstudio.errors import UnreadableFile, UnwritableFile
from layerstudio.pipelines.batch import places
from layerstudio.pipelines.batch.engine import Company, Engine, Started
from layerstudio.pipelines.batch.journal import Journal, entry
from layerstudio.pipelines.batch.performing import failed
from layerstudio.pipelines.batch.policy import Policy
from layerstudio.pipelines.batch.publishing import discard, publish
from layerstudio.pipelines.batch.work import Result, Trouble, Work
from layerstudio.progress import CancelToken

_POLL = 0.2  # seconds: how soon a cancel or a due retry is seen
_SENDERS = 16  # results that are sent to addresses at a time
_MAKE_ROOM = "Make room and run the same command again."

Listener = Callable[[Mapping[str, Any]], None]


@dataclass
class Tally:
    """What a run has seen so far; seconds are the methods' own, added up over the workers."""

    total: int = 0
    before: int = 0  # done by earlier runs
    done: int = 0
    refused: int = 0
    retried: int = 0
    seconds: float = 0.0
    bytes: int = 0
    peak_bytes: int = 0  # of the worker that held most
    stopped: str = ""  # why the run ended before all works did

    @property
    def finished(self) -> int:
        return self.before + self.done + self.refused


class _Again(NamedTuple):
    """What is to be tried again: the work, or only to move its ``result`` to its place."""

    work: Work
    company: Company
    result: Result | None = None


@dataclass
class Run:
    """One run of a batch. ``listener`` gets every event as JSON-ready data."""

    journal: Journal
    engine: Engine
    policy: Policy
    listener: Listener
    cancel: CancelToken
    thumbnails: Path | None = None
    tally: Tally = field(default_factory=Tally)
    _flying: dict[str, Work] = field(default_factory=dict)
    _failures: dict[str, int] = field(default_factory=dict)
    _later: list[tuple[float, int, _Again]] = field(default_factory=list)
    _order: Any = field(default_factory=itertools.count)

    def carry_out(self, works: Sequence[Work]) -> Tally:
        """Every work; returns when all are finished, or else with the reason in ``stopped``.

        Works that the engine still has then are not waited for: whoever owns it closes it.
        """
        waiting = iter(works)
        upcoming = next(waiting, None)
        while upcoming is not None or self._flying or self._later:
            if self.cancel.is_cancelled:
                self.tally.stopped = self.tally.stopped or "Stopped."
            if self.tally.stopped:
                break
            self._try_again()
            while upcoming is not None and self.engine.has_room():
                self._submit(upcoming, "any")
                upcoming = next(waiting, None)
            if not self._flying:
                self.cancel.wait(_POLL)
                continue
            events = self.engine.events(_POLL)
            for event in events:
                if isinstance(event, Started):
                    self.listener({"event": "started", "key": event.key})
            self._take([event for event in events if isinstance(event, Result)])
        return self.tally

    def _submit(self, work: Work, company: Company) -> None:
        self._flying[work.key] = work
        self.engine.submit(work, company)

    def _try_again(self) -> None:
        """What is due: a work once more, or a finished result to its place."""
        finished: list[tuple[Work, Result]] = []
        while self._later and self._later[0][0] <= time.monotonic():
            *_, again = heapq.heappop(self._later)
            if again.result is None:
                self._submit(again.work, again.company)
            else:
                finished.append((again.work, again.result))
        self._guarded(lambda: self._publish(finished))

    def _take(self, results: Sequence[Result]) -> None:
        pairs = [(self._flying.pop(result.key), result) for result in results]
        self._guarded(lambda: self._make_safe([pair for pair in pairs if not pair[1].trouble]))
        for work, result in pairs:
            if result.trouble is not None:
                self._guarded(lambda work=work, result=result: self._judge(work, result))

    def _guarded(self, step: Callable[[], None]) -> None:
        """A journal that cannot be written ends the run: nothing more could be made safe."""
        try:
            step()
        except UnwritableFile as error:
            self.tally.stopped = f"{error} {_MAKE_ROOM}"

    def _make_safe(self, pairs: Sequence[tuple[Work, Result]]) -> None:
        """Ready on the disk, then moved, then done: see ``journal.py``."""
        if not pairs:
            return
        self.journal.append(
            entry("ready", work.key, files=[file.to_dict() for file in result.files])
            for work, result in pairs
        )
        self._publish(pairs)

    def _publish(self, pairs: Sequence[tuple[Work, Result]]) -> None:
        for (work, result), moved in zip(pairs, _published(pairs), strict=True):
            if isinstance(moved, Result):
                self._judge(work, moved, result)
            else:
                self._count(work, result, moved)

    def _count(self, work: Work, result: Result, files: Sequence[tuple[str, int]]) -> None:
        size = sum(bytes_ for _, bytes_ in files)
        facts = {
            "source": places.shown(work.source),
            "method": work.method,
            "seconds": result.seconds,
            "layers": result.layers,
            "max_error": result.max_error,
            "notes": list(result.notes),
        }
        self.journal.append([entry("done", work.key, files=files, **facts)], sync=False)
        tally = self.tally
        tally.done += 1
        tally.seconds += result.seconds
        tally.bytes += size
        tally.peak_bytes = max(tally.peak_bytes, result.peak_bytes)
        self._failures.pop(work.key, None)
        if self.thumbnails is not None and result.thumbnail:
            with suppress(OSError):  # a picture missing in the report is no reason to stop
                (self.thumbnails / f"{work.key}.webp").write_bytes(result.thumbnail)
        self.listener({"event": "done", **described(work), **facts, "bytes": size})

    def _judge(self, work: Work, failure: Result, finished: Result | None = None) -> None:
        """Try again, set aside, or stop. ``finished`` is a result that could not be moved to its
        place: it is kept and moved later, so that a slow network costs no computing."""
        trouble: Trouble | None = failure.trouble
        assert trouble is not None, failure
        if trouble == "disk":
            self.tally.stopped = f"{failure.message} {_MAKE_ROOM}"
            return
        failures = self._failures[work.key] = self._failures.get(work.key, 0) + 1
        again = self.policy.again(trouble, failures)
        report = {**described(work), "trouble": trouble, "message": failure.message}
        if again is None:
            self._set_aside(work, failure, report)
            discard(finished.files if finished else ())
            return
        self.tally.retried += 1
        due = time.monotonic() + again.seconds
        heapq.heappush(self._later, (due, next(self._order), _Again(work, again.company, finished)))
        if finished is None:
            self.journal.append([entry("failed", work.key, message=failure.message)], sync=False)
        self.listener({"event": "retry", **report, "seconds": again.seconds})

    def _set_aside(self, work: Work, failure: Result, report: Mapping[str, Any]) -> None:
        self.tally.refused += 1
        self._failures.pop(work.key, None)
        self.journal.append(
            [
                entry(
                    "refused",
                    work.key,
                    message=failure.message,
                    trouble=failure.trouble,
                    source=places.shown(work.source),
                    origin=work.origin,
                )
            ],
            sync=False,
        )
        self.listener({"event": "refused", **report, "details": failure.details})
        most = self.policy.most_failures
        if most is not None and self.tally.refused > most:
            self.tally.stopped = f"More than {most} items failed."


def _published(
    pairs: Sequence[tuple[Work, Result]],
) -> list[tuple[tuple[str, int], ...] | Result]:
    """Where the files are now, or what went wrong. To addresses several at a time, as each mostly
    waits."""
    far = any(places.is_address(file.target) for _, result in pairs for file in result.files)
    if not far or len(pairs) < 2:
        return [_published_one(pair) for pair in pairs]
    with ThreadPoolExecutor(_SENDERS) as pool:
        return list(pool.map(_published_one, pairs))


def _published_one(pair: tuple[Work, Result]) -> tuple[tuple[str, int], ...] | Result:
    work, result = pair
    try:
        return publish(result.files)
    except (UnreadableFile, UnwritableFile) as error:
        return failed(work, error)


def described(work: Work) -> dict[str, Any]:
    """What events and reports say of a work, without what may be secret."""
    return {
        "key": work.key,
        "task": work.task,
        "method": work.method,
        "source": places.shown(work.source),
        "origin": work.origin,
        "outputs": [places.shown(target) for target in work.targets],
    }
