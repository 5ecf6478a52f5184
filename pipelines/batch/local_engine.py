"""The engine ``local``: worker processes on this machine.

Each loads the models once and keeps them. Works are handed out one ahead, so that a worker never
waits for a disk. Fewer workers are used while memory is short.
"""

from __future__ import annotations

import os
import signal
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from multiprocessing import connection, get_context
from typing import Any

from layerstudio.machine import GIB, free_memory
from layerstudio.pipelines.batch.engine import MOST_STILLBORN, CannotWork, Company, Event
from layerstudio.pipelines.batch.performing import Setup
from layerstudio.pipelines.batch.publishing import discard_all_of
from layerstudio.pipelines.batch.work import Result, Work
from layerstudio.pipelines.batch.worker import Ready, serve
from layerstudio.pipelines.runtime import Runtime

_AHEAD = 3  # works in a worker: one written, one computed, one read
_LEAST_FREE = GIB  # bytes, before another worker gets work
_PATIENCE = 10.0  # seconds for a worker to end by itself
_POOLS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
# Methods start threads of their own, and a forked copy of a threaded process may hang.
_CONTEXT = get_context("spawn")


@dataclass(eq=False)
class _Worker:
    """A process and the works that it has, in the order in which it got them."""

    runtime: Runtime
    process: Any
    pipe: connection.Connection
    works: list[Work] = field(default_factory=list)
    company: Company = "any"  # that its works agreed to
    is_ready: bool = False
    since: float = 0.0  # when the first of its works began to be the first


class LocalEngine:
    """``runtimes`` are one for each worker; ``timeout`` in seconds is for one work."""

    def __init__(
        self, setup: Setup, runtimes: Sequence[Runtime], *, timeout: float | None = None
    ) -> None:
        self.workers = len(runtimes)
        self._setup = setup
        self._timeout = timeout
        self._threads = max(1, (os.cpu_count() or 1) // len(runtimes))
        self._waiting: deque[tuple[Work, Company]] = deque()
        self._peak = 0
        self._stillborn = 0
        self._pool = [self._spawned(runtime) for runtime in runtimes]

    def has_room(self) -> bool:
        free = sum(_AHEAD - len(worker.works) for worker in self._pool)
        return len(self._waiting) < max(free, 1)

    def submit(self, work: Work, company: Company = "any") -> None:
        self._waiting.append((work, company))
        self._hand_out()

    def events(self, seconds: float) -> list[Event]:
        self._hand_out()
        awaited: dict[Any, _Worker] = {}
        for worker in self._pool:
            awaited |= {worker.pipe: worker, worker.process.sentinel: worker}
        found: list[Event] = []
        ready = connection.wait(list(awaited), seconds)
        for worker in dict.fromkeys(awaited[thing] for thing in ready):
            found += self._received(worker)
            if not worker.process.is_alive():
                found += self._received(worker)  # what it sent before it died
                found += self._bury(worker)
        found += self._overdue()
        self._hand_out()
        return found

    def close(self, *, now: bool = False) -> None:
        for worker in self._pool:
            if now:
                worker.process.kill()
            else:
                _send(worker, None)
        for worker in self._pool:
            worker.process.join(None if now else _PATIENCE)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
            worker.pipe.close()

    def _hand_out(self) -> None:
        while self._waiting:
            work, company = self._waiting[0]
            worker = self._worker_for(company)
            if worker is None:
                return
            self._waiting.popleft()
            worker.company = company
            if not worker.works:
                worker.since = time.monotonic()
            worker.works.append(work)
            _send(worker, work)

    def _worker_for(self, company: Company) -> _Worker | None:
        """The one with the least to do that may take such a work now."""
        busy = [worker for worker in self._pool if worker.works]
        if any(worker.company == "own machine" for worker in busy):
            return None
        idle = next((worker for worker in self._pool if not worker.works), None)
        if company == "own machine":
            return None if busy else idle
        if company == "own worker":
            return idle
        if idle is not None and not (busy and self._is_short()):
            return idle
        open_ = [w for w in busy if w.company == "any" and len(w.works) < _AHEAD]
        return min(open_, key=lambda worker: len(worker.works), default=None)

    def _is_short(self) -> bool:
        """Whether another worker might not find the memory that one has needed so far."""
        free = free_memory()
        return free is not None and free < max(_LEAST_FREE, self._peak)

    def _received(self, worker: _Worker) -> list[Event]:
        found: list[Event] = []
        with suppress(EOFError, OSError):  # it died; its sentinel says so
            while worker.pipe.poll():
                event = worker.pipe.recv()
                if isinstance(event, Ready):
                    worker.is_ready, worker.since = True, time.monotonic()
                    self._stillborn = 0
                    continue
                found.append(event)
                if isinstance(event, Result):
                    self._finish(worker, event)
        return found

    def _finish(self, worker: _Worker, result: Result) -> None:
        worker.works = [work for work in worker.works if work.key != result.key]
        worker.since = time.monotonic()
        self._peak = max(self._peak, result.peak_bytes)

    def _bury(self, worker: _Worker) -> list[Event]:
        """Results of all works of a worker that died; those of one that never began wait again."""
        death = _death(worker.process.exitcode)
        if not worker.is_ready:
            self._stillborn += 1
            if self._stillborn >= MOST_STILLBORN:
                raise CannotWork(
                    f"{self._stillborn} workers in a row ended before they began. {death}",
                    advice="Run one item with --workers 0 to see why.",
                )
            self._waiting.extendleft((work, worker.company) for work in reversed(worker.works))
            worker.works = []
        self._replace(worker)
        return [Result(work.key, trouble="crash", message=death) for work in worker.works]

    def _replace(self, worker: _Worker) -> None:
        worker.pipe.close()
        for work in worker.works:
            discard_all_of(work, self._setup.spool)
        self._pool[self._pool.index(worker)] = self._spawned(worker.runtime)

    def _overdue(self) -> list[Event]:
        """Works that take too long end with their worker; those behind them are only unlucky."""
        if self._timeout is None:
            return []
        found: list[Event] = []
        for worker in list(self._pool):
            late = time.monotonic() - worker.since > self._timeout
            if late and worker.works and worker.is_ready:
                first, *rest = worker.works
                worker.process.kill()
                worker.process.join()
                self._replace(worker)
                text = f"It took longer than {self._timeout:g} seconds."
                found.append(Result(first.key, trouble="timeout", message=text))
                self._waiting.extendleft((work, "any") for work in reversed(rest))
        return found

    def _spawned(self, runtime: Runtime) -> _Worker:
        ours, theirs = _CONTEXT.Pipe()
        setup = replace(self._setup, runtime=runtime)
        process = _CONTEXT.Process(target=serve, args=(theirs, setup, self._threads), daemon=True)
        with _threads_in_environment(self._threads), _signals_blocked():
            process.start()
        theirs.close()
        return _Worker(runtime, process, ours)


def _send(worker: _Worker, work: Work | None) -> None:
    with suppress(OSError):  # it died; its sentinel says so, and its works come back
        worker.pipe.send(work)


def _death(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        memory = ", most likely for lack of memory" if exitcode == -9 else ""
        return f"The worker process was ended by signal {-exitcode}{memory}."
    return f"The worker process ended by itself with code {exitcode}."


@contextmanager
def _signals_blocked() -> Iterator[None]:
    """The new process inherits this, and is not stopped before it can say what to do then."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _threads_in_environment(threads: int) -> Iterator[None]:
    """Libraries read how many threads to start when they are loaded."""
    before = {name: os.environ.get(name) for name in _POOLS}
    os.environ.update({name: before[name] or str(threads) for name in _POOLS})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
