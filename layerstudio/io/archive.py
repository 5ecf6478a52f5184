"""Files that hold files: zips and folders, read without trust and written with two threads."""

from __future__ import annotations

import io
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
_ENTRY_BYTES = 512  # of the directory, for one entry with a long name
# Entries may share their packed bytes (D. Fifield, "A better zip bomb", 2019), so what is unpacked
# from all of them together is bounded too. Pictures, which are packed already, stay far below.
_MAX_TOTAL_RATIO = 30
_FREE_BYTES = 256 * 2**20  # that may be unpacked from any archive
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # zipfile unpacks others without a bound
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

    def __init__(self, archive: zipfile.ZipFile, size: int, limits: Limits) -> None:
        """``size`` is that of the whole archive, in bytes."""
        self._archive = archive
        self._limits = limits
        self._bytes_left = max(size * _MAX_TOTAL_RATIO, _FREE_BYTES)
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
        if entry.compress_type not in _METHODS:
            raise UnreadableFile(f"The entry {name[:200]!r} is packed in an unknown way.")
        self._bytes_left -= size
        if self._bytes_left < 0:
            raise UnreadableFile("The archive unpacks to far more bytes than it has.")
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
        except RuntimeError as error:  # links that go round in circles
            raise UnreadableFile(f"The link {name[:200]!r} leads nowhere.") from error


@contextmanager
def open_zip(path: Path, limits: Limits) -> Iterator[ZipShelf]:
    """A zip to read; raises ``UnreadableFile`` for what is none."""
    try:
        size = path.stat().st_size
        if size > limits.file_bytes:
            raise UnreadableFile(f"{path.name!r} is larger than {limits.file_bytes:,} bytes.")
        file = _ZipFile(path, limits.nodes * _ENTRIES_PER_NODE * _ENTRY_BYTES)
    except OSError as error:
        raise UnreadableFile(f"{path.name!r} cannot be read: {error.strerror}.") from error
    with file:
        try:
            archive = zipfile.ZipFile(file)
        except _BAD_ZIP as error:
            raise UnreadableFile(f"{path.name!r} is not a sound archive: {error}.") from error
        file.most = None
        with archive:
            yield ZipShelf(archive, size, limits)


class _ZipFile(io.FileIO):
    """A file that gives no more than ``most`` bytes at once.

    Opening a zip parses its directory whole, some hundred bytes of memory for each of its own.
    """

    def __init__(self, path: Path, most: int) -> None:
        super().__init__(path)
        self.most: int | None = most

    def read(self, size: int | None = -1, /) -> bytes:
        if self.most is not None and size is not None and size > self.most:
            raise zipfile.BadZipFile("its directory is too large")
        return super().read(-1 if size is None else size) or b""


def in_threads(work: Callable[[In], Out], items: Iterable[In]) -> Iterator[Out]:
    """``map`` on two threads, in order; compression leaves Python's lock."""
    with ThreadPoolExecutor(_WORKERS) as pool:
        yield from pool.map(work, items)
