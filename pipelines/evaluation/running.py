"""A plan carried out, sample by sample, in this process or in several."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any

import cv2

from layerstudio.pipelines.evaluation.plan import Plan, Record, records_of
from layerstudio.pipelines.evaluation.scores import SampleRecord
from layerstudio.progress import CancelToken, Progress, ProgressCallback, ignore_progress

KILLED = "The system ended the process, most likely for lack of memory; use fewer --jobs."
_GLANCE = 0.2  # seconds between looks at the cancel token
_PATIENCE = 3.0  # seconds that a method has to notice that it is cancelled
# Methods start threads of their own, and a forked copy of a threaded process may hang.
_CONTEXT = get_context("spawn")

Batch = tuple[Record, ...]


def run(
    plan: Plan,
    names: Iterable[str] | None = None,
    *,
    jobs: int = 1,
    progress: ProgressCallback = ignore_progress,
    cancel: CancelToken | None = None,
) -> Iterator[Batch]:
    """The records of each sample in ``names`` (all by default), as soon as it is done.

    With several ``jobs`` the order is theirs. A sample that cannot be read, a method that fails and
    a process that dies are records like others. Raises ``Cancelled``; processes end when the
    iteration is given up.
    """
    todo = list(plan.dataset.names if names is None else names)
    cancel = cancel or CancelToken()
    jobs = min(jobs, len(todo))
    if jobs > 1:
        yield from _counted(_pooled(plan, todo, jobs, cancel), len(todo), progress)
        return
    for index, name in enumerate(todo):
        yield tuple(records_of(plan, name, _share(progress, name, index, len(todo)), cancel))


def _counted(batches: Iterator[Batch], total: int, progress: ProgressCallback) -> Iterator[Batch]:
    for done, batch in enumerate(batches, 1):
        first = batch[0]
        assert isinstance(first, SampleRecord), first
        progress(Progress(first.name, done / total))
        yield batch


def _share(progress: ProgressCallback, name: str, index: int, total: int) -> ProgressCallback:
    """One sample's progress as part of the run's; its contestants start over within it."""

    def show(report: Progress) -> None:
        progress(Progress(f"{name}: {report.stage}", (index + report.fraction) / total))

    progress(Progress(name, index / total))
    return show


def _pooled(plan: Plan, names: list[str], jobs: int, cancel: CancelToken) -> Iterator[Batch]:
    """No more samples are under way than there are processes, so that it is known who was when one
    dies: those are run again, one at a time, and the one that dies alone is at fault."""
    queue, suspects = deque(names), deque[str]()
    while queue or suspects:
        alone = bool(suspects)
        source = suspects if alone else queue
        with _pool(plan, 1 if alone else jobs) as submit:
            under_way: dict[Future[Batch], str] = {}
            broken: list[str] = []
            while (source and not broken) or under_way:
                while source and not broken and len(under_way) < (1 if alone else jobs):
                    name = source.popleft()
                    under_way[submit(name)] = name
                done, _ = wait(under_way, timeout=_GLANCE, return_when=FIRST_COMPLETED)
                cancel.check()
                for future in done:
                    name = under_way.pop(future)
                    try:
                        yield future.result()
                    except BrokenProcessPool:
                        broken.append(name)
        if alone:
            yield from ((SampleRecord(name, error=KILLED),) for name in broken)
        else:
            suspects.extend(broken)


@contextmanager
def _pool(plan: Plan, jobs: int) -> Iterator[Callable[[str], Future[Batch]]]:
    # Plain shared memory: setting an event waits for processes that wait for it, dead ones too.
    stop = _CONTEXT.RawValue("b", 0)
    pool = ProcessPoolExecutor(
        jobs, mp_context=_CONTEXT, initializer=_start_worker, initargs=(plan, stop)
    )
    try:
        yield lambda name: pool.submit(_work, name)
    finally:
        stop.value = 1
        pool.shutdown(wait=True, cancel_futures=True)


class _Worker:
    """What a process keeps between samples."""

    plan: Plan
    cancel: CancelToken


def _start_worker(plan: Plan, stop: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the first decides
    cv2.setNumThreads(1)
    _Worker.plan, _Worker.cancel = plan, CancelToken()
    threading.Thread(target=_watch, args=(stop, _Worker.cancel), daemon=True).start()


def _watch(stop: Any, cancel: CancelToken) -> None:
    """Whoever stopped the run waits for the processes: one deep in a computation is ended."""
    while not stop.value:
        time.sleep(_GLANCE)
    cancel.cancel()
    time.sleep(_PATIENCE)
    os._exit(0)


def _work(name: str) -> Batch:
    return tuple(records_of(_Worker.plan, name, ignore_progress, _Worker.cancel))
