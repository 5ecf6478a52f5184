"""Paths and addresses alike: what a batch reads from and writes to.

A place is a local path, or an address such as ``s3://bucket/folder/name.png`` that fsspec knows.
Addresses may carry credentials; ``shown`` takes them out of whatever a person or a log sees.
"""

from __future__ import annotations

import glob
import io
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import url2pathname

from layerstudio.errors import (
    InvalidRequest,
    LayerStudioError,
    UnreadableFile,
    UnwritableFile,
)
from layerstudio.io.limits import Limits
from layerstudio.io.picture import read_bytes
from layerstudio.pipelines.batch.passing import passes

_ADDRESS = re.compile(r"^[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_SECRETS = re.compile(r"(?<=://)[^/\s@'\"]*@|(?<=\w)\?[^\s'\">]*=[^\s'\">]*")
_CHUNK = 2**20  # bytes
_WAITS = (0.5, 1.0, 2.0, 4.0)  # seconds, before a listing is asked for again

T = TypeVar("T")


def is_address(place: str) -> bool:
    return "://" in place and _ADDRESS.match(place) is not None


def shown(place: str) -> str:
    """The place without user, password and query, which may be secrets."""
    if not is_address(place):
        return place
    parts = urlsplit(place)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def without_secrets(text: str, place: str = "") -> str:
    """A message of other people's code, without users, passwords and queries of its addresses.

    What is secret in ``place`` is taken out wherever it stands, as in names of buckets.
    """
    user = urlsplit(place).netloc.rpartition("@")[0] if is_address(place) else ""
    for secret in (user, unquote(user)):
        text = text.replace(secret, "...") if secret else text
    return _SECRETS.sub("", text)


def localised(place: str) -> str:
    """``file:///x`` is a local path like any other, and ``./x`` the same as ``x``."""
    if place.lower().startswith("file://"):
        place = url2pathname(urlsplit(place).path)
    return place if is_address(place) else str(Path(place))


def joined(folder: str, name: str) -> str:
    """A place inside a folder; ``name`` may hold folders of its own, with ``/``."""
    if is_address(folder):
        return f"{folder.rstrip('/')}/{name}"
    return os.path.join(folder, name)


def name_of(place: str) -> str:
    if not is_address(place):
        return os.path.basename(place)
    if place.lower().startswith("http"):
        place = shown(place)  # elsewhere a name may hold a question mark
    return place.rstrip("/").rpartition("/")[2]


def folder_of(place: str) -> str:
    return place.rpartition("/")[0] if is_address(place) else os.path.dirname(place)


def is_folder(place: str) -> bool:
    """Raises ``UnreadableFile`` where an address does not answer."""
    if not is_address(place):
        return Path(place).is_dir()
    fs, path = opened(place)
    return bool(_answer(place, lambda: fs.isdir(path)))


def listing(folder: str, *, deep: bool = False) -> Iterator[tuple[str, str]]:
    """Every file in a folder with its identity, sorted; hidden ones are left out.

    Raises ``UnreadableFile``.
    """
    if is_address(folder):
        yield from _remote_listing(folder, deep)
        return
    try:
        yield from sorted(_local_listing(Path(folder), deep))
    except OSError as error:
        raise UnreadableFile(f"{folder!r} could not be read: {error.strerror}.") from error


def matching(pattern: str) -> Iterator[tuple[str, str]]:
    """Every file that a pattern with ``*`` or ``?`` matches, sorted, with its identity.

    Raises ``UnreadableFile``.
    """
    if not is_address(pattern):
        for found in sorted(glob.glob(pattern, recursive=True)):
            if Path(found).is_file():
                yield found, identity_of(found)
        return
    folder = re.split(r"[*?\[]", pattern, maxsplit=1)[0].rpartition("/")[0]
    root = opened(folder)[1]
    fs, path = opened(pattern)
    infos = _answer(pattern, lambda: fs.glob(path, detail=True)) or {}
    for name, info in sorted(infos.items()):
        if info.get("type") != "directory":
            yield _below(folder, root, name), _identity(info)


def identity_of(place: str) -> str:
    """What changes when a file changes: size and time, or an entity tag; "" if it is not there.

    Raises ``UnreadableFile`` where an address does not answer.
    """
    if is_address(place):
        fs, path = opened(place)
        info = _answer(place, lambda: fs.info(path))
        return _identity(info) if info is not None else ""
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
    data = io.BytesIO()
    for piece in _pieces(place, limits):
        data.write(piece)
    return data.getvalue()


def fetch(place: str, path: Path, limits: Limits) -> None:
    """Bring a file from an address to this disk, in pieces; raises ``UnreadableFile``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for piece in _pieces(place, limits):
            file.write(piece)


def names_in(folder: str) -> set[str]:
    """The places of everything directly in a folder; empty where there is no such folder."""
    if is_address(folder):
        fs, root = opened(folder)
        found = _answer(folder, lambda: fs.ls(root, detail=False))
        return {_below(folder, root, name) for name in found or ()}
    try:
        with os.scandir(folder) as items:
            return {joined(folder, item.name) for item in items}
    except OSError:
        return set()


def upload(part: Path, target: str) -> None:
    """Send a finished local file or folder to an address, in pieces; raises ``UnwritableFile``."""
    fs, path = opened(target)
    files = [part] if part.is_file() else sorted(file for file in part.rglob("*") if file.is_file())
    for file in files:
        inner = "" if file == part else f"/{file.relative_to(part).as_posix()}"
        with _explained(target, UnwritableFile):
            try:
                fs.put_file(str(file), path + inner)
            except FileNotFoundError:  # object stores have no folders that could be missing
                fs.makedirs((path + inner).rpartition("/")[0], exist_ok=True)
                fs.put_file(str(file), path + inner)


def size_of(place: str) -> int | None:
    """Bytes of a file or of all files of a folder; None where nothing is.

    Raises ``UnreadableFile`` where an address does not answer.
    """
    if is_address(place):
        fs, root = opened(place)
        info = _answer(place, lambda: fs.info(root))
        if info is not None and info.get("type") == "directory":
            return int(_answer(place, lambda: fs.du(root)) or 0)
        return None if info is None else int(info.get("size") or 0)
    path = Path(place)
    try:
        if path.is_dir():
            return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
        return path.stat().st_size
    except OSError:
        return None


def opened(place: str) -> tuple[Any, str]:
    """fsspec's file system of an address, and the path in it.

    Listings are not kept: a batch asks for them to learn what changed. Raises ``InvalidRequest``
    for a kind of address that nothing installed can open.
    """
    import fsspec

    try:
        return fsspec.core.url_to_fs(place, use_listings_cache=False)
    except ImportError as error:
        advice = "Get it with `pip install layerstudio[cloud]`."
        raise InvalidRequest(
            f"Nothing that is installed opens {shown(place)!r}.",
            advice=advice if place.startswith("s3") else f"{error}.",
        ) from None
    except ValueError as error:
        raise InvalidRequest(
            f"{shown(place)!r} is no address to open: {without_secrets(str(error))}."
        ) from None


def _answer(place: str, ask: Callable[[], T]) -> T | None:
    """What a remote file system says about a place, asked again where that may help; None where
    there is nothing. Files are not: the batch tries a whole item again."""
    for wait in (*_WAITS, None):
        try:
            with _explained(place, UnreadableFile):
                try:
                    return ask()
                except FileNotFoundError:
                    return None
        except UnreadableFile as error:
            if wait is None or not passes(error, is_far=True):
                raise
            time.sleep(wait)
    raise AssertionError(place)  # the last round returns or raises


@contextmanager
def _explained(place: str, kind: type[UnreadableFile] | type[UnwritableFile]) -> Iterator[None]:
    """Errors of a remote file system as one sentence, without what may be secret.

    Each file system lets through what its own client raises, so that no list of them is whole.
    """
    try:
        yield
    except LayerStudioError:
        raise
    except Exception as error:
        verb = "read" if kind is UnreadableFile else "written"
        raise kind(f"{shown(place)!r} could not be {verb}: {_reason(error, place)}.") from error


def _reason(error: Exception, place: str) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return without_secrets(" ".join(str(text).split()), place)[:200].rstrip(".")


def _pieces(place: str, limits: Limits) -> Iterator[bytes]:
    """A file behind an address, piece by piece, and never more of it than the limit."""
    fs, path = opened(place)
    with _explained(place, UnreadableFile), fs.open(path, "rb", cache_type="readahead") as file:
        size = 0
        while piece := file.read(_CHUNK):
            size += len(piece)
            if size > limits.file_bytes:
                raise UnreadableFile(f"{shown(place)!r} has more bytes than the limit.")
            yield piece


def _local_listing(folder: Path, deep: bool) -> Iterator[tuple[str, str]]:
    with os.scandir(folder) as items:
        for item in items:
            if item.name.startswith("."):
                continue
            if item.is_file():
                identity = identity_of(item.path)
                if identity:  # else it went away a moment ago
                    yield item.path, identity
            elif deep and item.is_dir(follow_symlinks=False):
                yield from _local_listing(Path(item.path), deep)


def _remote_listing(folder: str, deep: bool) -> Iterator[tuple[str, str]]:
    fs, root = opened(folder)
    found = _answer(folder, lambda: fs.find(root, maxdepth=None if deep else 1, detail=True)) or {}
    for path, info in sorted(found.items()):
        inner = path[len(root) :].lstrip("/")
        if not any(part.startswith(".") for part in inner.split("/")):
            yield joined(folder, inner), _identity(info)


def _below(folder: str, root: str, path: str) -> str:
    """The place of a file system's path; ``root`` is that of the folder. A path alone would lose
    the host, where the address has one."""
    return joined(folder, path[len(root) :].lstrip("/"))


def _identity(info: dict[str, Any]) -> str:
    tag = info.get("ETag") or info.get("etag") or info.get("mtime") or info.get("created") or ""
    return f"{info.get('size')}-{tag}"
