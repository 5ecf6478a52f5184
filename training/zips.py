"""A zip that the workers of a data loader read side by side."""

from __future__ import annotations

import os
import zipfile
from functools import cached_property
from pathlib import Path


class SharedZip:
    """A zip that every process opens for itself, when it first reads.

    A forked process shares the position within an open file with its parent, so that two that read
    at once get each other's bytes. Copies that are sent to a process hold the path alone.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._opened: tuple[int, zipfile.ZipFile] | None = None

    @cached_property
    def entries(self) -> dict[str, zipfile.ZipInfo]:
        """By name. Raises ``OSError`` and ``zipfile.BadZipFile``."""
        return {entry.filename: entry for entry in self._own().infolist()}

    def read(self, name: str) -> bytes:
        """Raises ``KeyError`` besides; a damaged entry is a ``zipfile.BadZipFile``."""
        return self._own().read(name)

    def _own(self) -> zipfile.ZipFile:
        process = os.getpid()
        if self._opened is None or self._opened[0] != process:
            self._opened = process, zipfile.ZipFile(self.path)
        return self._opened[1]

    def __getstate__(self) -> dict[str, object]:
        return {"path": self.path, "_opened": None}
