"""The engine ``ray``: workers on every machine of a cluster.

Ray decides where a worker lives, notices that it or its machine is gone and starts another; what
is here only speaks the batch's contract. Pictures travel to the workers through Ray's object store,
and results back through it, so that machines need not share a disk.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from math import inf
from pathlib import Path
from typing import Any

from layerstudio.errors import InvalidRequest
from layerstudio.pipelines.batch import places
from layerstudio.pipelines.batch.engine import (
    MOST_STILLBORN,
    CannotWork,
    Company,
    Event,
    Started,
)
from layerstudio.pipelines.batch.packing import Packed, packed, unpacked
from layerstudio.pipelines.batch.performing import Setup, bytes_of, failed, perform
from layerstudio.pipelines.batch.publishing import discard, part_of, sync
from layerstudio.pipelines.batch.work import Result, Work, Written

_AHEAD = 2  # works that a worker has: one at work, one whose picture is on its way
_LONGEST_START = 600.0  # seconds without any worker; clusters that grow take minutes
_KNOCK = 10.0  # seconds
_LOST = "The worker, or the machine it was on, is gone."


class _Performer:
    """What lives on a machine of the cluster: models are loaded once and kept."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup

    def machine(self) -> str:
        """Where this worker is. Answers once it has its place and everything is imported."""
        import ray  # pyright: ignore[reportMissingImports]  # an extra

        return ray.get_runtime_context().get_node_id()

    def perform(self, work: Work, source: bytes | None) -> tuple[Result, list[Packed]]:
        """The result, and its files in their order."""
        try:
            with tempfile.TemporaryDirectory(prefix="layerstudio-ray-") as folder:
                return self._perform(work, source, Path(folder))
        except OSError as error:  # a full disk there
            return failed(work, error), []

    def _perform(self, work: Work, source: bytes | None, here: Path) -> tuple[Result, list[Packed]]:
        copy = None
        if source is not None:
            copy = here / "source" / places.name_of(work.source)
            copy.parent.mkdir()
            copy.write_bytes(source)
        targets = tuple(str(here / places.name_of(target)) for target in work.targets)
        setup = replace(self._setup, spool=here / "spool")
        result = perform(replace(work, targets=targets), setup, copy)
        return result, [packed(Path(file.part)) for file in result.files]


@dataclass(eq=False)
class _Worker:
    """Gets works once ``starting``, the reference to its first answer, is None."""

    actor: Any
    starting: Any
    machine: str = ""
    company: Company = "any"
    works: dict[Any, Work] = field(default_factory=dict)  # by the reference to their result
    since: float = 0.0  # when the first of its works began to be the first


