"""The jobs of one session, as it sees them: nobody else's."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from typing import Any

from layerstudio.errors import InvalidRequest
from layerstudio.ui.web.jobs.job import Job

_MOST_FINISHED = 20  # kept to be looked at; the oldest go first, with their files

Views = Callable[[list[Job]], list[dict[str, Any]]]
Watcher = Callable[[dict[str, Any]], None]


class JobList:
    """Thread-safe. Watchers get a job's view after each change, in the thread that made it."""

    def __init__(self, owner: str, views: Views) -> None:
        self.owner = owner
        self._views = views
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}
        self._watchers: list[Watcher] = []

    def add(self, job: Job) -> None:
        with self._lock:
            self._jobs[job.id] = job
            over = [one for one in self._jobs.values() if one.is_over]
            gone = over[: max(len(over) - _MOST_FINISHED, 0)]
            for one in gone:
                del self._jobs[one.id]
        for one in gone:
            _delete_files(one)

    def get(self, job_id: str) -> Job:
        """Raises ``InvalidRequest`` for what is no job of this session."""
        with self._lock:
            found = self._jobs.get(job_id)
        if found is None:
            raise InvalidRequest("There is no such job.", advice="It may have been dismissed.")
        return found

    def all(self) -> list[Job]:
        """In the order in which they were submitted."""
        with self._lock:
            return list(self._jobs.values())

    @property
    def is_busy(self) -> bool:
        """Whether one of them waits or runs."""
        return any(not job.is_over for job in self.all())

    def views(self) -> list[dict[str, Any]]:
        """All of them, JSON-ready, in the order in which they were submitted."""
        return self._views(self.all())

    def dismiss(self, job_id: str) -> None:
        """Forget a job that is over, with its files; raises ``InvalidRequest`` for others."""
        job = self.get(job_id)
        if not job.is_over:
            raise InvalidRequest("The job is not over.", advice="Cancel it first.")
        with self._lock:
            self._jobs.pop(job_id, None)
        _delete_files(job)

    def subscribe(self, watcher: Watcher) -> Callable[[], None]:
        """Call ``watcher`` with the view of each job that changes; returns how to stop."""
        with self._lock:
            self._watchers.append(watcher)

        def stop() -> None:
            with self._lock:
                if watcher in self._watchers:
                    self._watchers.remove(watcher)

        return stop

    def tell(self, job: Job) -> None:
        with self._lock:
            watchers = list(self._watchers)
            known = job.id in self._jobs
        if watchers and known:
            (view,) = self._views([job])
            for watcher in watchers:
                watcher(view)


def _delete_files(job: Job) -> None:
    """Each job writes into a folder of its own."""
    if job.result is not None:
        for folder in {file.path.parent for file in job.result.files}:
            shutil.rmtree(folder, ignore_errors=True)
