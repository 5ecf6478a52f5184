"""What a command names: a row of the registry, or any repository of the hub."""

from __future__ import annotations

from dataclasses import dataclass

from layerstudio.errors import InvalidRequest
from layerstudio.weights import lock
from layerstudio.weights.integrity import Expected
from layerstudio.weights.registry import Checkpoint, checkpoint, is_repository


@dataclass(frozen=True)
class Subject:
    """``row`` is None for repositories outside the registry."""

    name: str
    repository: str
    revision: str
    row: Checkpoint | None

    @property
    def seen(self) -> lock.SeenRepository | None:
        return lock.read().seen(self.repository, self.revision)

    @property
    def patterns(self) -> tuple[str, ...]:
        """What belongs to it: the row's files, else what was fetched of the repository."""
        if self.row is not None:
            return self.row.patterns
        seen = self.seen
        return tuple(seen.files) if seen else ()

    def expected(self, path: str, size: int | None = None, etag: str | None = None) -> Expected:
        """All that is known about a file: from the registry, the hub and the first download."""
        listed = {file.path: file for file in self.row.files} if self.row else {}
        file, seen = listed.get(path), self.seen
        first = seen.files.get(path) if seen else None
        return Expected(
            bytes=file.bytes if file and file.bytes else size,
            registry=file.sha256 if file else None,
            etag=etag,
            first_seen=first.sha256 if first else None,
        )


def subject(name: str, revision: str | None = None) -> Subject:
    """The row of that id, or the repository ``organisation/name``.

    Raises ``InvalidRequest``; a row's revision is the registry's.
    """
    if "/" not in name:
        row = checkpoint(name)
        if revision not in (None, row.revision):
            raise InvalidRequest(
                f"{name} is registered at revision {row.revision!r}.",
                advice=f"For another one name the repository: {row.repository}.",
            )
        return Subject(name, row.repository, row.revision, row)
    if not is_repository(name):
        raise InvalidRequest(f"{name!r} is not the name of a repository: organisation/name.")
    return Subject(name, name, revision or "main", None)
