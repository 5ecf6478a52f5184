"""Whether a file holds what its publisher says it holds."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_CHUNK = 4 * 2**20
_LARGEST_IN_GIT = 64 * 2**20  # the hub keeps files of over 10 MB in LFS, by SHA-256
_SHA256 = re.compile(r"[0-9a-f]{64}")
_GIT_OID = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Digest:
    """A file's size and hashes; ``git_oid`` is git's name for such content, if it is small."""

    bytes: int
    sha256: str
    git_oid: str


@dataclass(frozen=True)
class Expected:
    """What is known about a file from anywhere; ``None`` where nothing is.

    ``etag`` is the hub's name for the content: the SHA-256 of a large file (Git LFS), the git
    object id of a small one, both of which can be computed from the bytes.
    """

    bytes: int | None = None
    registry: str | None = None
    etag: str | None = None
    first_seen: str | None = None

    @property
    def source(self) -> str:
        """Who vouches for the file, in words; empty where nobody does."""
        if self.registry:
            return "the registry"
        if self.etag and (_SHA256.fullmatch(self.etag) or _GIT_OID.fullmatch(self.etag)):
            return "the hub"
        return "the first download" if self.first_seen else ""


def digest(path: Path, on_bytes: Callable[[int], None] = lambda count: None) -> Digest:
    """Read a file once; ``on_bytes`` is told of every piece read, and may raise to stop."""
    size = path.stat().st_size
    sha256, git = hashlib.sha256(), hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    small = size <= _LARGEST_IN_GIT
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            sha256.update(chunk)
            if small:
                git.update(chunk)
            on_bytes(len(chunk))
    return Digest(size, sha256.hexdigest(), git.hexdigest() if small else "")


def difference(actual: Digest, expected: Expected) -> str | None:
    """What differs from what is known, in words; None where nothing does."""
    if expected.bytes is not None and actual.bytes != expected.bytes:
        return f"it has {actual.bytes:,} bytes instead of {expected.bytes:,}"
    if expected.registry and actual.sha256 != expected.registry:
        return "its SHA-256 is not the registry's"
    etag = expected.etag or ""
    if _SHA256.fullmatch(etag) and actual.sha256 != etag:
        return "its SHA-256 is not the one that the hub publishes"
    if _GIT_OID.fullmatch(etag) and actual.git_oid and actual.git_oid != etag:
        return "its git object id is not the one that the hub publishes"
    if expected.first_seen and actual.sha256 != expected.first_seen:
        return "its SHA-256 is not that of the first download"
    return None
