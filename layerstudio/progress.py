"""How a running job speaks to whoever started it, and how it is told to stop."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from layerstudio.color import U8
from layerstudio.errors import Cancelled


@dataclass(frozen=True)
class Progress:
    """One report: what is being done, how much of the whole job is behind it (0..1)."""

    stage: str
    fraction: float
    preview: U8 | None = None


ProgressCallback = Callable[[Progress], None]


def ignore_progress(progress: Progress) -> None:
    """The callback of a caller who does not watch."""


class CancelToken:
    """A flag that any thread may set; the job looks at it between steps."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        self._event.set()

    @property
    def is_cancelled(self) -> bool:
        return self._event.is_set()

    def wait(self, seconds: float) -> None:
        """Until then, or until ``cancel()`` is called."""
        self._event.wait(seconds)

    def check(self) -> None:
        """Raise ``Cancelled`` once ``cancel()`` was called."""
        if self._event.is_set():
            raise Cancelled("The job was cancelled.")
