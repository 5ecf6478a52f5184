"""The jobs of one session, as it sees them: nobody else's."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from typing import Any

from layerstudio.errors import InvalidRequest
from layerstudio.ui.web.errors_json import NotFound
from layerstudio.ui.web.events import Events
from layerstudio.ui.web.jobs.job import Job

_MOST_FINISHED = 20  # kept to be looked at; the oldest go first, with their files

Views = Callable[[list[Job]], list[dict[str, Any]]]


class JobList:
    """Thread-safe. ``events`` hears of each change of a job, in the thread that made it.

    ``inputs`` are the uploads that generations started from, by the hashes that recipes know them
    by, so that a recipe can run again.
    """

    def __init__(self, events: Events, views: Views) -> None:
        self._events = events
        self._views = views
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}
        self.inputs: dict[str, str] = {}

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
        """Raises ``NotFound`` for what is no job of this session."""
        with self._lock:
            found = self._jobs.get(job_id)
        if found is None:
            raise NotFound("There is no such job.", advice="It may have been dismissed.")
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
        """Forget a job that is over, with its files.

        Raises ``NotFound``, and ``InvalidRequest`` for one that is not over.
        """
        job = self.get(job_id)
        if not job.is_over:
            raise InvalidRequest("The job is not over.", advice="Cancel it first.")
        with self._lock:
            self._jobs.pop(job_id, None)
        _delete_files(job)

    def tell(self, job: Job) -> None:
        """Publish a job's view as it is now."""
        with self._lock:
            is_known = job.id in self._jobs
        if is_known:
            self._events.publish("job", self._views([job])[0])


def _delete_files(job: Job) -> None:
    """Each job writes into a folder of its own."""
    if job.result is not None:
        for folder in {file.path.parent for file in job.result.files}:
            shutil.rmtree(folder, ignore_errors=True)
