"""Paths and addresses alike: what a batch reads from and writes to.

A place is a local path, or an address such as ``s3://bucket/folder/name.png`` that fsspec knows.
Addresses may carry credentials; ``shown`` takes them out of whatever a person or a log sees.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from layerstudio.errors import InvalidRequest, UnreadableFile, UnwritableFile
from layerstudio.io.limits import Limits
from layerstudio.io.picture import read_bytes

_ADDRESS = re.compile(r"^[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_CHUNK = 2**20  # bytes


def is_address(place: str) -> bool:
    return _ADDRESS.match(place) is not None


def shown(place: str) -> str:
    """The place without user, password and query, which may be secrets."""
    if not is_address(place):
        return place
    parts = urlsplit(place)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def joined(folder: str, name: str) -> str:
    """A place inside a folder; ``name`` may hold folders of its own, with ``/``."""
    if is_address(folder):
        return f"{folder.rstrip('/')}/{name}"
    return str(Path(folder) / name)


def name_of(place: str) -> str:
    return place.rstrip("/").rpartition("/")[2] if is_address(place) else Path(place).name


def folder_of(place: str) -> str:
    return place.rpartition("/")[0] if is_address(place) else str(Path(place).parent)


def listing(folder: str, *, deep: bool = False) -> Iterator[tuple[str, str]]:
    """Every file in a folder with its identity, sorted; hidden ones are left out.

    Raises ``UnreadableFile``.
    """
    if is_address(folder):
        yield from _remote_listing(folder, deep)
        return
    root = Path(folder)
    try:
        found = sorted(root.rglob("*") if deep else root.iterdir())
    except OSError as error:
        raise UnreadableFile(f"{folder!r} could not be read: {error.strerror}.") from error
    for path in found:
        hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
        if not hidden and path.is_file():
            yield str(path), identity_of(str(path))


def identity_of(place: str) -> str:
    """What changes when a file changes: size and time, or an entity tag; "" if it is not there."""
    if is_address(place):
        return _remote_identity(place)
    try:
        found = os.stat(place)
    except (OSError, ValueError):
        return ""
    return f"{found.st_size}-{found.st_mtime_ns}"


def age_of(place: str) -> float:
    """Seconds since a local file was last changed; infinite for addresses, which change whole."""
    try:
        return inf if is_address(place) else time.time() - os.stat(place).st_mtime
    except OSError:
        return 0.0


def read(place: str, limits: Limits) -> bytes:
    """The whole file; raises ``UnreadableFile``."""
    if not is_address(place):
        return read_bytes(Path(place), limits)
    fs, path = opened(place)
    with _explained(place, UnreadableFile):
        size = fs.info(path).get("size") or 0
        if size > limits.file_bytes:
            raise UnreadableFile(f"{shown(place)!r} is {size:,} bytes, more than the limit.")
        return fs.cat_file(path)


def names_in(folder: str) -> set[str]:
    """The places of everything directly in a folder; empty where there is no such folder."""
    if is_address(folder):
        fs, path = opened(folder)
        scheme = folder.partition("://")[0]
        with _explained(folder, UnreadableFile):
            if not fs.exists(path):
                return set()
            return {f"{scheme}://{found}" for found in fs.ls(path, detail=False)}
    try:
        with os.scandir(folder) as found:
            return {joined(folder, item.name) for item in found}
    except OSError:
        return set()


def upload(part: Path, target: str) -> None:
    """Send a finished local file to an address, in pieces; raises ``UnwritableFile``."""
    fs, path = opened(target)
    with _explained(target, UnwritableFile):
        fs.put_file(str(part), path)


def size_of(place: str) -> int | None:
    """Bytes of a file or of all files of a folder; None where nothing is."""
    if is_address(place):
        fs, path = opened(place)
        with _explained(place, UnreadableFile):
            return int(fs.info(path).get("size") or 0) if fs.exists(path) else None
    path = Path(place)
    try:
        if path.is_dir():
            return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
        return path.stat().st_size
    except OSError:
        return None


def opened(place: str) -> tuple[Any, str]:
    """fsspec's file system of an address, and the path in it.

    Raises ``InvalidRequest`` for a kind of address that nothing installed can open.
    """
    import fsspec

    try:
        return fsspec.core.url_to_fs(place)
    except ImportError as error:
        raise InvalidRequest(
            f"Nothing that is installed opens {shown(place)!r}.", advice=f"{error}."
        ) from None
    except ValueError as error:
        raise InvalidRequest(f"{shown(place)!r} is no address to open: {error}.") from None


@contextmanager
def _explained(place: str, kind: type[UnreadableFile] | type[UnwritableFile]) -> Iterator[None]:
    """Errors of a remote file system as one sentence, without what may be secret."""
    try:
        yield
    except OSError as error:  # what fsspec's file systems raise, timeouts included
        reason = error.strerror or type(error).__name__
        verb = "read" if kind is UnreadableFile else "written"
        raise kind(f"{shown(place)!r} could not be {verb}: {reason}.") from error


def _remote_listing(folder: str, deep: bool) -> Iterator[tuple[str, str]]:
    fs, root = opened(folder)
    scheme = folder.partition("://")[0]
    with _explained(folder, UnreadableFile):
        found = fs.find(root, maxdepth=None if deep else 1, detail=True)
    for path, info in sorted(found.items()):
        inner = path[len(root) :].lstrip("/")
        if not any(part.startswith(".") for part in inner.split("/")):
            yield f"{scheme}://{path}", _identity(info)


def _remote_identity(place: str) -> str:
    fs, path = opened(place)
    try:
        return _identity(fs.info(path))
    except FileNotFoundError:
        return ""


def _identity(info: dict[str, Any]) -> str:
    tag = info.get("ETag") or info.get("etag") or info.get("mtime") or info.get("created") or ""
    return f"{info.get('size')}-{tag}"
