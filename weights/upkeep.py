"""Looking after what was fetched: verifying it, and removing it again. No network is needed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from layerstudio.errors import MissingWeights, UnwritableFile
from layerstudio.progress import CancelToken, Progress, ProgressCallback, ignore_progress
from layerstudio.weights import store
from layerstudio.weights.hub_cache import (
    CachedRepository,
    blob_of,
    default_root,
    files_under,
    remove_empty_folders,
)
from layerstudio.weights.integrity import difference, digest
from layerstudio.weights.patterns import matches, select
from layerstudio.weights.registry import checkpoints
from layerstudio.weights.subject import Subject, subject


@dataclass(frozen=True)
class FileReport:
    """One file's state; ``detail`` says what differs, or who vouches for it.

    "unknown" is a file that nobody vouches for: no hash is published, and it was not fetched here.
    """

    path: str
    state: Literal["ok", "unknown", "damaged", "missing"]
    detail: str
    bytes: int = 0


def verify(
    name: str,
    *,
    revision: str | None = None,
    progress: ProgressCallback = ignore_progress,
    cancel: CancelToken | None = None,
) -> tuple[FileReport, ...]:
    """Read every file of a row, or of a repository that was fetched, and compare its hashes.

    Raises ``MissingWeights`` where nothing of it is here, ``Cancelled``.
    """
    cancel = cancel or CancelToken()
    chosen = subject(name, revision)
    files = _files(chosen)
    if not files:
        raise MissingWeights(
            f"Nothing of {name} is on this machine.",
            advice=f"Get it with `layerstudio models pull {name}`.",
        )
    total = sum(path.stat().st_size for path in files.values())
    reports, done = [], 0
    for relative, path in files.items():
        progress(Progress(f"checking {relative}", done / total if total else 0.0))
        reports.append(_verified(chosen, relative, path, cancel))
        done += reports[-1].bytes
    lacking = [one for one in chosen.patterns if not any(matches(path, one) for path in files)]
    reports += [FileReport(one, "missing", "not on this machine") for one in lacking]
    return tuple(reports)


def remove(name: str, *, revision: str | None = None) -> int:
    """Delete a row's files, or those fetched of a repository, from the cache; returns bytes freed.

    What other rows or programs fetched of the same repository stays, as do the terms accepted and
    the hashes recorded, and everything under ``LAYERSTUDIO_WEIGHTS``. A repository's registered
    files go under their own ids only. Raises ``MissingWeights``
    where there is nothing to delete.
    """
    chosen = subject(name, revision)
    cached = CachedRepository(default_root(), chosen.repository)
    links = [
        snapshot / path
        for snapshot in cached.snapshots()
        for path in select(_entries(snapshot), chosen.patterns)
        if not _belongs_to_a_row(chosen, path)
    ]
    partials = [path for path, of in cached.partials() if select([of], chosen.patterns)]
    if not links and not partials:
        raise MissingWeights(f"Nothing that LayerStudio fetched of {name} is in {cached.root}.")
    try:
        freed = sum(_unlink_with_blob(cached, link) for link in links)
        freed += sum(_delete(partial) for partial in partials)
        _prune(cached)
    except OSError as error:
        raise UnwritableFile(f"{error.filename} cannot be deleted: {error.strerror}.") from None
    return freed


def _files(chosen: Subject) -> dict[str, Path]:
    if chosen.row is not None:
        return store.present_files(chosen.name)
    folder = store.find_repository(chosen.repository, chosen.revision)
    if folder is None:
        return {}
    return {path: folder / path for path in select(files_under(folder), chosen.patterns)}


def _verified(chosen: Subject, relative: str, path: Path, cancel: CancelToken) -> FileReport:
    blob = blob_of(path)
    expected = chosen.expected(relative, etag=blob.name if blob else None)
    found = digest(path, lambda count: cancel.check())
    problem = difference(found, expected)
    if problem:
        return FileReport(relative, "damaged", problem, found.bytes)
    if not expected.source:
        return FileReport(relative, "unknown", "nobody vouches for it", found.bytes)
    return FileReport(relative, "ok", f"as {expected.source} says", found.bytes)


def _entries(snapshot: Path) -> Iterator[str]:
    """Paths in a snapshot, dangling links among them."""
    for path in snapshot.rglob("*"):
        if path.is_symlink() or path.is_file():
            yield path.relative_to(snapshot).as_posix()


def _belongs_to_a_row(chosen: Subject, path: str) -> bool:
    """Whether a repository's file is that of a registered checkpoint, removed under its own id."""
    return chosen.row is None and any(
        row.repository == chosen.repository and select([path], row.patterns)
        for row in checkpoints()
    )


def _unlink_with_blob(cached: CachedRepository, link: Path) -> int:
    """Delete a snapshot's entry, and its blob once no entry of any snapshot leads to it."""
    blob = blob_of(link)
    if blob is None:
        return _delete(link)
    link.unlink()
    others = (path for snapshot in cached.snapshots() for path in snapshot.rglob("*"))
    return 0 if any(blob_of(path) == blob for path in others) else _delete(blob)


def _delete(path: Path) -> int:
    """Bytes that a file held; 0 where it is gone already."""
    with suppress(FileNotFoundError):
        size = path.stat().st_size
        path.unlink()
        return size
    return 0


def _prune(cached: CachedRepository) -> None:
    """Delete folders that are empty now, and the names of commits that are gone."""
    remove_empty_folders(cached.folder)
    refs = cached.folder / "refs"
    for ref in [path for path in refs.rglob("*") if path.is_file()]:
        commit = ref.read_text(encoding="ascii", errors="replace").strip()
        if not cached.snapshot(commit).is_dir():
            ref.unlink()
    remove_empty_folders(cached.folder)
