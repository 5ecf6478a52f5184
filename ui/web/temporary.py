"""The studio's temporary folder: one for each process, gone when it ends.

A process that was killed leaves its folder behind; the next one to start removes it. A folder
whose process runs is known by its lock, which the system releases whatever ends the process.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
import time
from pathlib import Path

from filelock import FileLock, Timeout

_PREFIX = "layerstudio-studio-"
_LOCK = ".lock"
_OLD_S = 3600.0


class TemporaryRoot:
    """``path`` is a folder that only this user can read; ``remove`` may be called twice."""

    def __init__(self) -> None:
        _remove_left_behind(Path(tempfile.gettempdir()))
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX))
        self._lock = FileLock(self.path / _LOCK)
        self._lock.acquire(timeout=0)
        atexit.register(self.remove)

    def remove(self) -> None:
        """Now, and once more when the process ends: Gradio keeps the first folder that it was given
        in mind, and makes it anew when a second studio starts in the same process."""
        self._lock.release()
        shutil.rmtree(self.path, ignore_errors=True)


def _remove_left_behind(parent: Path) -> None:
    for folder in parent.glob(f"{_PREFIX}*"):
        if folder.is_symlink():
            continue
        try:
            if not (folder / _LOCK).is_file():  # perhaps its process is about to make it
                if time.time() - folder.stat().st_mtime > _OLD_S:
                    shutil.rmtree(folder, ignore_errors=True)
                continue
            with FileLock(folder / _LOCK, timeout=0):
                shutil.rmtree(folder, ignore_errors=True)
        except (Timeout, OSError):  # in use, or another user's
            continue
