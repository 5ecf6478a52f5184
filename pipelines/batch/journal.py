"""What a batch has done so far, in a file that survives whatever ends the batch.

One JSON object a line, only ever appended. A result is first noted as *ready*, with the complete
files beside their targets; once that line is on the disk the files are moved into place and noted
as *done*. So a batch that ended between the two finishes the move instead of the work, and one that
ended before does the work again: nothing is lost, done twice or half there.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Literal, Self

from filelock import FileLock, Timeout

from layerstudio.errors import InvalidRequest, UnreadableFile, UnwritableFile
from layerstudio.pipelines.batch.work import Written

VERSION = 1
_MOST_LINE_BYTES = 2**26  # a longer line was not written here
Event = Literal["start", "ready", "done", "failed", "refused", "end"]


@dataclass
class Past:
    """What a journal remembers: of each key, its latest state.

    ``done`` are keys alone, since a batch may have a million. ``ready`` are the files that wait to
    be moved, ``refused`` why a work is not to be tried again. ``begun`` are works that are not done
    and whose files may lie at their targets all the same.
    """

    done: set[str] = field(default_factory=set)
    ready: dict[str, tuple[Written, ...]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    begun: set[str] = field(default_factory=set)

    def note(self, entry: Mapping[str, Any]) -> None:
        """Take in the next entry; one that makes no sense is passed over."""
        event, key = entry.get("event"), str(entry.get("key", ""))
        try:
            files = entry.get("files", ())
            if event == "ready":
                self.ready[key] = tuple(
                    Written(str(f["part"]), str(f["target"]), int(f["bytes"])) for f in files
                )
                self.begun.add(key)
            elif event == "done":
                if any(not isinstance(f[0], str) or not isinstance(f[1], int) for f in files):
                    return
                self.done.add(key)
                self.begun.discard(key)
                self.ready.pop(key, None)
                self.refused.pop(key, None)
        except (KeyError, TypeError, ValueError, IndexError, OverflowError):
            return
        if event in ("failed", "refused"):
            self.ready.pop(key, None)
        if event == "refused":
            self.refused[key] = str(entry.get("message", ""))


class Journal:
    """Open for one run alone: a second run of the same batch is refused.

    ``past`` is always up to what was appended last.
    """

    def __init__(self, path: Path, past: Past, descriptor: int, lock: FileLock) -> None:
        self.path = path
        self.past = past
        self._descriptor = descriptor
        self._lock = lock

    @classmethod
    def open(cls, path: Path) -> Self:
        """Read what is there and lock it.

        Raises ``InvalidRequest`` where another run holds it, ``UnreadableFile`` for a file that is
        no journal, and ``UnwritableFile``.
        """
        lock = FileLock(path.with_name(path.name + ".lock"))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire(blocking=False)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        except Timeout:
            raise InvalidRequest(
                f"Another run is at work on this batch: it holds {str(path)!r}.",
                advice="Wait for it, or stop it.",
            ) from None
        except OSError as error:
            lock.release()
            raise UnwritableFile(
                f"The journal {str(path)!r} cannot be kept: {error.strerror}."
            ) from error
        try:
            return cls(path, _read(path, descriptor), descriptor, lock)
        except UnreadableFile:
            os.close(descriptor)
            lock.release()
            raise

    def append(self, entries: Iterable[Mapping[str, Any]], *, sync: bool = True) -> None:
        """Add entries in one write; with ``sync`` they are on the disk when this returns.

        Raises ``UnwritableFile``, for a full disk above all; the journal is then as before.
        """
        added = list(entries)
        text = "".join(json.dumps(entry, separators=(",", ":")) + "\n" for entry in added)
        size = os.fstat(self._descriptor).st_size
        try:
            _write_all(self._descriptor, text.encode())
            if sync:
                os.fsync(self._descriptor)
        except OSError as error:
            os.ftruncate(self._descriptor, size)
            raise UnwritableFile(
                f"The journal {str(self.path)!r} could not be written: {error.strerror}."
            ) from error
        for one in added:
            self.past.note(one)

    def close(self) -> None:
        os.close(self._descriptor)
        self._lock.release()


def past_of(path: Path) -> Past:
    """What a journal remembers, without holding or changing it; raises ``UnreadableFile``."""
    past = Past()
    for found in entries(path):
        past.note(found)
    return past


def entries(path: Path, only: Event | None = None) -> Iterator[dict[str, Any]]:
    """Every whole line that can be read, or ``only`` those of an event, in order; nothing where
    there is no file.

    Raises ``UnreadableFile`` for a file that is no journal of this version.
    """
    if not path.exists():
        return
    with path.open("rb") as file:
        yield from _entries(path, file, only)


def entry(event: Event, key: str = "", **data: Any) -> dict[str, Any]:
    return {"event": event, **({"key": key} if key else {}), **data}


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _read(path: Path, descriptor: int) -> Past:
    """A torn end is cut off: it was never acted upon."""
    past = Past()
    with open(os.dup(descriptor), "rb") as file:
        for found in _entries(path, file):
            past.note(found)
        file.seek(0)
        whole = sum(len(line) for line in file if line.endswith(b"\n"))
    if os.fstat(descriptor).st_size > whole:
        os.ftruncate(descriptor, whole)
    return past


def _entries(path: Path, file: BinaryIO, only: Event | None = None) -> Iterator[dict[str, Any]]:
    mark = b"" if only is None else f'"event":"{only}"'.encode()
    for number, line in enumerate(iter(lambda: file.readline(_MOST_LINE_BYTES), b"")):
        if not line.endswith(b"\n"):
            return
        if number and mark not in line:
            continue
        found = _entry(line)
        if number == 0 and (found is None or found.get("event") != "start"):
            raise UnreadableFile(f"{str(path)!r} is no journal of a batch.")
        if number == 0 and found is not None and found.get("version") != VERSION:
            raise UnreadableFile(
                f"{str(path)!r} is a journal of another version of LayerStudio.",
                advice="Give another --journal, or finish the batch with that version.",
            )
        if found is not None and only in (None, found.get("event")):
            yield found


def _entry(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
