"""The engine for ``--workers 0``: everything in this process, one work after the other.

For debuggers and for methods that must share a process; a work that kills it ends the batch, which
then continues as after any other end.
"""

from __future__ import annotations

import sys
from collections import deque
from contextlib import redirect_stdout

from layerstudio.pipelines.batch.engine import Company, Event, Started
from layerstudio.pipelines.batch.performing import Setup, perform
from layerstudio.pipelines.batch.work import Work


class InlineEngine:
    workers = 1

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._waiting: deque[Work] = deque()

    def has_room(self) -> bool:
        return not self._waiting

    def submit(self, work: Work, company: Company = "any") -> None:
        self._waiting.append(work)

    def events(self, seconds: float) -> list[Event]:
        if not self._waiting:
            return []
        work = self._waiting.popleft()
        with redirect_stdout(sys.stderr):  # there, results alone are printed
            return [Started(work.key), perform(work, self._setup)]

    def close(self, *, now: bool = False) -> None:
        self._waiting.clear()
