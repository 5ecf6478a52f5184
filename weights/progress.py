"""How far a download is, in files and bytes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from layerstudio.progress import Progress, ProgressCallback

_REPORT_EVERY = 0.1  # seconds


@dataclass(frozen=True)
class DownloadProgress(Progress):
    """The bytes behind ``fraction``: of this file, and of all; sizes None where unknown."""

    file: str = ""
    file_done: int = 0
    file_size: int | None = None
    done: int = 0
    total: int | None = None


class Meter:
    """Adds the files up and reports, at most ten times a second."""

    def __init__(self, sizes: Sequence[int | None], callback: ProgressCallback) -> None:
        self._callback = callback
        self._total = None if None in sizes else sum(size or 0 for size in sizes)
        self._files = len(sizes)
        self._finished_files = 0
        self._finished_bytes = 0
        self._next_report = 0.0

    def report(self, verb: str, path: str, done: int, size: int | None) -> None:
        """``done`` of a file's bytes have come ("downloading") or are read ("checking")."""
        now = time.monotonic()
        if now < self._next_report:
            return
        self._next_report = now + _REPORT_EVERY
        sum_done = self._finished_bytes + done
        fraction = sum_done / self._total if self._total else self._finished_files / self._files
        stage = f"{verb} {path}"
        self._callback(
            DownloadProgress(
                stage, min(fraction, 1.0), None, path, done, size, sum_done, self._total
            )
        )

    def finish(self, path: str, size: int) -> None:
        """A file is in its place; always reported."""
        self._next_report = 0.0
        self._finished_files += 1
        self.report("got", path, size, size)
        self._finished_bytes += size
