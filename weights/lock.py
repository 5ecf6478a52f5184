"""What this machine remembers about checkpoints: hashes first seen, and terms accepted.

A JSON file beside the cache. Where a registry row gives no hash, the first download's is recorded,
with the commit it came from; later downloads take that commit and must match.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from layerstudio.errors import UnreadableFile, UnwritableFile
from layerstudio.weights.hub_cache import default_root

_VERSION = 1


@dataclass(frozen=True)
class SeenFile:
    """A file as it was first seen; ``etag`` is the hub's name for its content."""

    bytes: int
    sha256: str
    etag: str


@dataclass(frozen=True)
class SeenRepository:
    """The commit that a revision stood for at the first download, and the files fetched from it."""

    commit: str
    files: dict[str, SeenFile] = field(default_factory=dict)


@dataclass(frozen=True)
class Lock:
    """``repositories`` by ``organisation/name@revision``; ``accepted`` by what was accepted."""

    repositories: dict[str, SeenRepository] = field(default_factory=dict)
    accepted: dict[str, str] = field(default_factory=dict)

    def seen(self, repository: str, revision: str) -> SeenRepository | None:
        return self.repositories.get(key_of(repository, revision))


def key_of(repository: str, revision: str) -> str:
    return f"{repository}@{revision}"


def lock_path() -> Path:
    """Beside the cache, not in it: the cache's own tools complain about strange files."""
    root = default_root()
    return root.with_name(f"{root.name}-layerstudio.json")


def read() -> Lock:
    """What is recorded so far; raises ``UnreadableFile`` for a damaged record."""
    path = lock_path()
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Lock()
    except OSError as error:
        raise UnreadableFile(f"{path} cannot be read: {error.strerror}.") from None
    except ValueError:
        raise _damaged(path) from None
    return _parsed(data, path)


def update(change: Callable[[Lock], Lock]) -> Lock:
    """Record a change, as one atomic replacement; raises ``UnwritableFile``.

    Two programs that record at the same time wait for each other.
    """
    from filelock import FileLock

    path = lock_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(f".{path.name}.lock")):
            lock = change(read())
            _replace(path, json.dumps({"version": _VERSION, **asdict(lock)}, indent=2))
    except OSError as error:
        raise UnwritableFile(f"{path} cannot be written: {error.strerror}.") from None
    return lock


def _replace(path: Path, text: str) -> None:
    temporary = None
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}.", delete=False
        ) as file:
            temporary = file.name
            file.write(text + "\n")
        os.replace(temporary, path)
    except OSError:
        if temporary is not None:
            with suppress(OSError):
                os.unlink(temporary)
        raise


def _parsed(data: Any, path: Path) -> Lock:
    try:
        if data["version"] != _VERSION:
            raise UnreadableFile(
                f"{path} was written by another version of LayerStudio.",
                advice="Update LayerStudio, or move the file away.",
            )
        repositories = {
            key: SeenRepository(
                entry["commit"],
                {name: SeenFile(**file) for name, file in entry["files"].items()},
            )
            for key, entry in data["repositories"].items()
        }
        return Lock(repositories, dict(data["accepted"]))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise _damaged(path) from None


def _damaged(path: Path) -> UnreadableFile:
    return UnreadableFile(
        f"{path}, which records hashes and accepted licences, is damaged.",
        advice="Restore it, or move it away and pull again.",
    )
