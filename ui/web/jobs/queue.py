"""The queue of an application: who runs next, and the one place where a job's errors end.

There are three lanes, each with a worker thread of its own: ``compute`` for what keeps the
processor or the GPU busy, ``light`` for opening and exporting, which must not wait for an hour of
sampling, and ``fetch`` for downloads, which wait for others. Within a lane sessions take turns.
"""

from __future__ import annotations

import heapq
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from layerstudio.errors import Cancelled, InvalidRequest, LayerStudioError, OutOfMemory
from layerstudio.progress import Progress
from layerstudio.ui.web.errors_json import NoRoom, error_json
from layerstudio.ui.web.events import Events
from layerstudio.ui.web.jobs.estimates import Measure, Timings, remaining
from layerstudio.ui.web.jobs.job import Job, JobResult, Lane, Work
from layerstudio.ui.web.jobs.job_list import JobList
from layerstudio.ui.web.jobs.packages import lacking_package

_log = logging.getLogger("layerstudio.web")
_LANES: tuple[Lane, ...] = ("compute", "light", "fetch")
_MOST_WAITING = 20  # jobs of one session; more are a program's mistake
_REPORT_EVERY = 0.1  # seconds between two reports of a job to who listens
OUR_FAULT = {
    "kind": "OurFault",
    "message": "Something went wrong that is our fault.",
    "advice": "The document is as it was. The studio's log says more; please report it.",
}


class QueueFull(NoRoom):
    """More jobs are waiting than one session may have."""


class Owner(Protocol):
    """What the queue needs of a session; ``jobs`` is set by ``JobQueue.of``."""

    id: str
    events: Events
    jobs: Any