class RayEngine:
    """``workers`` None is one for each GPU of the cluster, or one for each CPU where it has none.

    ``address`` is that of a running cluster ("auto" finds one on this machine), by default the
    variable ``RAY_ADDRESS``; without one, a cluster of this machine alone is started and ended
    with the engine. Raises ``InvalidRequest`` where Ray is not installed or there is no such
    cluster.
    """

    def __init__(
        self, setup: Setup, workers: int | None, address: str, *, timeout: float | None = None
    ) -> None:
        self._ray, self._is_ours = connected(address)
        self._setup = setup
        self._timeout = timeout
        resources = self._ray.cluster_resources()
        gpus, cpus = int(resources.get("GPU", 0)), int(resources.get("CPU", 1))
        self.workers = workers or gpus or max(1, cpus)
        # More workers than processors share them; a whole one each would never be free.
        self._kind = self._ray.remote(
            num_cpus=_share(cpus, self.workers), num_gpus=_share(gpus, self.workers)
        )(_Performer)
        self._waiting: deque[tuple[Work, Company]] = deque()
        self._events: list[Event] = []
        self._stillborn = 0
        self._alone_since = time.monotonic()  # with no worker that is up
        self._pool = [self._started() for _ in range(self.workers)]

    def has_room(self) -> bool:
        free = sum(_AHEAD - len(worker.works) for worker in self._up)
        return len(self._waiting) < max(free, 1)

    def submit(self, work: Work, company: Company = "any") -> None:
        self._waiting.append((work, company))
        self._hand_out()

    def events(self, seconds: float) -> list[Event]:
        self._hand_out()
        owners = {reference: worker for worker in self._pool for reference in worker.works}
        owners |= {worker.starting: worker for worker in self._pool if worker.starting is not None}
        self._ray.wait(list(owners), num_returns=1, timeout=seconds)
        ready, _ = self._ray.wait(list(owners), num_returns=len(owners), timeout=0)
        for reference in ready:
            worker = owners[reference]
            if worker not in self._pool:
                continue  # lost a moment ago
            if reference is worker.starting:
                self._welcome(worker)
            else:
                self._take(worker, reference)
        self._end_overdue()
        self._hand_out()
        found, self._events = self._events, []
        if self._up or found:
            self._alone_since = time.monotonic()
        elif time.monotonic() - self._alone_since > _LONGEST_START:
            raise CannotWork(
                f"The cluster had no place for a worker in {_LONGEST_START / 60:.0f} minutes.",
                advice="Ask for fewer --workers, or end what else runs there.",
            )
        return found

    def close(self, *, now: bool = False) -> None:
        for worker in self._pool:
            self._ray.kill(worker.actor)
        if self._is_ours:
            self._ray.shutdown()

    @property
    def _up(self) -> list[_Worker]:
        return [worker for worker in self._pool if worker.starting is None]

    def _started(self) -> _Worker:
        actor = self._kind.remote(self._setup)
        return _Worker(actor, actor.machine.remote())

    def _welcome(self, worker: _Worker) -> None:
        try:
            worker.machine = self._ray.get(worker.starting)
        except self._ray.exceptions.RayError as error:
            self._stillborn += 1
            if self._stillborn >= MOST_STILLBORN * self.workers:
                raise CannotWork(
                    f"Workers of the cluster end before they begin: {_first_line(error)}.",
                    advice="Every machine needs the same LayerStudio as this one.",
                ) from error
            self._lose(worker, Result("", trouble="crash", message=_LOST))
            return
        worker.starting = None
        self._stillborn = 0

    def _hand_out(self) -> None:
        while self._waiting:
            work, company = self._waiting[0]
            worker = self._worker_for(company)
            if worker is None:
                return
            self._waiting.popleft()
            worker.company = company
            self._send(worker, work)

    def _send(self, worker: _Worker, work: Work) -> None:
        source = bytes_of(work, self._setup.limits)
        if isinstance(source, Result):
            self._events.append(source)
            return
        if not worker.works:
            worker.since = time.monotonic()
        worker.works[worker.actor.perform.remote(work, source)] = work
        self._events.append(Started(work.key))

    def _take(self, worker: _Worker, reference: Any) -> None:
        try:
            result, files = self._ray.get(reference)
        except self._ray.exceptions.RayActorError as error:
            # It died, perhaps with its machine: all that it had is lost.
            self._lose(worker, Result("", trouble="crash", message=f"{_LOST} {_first_line(error)}"))
            return
        except self._ray.exceptions.RayError as error:
            # Its result got lost on the way, say with the machine that kept it.
            lost = worker.works.pop(reference)
            text = f"The result was lost: {_first_line(error)}."
            self._events.append(Result(lost.key, trouble="crash", message=text))
            return
        work = worker.works.pop(reference)
        worker.since = time.monotonic()
        self._events.append(_landed(work, result, files, self._setup.spool))

    def _lose(self, worker: _Worker, why: Result) -> None:
        self._ray.kill(worker.actor)
        self._pool[self._pool.index(worker)] = self._started()
        self._events += [replace(why, key=work.key) for work in worker.works.values()]

    def _end_overdue(self) -> None:
        """Works that take too long end with their worker; those behind them are only unlucky."""
        for worker in list(self._pool):
            late = worker.works and time.monotonic() - worker.since > (self._timeout or inf)
            if late:
                first, *rest = worker.works.values()
                worker.works.clear()
                self._lose(worker, Result(""))
                text = f"It took longer than {self._timeout:g} seconds."
                self._events.append(Result(first.key, trouble="timeout", message=text))
                self._waiting.extendleft((work, "any") for work in reversed(rest))

    def _worker_for(self, company: Company) -> _Worker | None:
        alone = {w.machine for w in self._up if w.works and w.company == "own machine"}
        up = [worker for worker in self._up if worker.machine not in alone]
        busy = [worker for worker in up if worker.works]
        if company == "own machine":
            at_work = {worker.machine for worker in busy}
            return next((worker for worker in up if worker.machine not in at_work), None)
        idle = next((worker for worker in up if not worker.works), None)
        if company == "own worker" or idle is not None:
            return idle
        open_ = [w for w in busy if w.company == "any" and len(w.works) < _AHEAD]
        return min(open_, key=lambda worker: len(worker.works), default=None)


def _share(of: int, workers: int) -> float:
    """What one worker takes of processors: one, or a part where there are more workers; Ray counts
    in ten thousandths."""
    return min(1.0, int(10_000 * of / workers) / 10_000)


def _landed(work: Work, result: Result, files: list[Packed], spool: Path) -> Result:
    """The result with its files on this machine, complete and synced beside their targets."""
    written: list[Written] = []
    try:
        for target, file in zip(work.targets, files, strict=False):
            part = part_of(work.key, target, spool)
            written.append(Written(str(part), target, 0))
            discard(written[-1:])
            unpacked(file, part)
            sync(part)
            written[-1] = Written(str(part), target, places.size_of(str(part)) or 0)
    except OSError as error:
        discard(written)
        return failed(work, error)
    return replace(result, files=tuple(written))


def connected(address: str) -> tuple[Any, bool]:
    """Ray, and whether the connection is ours to end. Raises ``InvalidRequest``."""
    try:
        import ray  # pyright: ignore[reportMissingImports]  # an extra
    except ImportError:
        raise InvalidRequest(
            "The engine 'ray' is not installed.",
            advice="Get it with `pip install layerstudio[ray]`, or use --engine local.",
        ) from None
    if ray.is_initialized():
        return ray, False
    where = address or os.environ.get("RAY_ADDRESS") or "local"
    try:
        _knock(where)
        with _signals_kept():
            ray.init(address=where, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, ValueError, RuntimeError) as error:
        raise InvalidRequest(
            f"There is no Ray cluster at {places.without_secrets(where)!r}: {_first_line(error)}."
        ) from error
    return ray, True


def _knock(address: str) -> None:
    """Raise ``OSError`` where nobody listens; Ray itself would try for minutes."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), _KNOCK).close()


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Ray answers a polite kill itself from then on, before a batch could end its way."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else "no reason"
