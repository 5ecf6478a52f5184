"""Files that hold files: zips and folders, read without trust and written with two threads."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TypeVar

from layerstudio.errors import UnreadableFile
from layerstudio.io.limits import Limits

# Compressed text and flat pictures stay below this ratio; bombs are made to reach 1,000.
_MAX_RATIO = 300
_SMALL = 4 * 2**20  # bytes that may unpack from any ratio
_ENTRIES_PER_NODE = 4
_BAD_ZIP = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    RuntimeError,  # an entry with a password
    NotImplementedError,  # a compression that Python does not know
    ValueError,
)
_WORKERS = 2
In = TypeVar("In")
Out = TypeVar("Out")


# The earliest that a zip can say. Files of equal documents are equal to the byte, whenever they are
# written: a batch that is continued makes what an undisturbed one makes.
_TIME = (1980, 1, 1, 0, 0, 0)


def add(archive: zipfile.ZipFile, name: str, data: bytes | str, *, packed: bool = False) -> None:
    """Write one file into a zip without the time of day; ``packed`` compresses it."""
    entry = zipfile.ZipInfo(name, _TIME)
    entry.external_attr = 0o644 << 16  # readable where unpacked
    entry.compress_type = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    archive.writestr(entry, data)


class Shelf(Protocol):
    """Named bytes to read."""

    def names(self) -> set[str]: ...

    def read(self, name: str) -> bytes:
        """Raises ``UnreadableFile`` for a missing, damaged or too large entry."""
        ...


class ZipShelf:
    """The entries of an open zip; nothing is ever unpacked to disk."""

    def __init__(self, archive: zipfile.ZipFile, limits: Limits) -> None:
        self._archive = archive
        self._limits = limits
        entries = archive.infolist()
        if len(entries) > limits.nodes * _ENTRIES_PER_NODE:
            raise UnreadableFile(f"The archive has {len(entries):,} entries, too many to be read.")
        self._entries = {entry.filename: entry for entry in entries}

    def names(self) -> set[str]:
        return set(self._entries)

    def read(self, name: str) -> bytes:
        entry = self._entries.get(name)
        if entry is None:
            raise UnreadableFile(f"The archive has no entry {name[:200]!r}.")
        size, packed = entry.file_size, entry.compress_size
        if size > self._limits.file_bytes or (size > _SMALL and size > packed * _MAX_RATIO):
            raise UnreadableFile(f"The entry {name[:200]!r} unpacks to {size:,} bytes.")
        try:
            with self._archive.open(entry) as stream:
                data = stream.read(size + 1)
        except _BAD_ZIP as error:
            raise UnreadableFile(f"The entry {name[:200]!r} is damaged: {error}.") from error
        return data


class FolderShelf:
    """The files below a folder; links that lead out of it are refused."""

    def __init__(self, root: Path, limits: Limits) -> None:
        self._root = root.resolve()
        self._limits = limits

    def names(self) -> set[str]:
        files = (path for path in self._root.rglob("*") if path.is_file())
        return {path.relative_to(self._root).as_posix() for path in files}

    def read(self, name: str) -> bytes:
        try:
            path = (self._root / name).resolve()
            if not path.is_relative_to(self._root) or not path.is_file():
                raise UnreadableFile(f"The folder has no file {name[:200]!r}.")
            if path.stat().st_size > self._limits.file_bytes:
                raise UnreadableFile(f"The file {name[:200]!r} is too large.")
            return path.read_bytes()
        except (OSError, ValueError) as error:  # ValueError: a NUL in the name
            raise UnreadableFile(f"The file {name[:200]!r} cannot be read: {error}.") from error


@contextmanager
def open_zip(path: Path, limits: Limits) -> Iterator[ZipShelf]:
    """A zip to read; raises ``UnreadableFile`` for what is none."""
    try:
        if path.stat().st_size > limits.file_bytes:
            raise UnreadableFile(f"{path.name!r} is larger than {limits.file_bytes:,} bytes.")
        archive = zipfile.ZipFile(path)
    except _BAD_ZIP as error:
        raise UnreadableFile(f"{path.name!r} is not a sound archive: {error}.") from error
    with archive:
        yield ZipShelf(archive, limits)


def in_threads(work: Callable[[In], Out], items: Iterable[In]) -> Iterator[Out]:
    """``map`` on two threads, in order; compression leaves Python's lock."""
    with ThreadPoolExecutor(_WORKERS) as pool:
        yield from pool.map(work, items)