class JobQueue:
    """One per application; every method may be called from any thread."""

    def __init__(self, timings: Timings | None = None, *, workers: int = 1) -> None:
        """``workers`` threads compute; one more does what is light, and one fetches."""
        self.timings = timings or Timings()
        self._wake = threading.Condition()
        self._waiting: dict[Lane, dict[str, deque[Job]]] = {lane: {} for lane in _LANES}
        self._running: dict[Lane, list[Job]] = {lane: [] for lane in _LANES}
        self._lists: dict[str, JobList] = {}
        self._served: dict[str, int] = {}  # when each session had its last turn
        self._turn = 0
        self._is_closed = False
        compute: tuple[Lane, ...] = ("compute",)
        self._threads = [
            threading.Thread(target=self._work, args=(lane,), name=f"jobs-{lane}", daemon=True)
            for lane in (*compute * workers, "light", "fetch")
        ]
        for thread in self._threads:
            thread.start()

    def of(self, session: Owner) -> JobList:
        """The jobs of a session, which are put at its ``jobs`` when it is first seen."""
        with self._wake:
            found = self._lists.get(session.id)
            if found is None:
                found = self._lists[session.id] = JobList(session.events, self._views)
                session.jobs = found
            return found

    def submit(
        self,
        session: Owner,
        kind: str,
        title: str,
        work: Work,
        *,
        lane: Lane = "compute",
        measure: Measure | None = None,
    ) -> Job:
        """Put a job into a lane; raises ``QueueFull``.

        ``work`` runs in a worker thread. It raises ``Cancelled`` soon after its token is set, and
        other children of ``LayerStudioError`` for what a person can change.
        """
        jobs = self.of(session)
        job = Job(session.id, kind, title, work, lane=lane, measure=measure)
        with self._wake:
            if self._is_closed:
                raise InvalidRequest("The studio is closing and takes no more jobs.")
            mine = self._waiting[lane].setdefault(session.id, deque())
            if len(mine) >= _MOST_WAITING:
                raise QueueFull(
                    f"{len(mine)} jobs are waiting already.",
                    advice="Wait for some, or cancel some.",
                )
            mine.append(job)
            jobs.add(job)
            self._wake.notify_all()
        self._tell_lane(lane)
        return job

    def cancel(self, session: Owner, job_id: str) -> Job:
        """Take a waiting job out, or tell a running one to stop; raises ``NotFound``.

        Jobs that are over stay as they are.
        """
        job = self.of(session).get(job_id)
        with self._wake:
            job.cancel.cancel()
            mine = self._waiting[job.lane].get(job.owner, deque())
            if job in mine:
                mine.remove(job)
                job.end("cancelled")
        self._tell_lane(job.lane)
        self._tell(job)
        return job

    def dismiss(self, session: Owner, job_id: str) -> None:
        """Forget a job that is over, with its files; raises ``NotFound``, ``InvalidRequest``."""
        self.of(session).dismiss(job_id)

    def forget(self, session_id: str) -> None:
        """Cancel all of a session's jobs and remove its list; its running job stops soon."""
        with self._wake:
            jobs = self._lists.pop(session_id, None)
            self._served.pop(session_id, None)
            for lane in _LANES:
                self._waiting[lane].pop(session_id, None)
            for job in jobs.all() if jobs else ():
                job.cancel.cancel()
                if job.state == "queued":
                    job.end("cancelled")
        for lane in _LANES:
            self._tell_lane(lane)

    def close(self, wait: float = 4.0) -> None:
        """Cancel everything and end the threads, waiting up to so many seconds for them."""
        with self._wake:
            self._is_closed = True
            for lane in _LANES:
                waiting = [job for jobs in self._waiting[lane].values() for job in jobs]
                self._waiting[lane].clear()
                for job in (*waiting, *self._running[lane]):
                    job.cancel.cancel()
                for job in waiting:
                    job.end("cancelled")
            self._wake.notify_all()
        ends = time.monotonic() + wait
        for thread in self._threads:
            thread.join(max(ends - time.monotonic(), 0))

    def view(self, job: Job) -> dict[str, Any]:
        """The job with its place in the queue and its estimate, JSON-ready."""
        return self._views([job])[0]

    def _views(self, jobs: list[Job]) -> list[dict[str, Any]]:
        with self._wake:
            rows = [row for lane in _LANES for row in self._schedule(lane)]
            places = {job.id: (position, eta) for job, position, eta in rows}
            return [job.view(*places.get(job.id, (0, None))) for job in jobs]

    def _schedule(self, lane: Lane) -> list[tuple[Job, int, float | None]]:
        """Running and waiting jobs in their order, with positions and seconds to their ends."""
        running = self._running[lane]
        rows: list[tuple[Job, int, float | None]] = []
        free: list[float] | None = []  # when each worker is free; None once that is unknown
        for job in running:
            eta = remaining(job.elapsed, job.fraction, self._expected(job))
            rows.append((job, 0, eta))
            free = None if eta is None or free is None else [*free, eta]
        workers = sum(thread.name == f"jobs-{lane}" for thread in self._threads)
        if free is not None:
            free += [0.0] * (workers - len(free))
            heapq.heapify(free)
        for index, job in enumerate(self._order(lane)):
            expected = self._expected(job)
            free = None if expected is None else free
            eta = None
            if free is not None and expected is not None:
                eta = free[0] + expected
                heapq.heapreplace(free, eta)
            rows.append((job, max(len(running), 1) + index, eta))
        return rows

    def _expected(self, job: Job) -> float | None:
        return None if job.measure is None else self.timings.seconds(job.measure)

    def _order(self, lane: Lane) -> list[Job]:
        """Who runs next, and who then: the session whose last turn is longest ago goes first."""
        left = {owner: deque(jobs) for owner, jobs in self._waiting[lane].items() if jobs}
        served, turn, order = dict(self._served), self._turn, []
        while left:
            owner = min(left, key=lambda one: served.get(one, -1))
            turn += 1
            served[owner] = turn
            order.append(left[owner].popleft())
            if not left[owner]:
                del left[owner]
        return order

    def _work(self, lane: Lane) -> None:
        """A worker's life."""
        while (job := self._take(lane)) is not None:
            self._tell_lane(lane)
            self._run(job)
            with self._wake:
                self._running[lane].remove(job)
            self._tell(job)
            self._tell_lane(lane)

    def _take(self, lane: Lane) -> Job | None:
        """The next job, begun; None when the queue is closed."""
        with self._wake:
            while not self._is_closed:
                order = self._order(lane)
                if order:
                    job = order[0]
                    self._waiting[lane][job.owner].remove(job)
                    self._turn += 1
                    self._served[job.owner] = self._turn
                    self._running[lane].append(job)
                    job.begin()
                    return job
                self._wake.wait()
        return None

    def _run(self, job: Job) -> None:
        """The job boundary: whatever goes wrong ends here, and the worker lives on."""
        assert job.work is not None, job.id
        try:
            result = job.work(self._reporter(job), job.cancel)
        except Cancelled:
            job.end("cancelled")
        except MemoryError:
            shortage = OutOfMemory(
                "This needs more memory than the machine has free.",
                advice="Close other programs, or take a smaller picture or method.",
            )
            job.end("failed", error=error_json(shortage))
        except LayerStudioError as error:
            job.end("failed", error=error_json(error))
        except Exception as error:
            lacking = lacking_package(error) if isinstance(error, ModuleNotFoundError) else None
            if lacking is None:
                _log.exception("The job %s (%s) failed.", job.id, job.kind)
            job.end("failed", error=error_json(lacking) if lacking else dict(OUR_FAULT))
        else:
            self._finish(job, result)

    def _finish(self, job: Job, result: JobResult) -> None:
        if job.measure is not None:
            self.timings.add(job.measure, job.elapsed)
        job.end("done", result=result)

    def _reporter(self, job: Job) -> Callable[[Progress], None]:
        last = -1.0

        def report(progress: Progress) -> None:
            nonlocal last
            job.cancel.check()
            job.report(progress)
            now = time.monotonic()
            if now - last >= _REPORT_EVERY:
                last = now
                self._tell(job)

        return report

    def _tell(self, job: Job) -> None:
        with self._wake:
            jobs = self._lists.get(job.owner)
        if jobs is not None:
            jobs.tell(job)

    def _tell_lane(self, lane: Lane) -> None:
        """All who wait learn of their new places."""
        with self._wake:
            concerned = [*self._running[lane], *self._order(lane)]
        for job in concerned:
            self._tell(job)
