"""The engine ``ray``: workers on every machine of a cluster.

Ray decides where a worker lives, notices that it or its machine is gone and starts another; what
is here only speaks the batch's contract. Pictures travel to the workers through Ray's object store,
and results back through it, so that machines need not share a disk.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
import time
from collections import deque
from dataclasses import dataclass, field, replace
from math import inf
from pathlib import Path
from typing import Any

from layerstudio.errors import InvalidRequest
from layerstudio.pipelines.batch import places
from layerstudio.pipelines.batch.engine import Company, Event, Started
from layerstudio.pipelines.batch.packing import Packed, packed, unpacked
from layerstudio.pipelines.batch.performing import Setup, bytes_of, failed, perform
from layerstudio.pipelines.batch.publishing import discard, part_of, sync
from layerstudio.pipelines.batch.work import Result, Work, Written

_AHEAD = 2  # works that a worker has: one at work, one whose picture is on its way
_LOST = "The worker, or the machine it was on, is gone."


class _Performer:
    """What lives on a machine of the cluster: models are loaded once and kept."""

    def __init__(self, setup: Setup) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="layerstudio-ray-"))
        self._setup = replace(setup, spool=self._folder / "spool")

    def perform(self, work: Work, source: bytes | None) -> tuple[Result, list[Packed]]:
        """The result, and its files in their order."""
        here = self._folder / work.key
        shutil.rmtree(here, ignore_errors=True)
        here.mkdir()
        try:
            copy = None
            if source is not None:
                copy = here / "source" / places.name_of(work.source)
                copy.parent.mkdir()
                copy.write_bytes(source)
            targets = tuple(str(here / places.name_of(target)) for target in work.targets)
            result = perform(replace(work, targets=targets), self._setup, copy)
            return result, [packed(Path(file.part)) for file in result.files]
        finally:
            shutil.rmtree(here, ignore_errors=True)


@dataclass(eq=False)
class _Worker:
    actor: Any
    company: Company = "any"
    works: dict[Any, Work] = field(default_factory=dict)  # by the reference to their result
    since: float = 0.0  # when the first of its works began to be the first


class RayEngine:
    """``workers`` None is one for each GPU of the cluster, or one for each CPU where it has none.

    ``address`` is that of a running cluster ("auto" finds one on this machine); without one, a
    cluster of this machine alone is started and ended with the engine. Raises ``InvalidRequest``
    where Ray is not installed or there is no such cluster.
    """

    def __init__(
        self, setup: Setup, workers: int | None, address: str, *, timeout: float | None = None
    ) -> None:
        self._ray = _connected(address)
        self._setup = setup
        self._timeout = timeout
        resources = self._ray.cluster_resources()
        gpus = int(resources.get("GPU", 0))
        self.workers = workers or gpus or max(1, int(resources.get("CPU", 1)))
        share = min(1.0, gpus / self.workers) if gpus else 0
        kind = self._ray.remote(num_cpus=1, num_gpus=share)(_Performer)
        self._kind = kind
        self._waiting: deque[tuple[Work, Company]] = deque()
        self._pool = [self._started() for _ in range(self.workers)]
        self._events: list[Event] = []

    def has_room(self) -> bool:
        free = sum(_AHEAD - len(worker.works) for worker in self._pool)
        return len(self._waiting) < max(free, 1)

    def submit(self, work: Work, company: Company = "any") -> None:
        self._waiting.append((work, company))
        self._hand_out()

    def events(self, seconds: float) -> list[Event]:
        self._hand_out()
        owners = {reference: worker for worker in self._pool for reference in worker.works}
        if owners:
            ready, _ = self._ray.wait(list(owners), num_returns=1, timeout=seconds)
            for reference in ready:
                self._take(owners[reference], reference)
        self._end_overdue()
        self._hand_out()
        found, self._events = self._events, []
        return found

    def close(self, *, now: bool = False) -> None:
        for worker in self._pool:
            self._ray.kill(worker.actor)
        self._ray.shutdown()

    def _started(self) -> _Worker:
        return _Worker(self._kind.remote(self._setup))

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
        except self._ray.exceptions.RayError as error:
            # Its machine took its results along, or it died on the way: all that it had is lost.
            self._lose(worker, Result("", trouble="crash", message=f"{_LOST} {_first_line(error)}"))
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
        busy = [worker for worker in self._pool if worker.works]
        idle = next((worker for worker in self._pool if not worker.works), None)
        if any(worker.company == "own machine" for worker in busy):
            return None
        if company == "own machine":
            return None if busy else idle
        if company == "own worker" or idle is not None:
            return idle
        open_ = [w for w in busy if w.company == "any" and len(w.works) < _AHEAD]
        return min(open_, key=lambda worker: len(worker.works), default=None)


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


def _connected(address: str) -> Any:
    try:
        import ray
    except ImportError:
        raise InvalidRequest(
            "The engine 'ray' is not installed.",
            advice="Get it with `pip install layerstudio[ray]`, or use --engine local.",
        ) from None
    try:
        ray.init(address=address or None, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise InvalidRequest(
            f"There is no Ray cluster at {address or 'this machine'!r}: {_first_line(error)}."
        ) from error
    return ray


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else "no reason"
