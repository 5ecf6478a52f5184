"""Where checkpoints lie on this machine. Nothing here touches the network.

Looked at in this order:

1. the folder named by ``LAYERSTUDIO_WEIGHTS``, for machines without a network: either
   ``<folder>/<organisation>/<name>/<files as in the repository>`` or a copied cache folder
   ``<folder>/models--<organisation>--<name>``;
2. the Hugging Face cache, which other programs share.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

from layerstudio.errors import MissingWeights, UnreadableFile
from layerstudio.weights import lock
from layerstudio.weights.hub_cache import CachedRepository, default_root, files_under, is_commit
from layerstudio.weights.patterns import matches, select
from layerstudio.weights.registry import Checkpoint, checkpoint, is_repository

_INDEX = ".index.json"  # the list of a sharded checkpoint's shards


def weights_folder() -> Path | None:
    """The folder given by ``LAYERSTUDIO_WEIGHTS``, if any."""
    given = os.environ.get("LAYERSTUDIO_WEIGHTS")
    return Path(given).expanduser() if given else None


def located(id: str) -> Path:
    """The folder that holds all files of a row, laid out as in its repository.

    Raises ``MissingWeights``, whose advice is the command that gets them.
    """
    row = checkpoint(id)
    folder = _complete_folder(row)
    if folder is None:
        raise MissingWeights(
            f"The weights {row.id!r} ({row.title}) are not on this machine{_what_lacks(row)}.",
            advice=row.withdrawn or f"Get them with `layerstudio models pull {row.id}`.",
        )
    return folder


def located_file(id: str) -> Path:
    """The one file of a row that has one (a delta, a LoRA, an encoder ...)."""
    row = checkpoint(id)
    assert len(row.files) == 1, (row.id, row.patterns)
    return located(id) / row.files[0].path


def is_present(id: str) -> bool:
    return _complete_folder(checkpoint(id)) is not None


def present_files(id: str) -> dict[str, Path]:
    """The row's files that are here, by their path in the repository."""
    row = checkpoint(id)
    fullest: dict[str, Path] = {}
    for folder in _candidates(row.repository, row.revision):
        found = {path: folder / path for path in select(files_under(folder), row.patterns)}
        if not missing_files(folder, row.patterns):
            return found
        fullest = max(fullest, found, key=len)
    return fullest


def size_on_disk(id: str) -> int:
    """Bytes of the row's files that are here."""
    return sum(path.stat().st_size for path in present_files(id).values())


def find_repository(repository: str, revision: str = "main") -> Path | None:
    """The folder of any repository of the hub, of those rows or not, if some of it is here.

    Which of its files are there is for the caller to see: another program may have fetched a few.
    """
    if not is_repository(repository):
        return None
    return next(_candidates(repository, revision), None)


def missing_files(folder: Path, patterns: tuple[str, ...]) -> tuple[str, ...]:
    """What a folder lacks: patterns that no file matches, and shards that an index lists."""
    present = set(files_under(folder))
    lacking = [one for one in patterns if not any(matches(path, one) for path in present)]
    for path in select(present, patterns):
        if path.endswith(_INDEX):
            lacking += [shard for shard in _shards(folder, path) if shard not in present]
    return tuple(dict.fromkeys(lacking))


def _complete_folder(row: Checkpoint) -> Path | None:
    candidates = _candidates(row.repository, row.revision)
    return next((one for one in candidates if not missing_files(one, row.patterns)), None)


def _candidates(repository: str, revision: str) -> Iterator[Path]:
    """Folders that may hold a repository, the likeliest first; for a branch, any snapshot may."""
    own = weights_folder()
    if own is not None:
        if (own / repository).is_dir():
            yield own / repository
        yield from _snapshots(CachedRepository(own, repository), revision)
    yield from _snapshots(CachedRepository(default_root(), repository), revision)


def _snapshots(cached: CachedRepository, revision: str) -> Iterator[Path]:
    seen = lock.read().seen(cached.name, revision)
    commits = [seen.commit if seen else None, cached.commit_of(revision)]
    paths = [cached.snapshot(commit) for commit in commits if commit]
    if not is_commit(revision):
        paths += cached.snapshots()
    yield from (path for path in dict.fromkeys(paths) if path.is_dir())


def _shards(folder: Path, index: str) -> list[str]:
    """Paths of the shards that an index file names."""
    parent, _, _ = index.rpartition("/")
    try:
        names = set(json.loads((folder / index).read_text(encoding="utf-8"))["weight_map"].values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise UnreadableFile(f"{folder / index} is not a list of shards.") from None
    return sorted(f"{parent}/{name}" if parent else str(name) for name in names)


def _what_lacks(row: Checkpoint) -> str:
    """The first missing file, where some of them are here; a folder that was named and is not."""
    for folder in _candidates(row.repository, row.revision):
        lacking = missing_files(folder, row.patterns)
        if len(lacking) < len(row.files):
            return f" completely: {lacking[0]} is missing from {folder}"
    own = weights_folder()
    if own is not None and not own.is_dir():
        return f", and LAYERSTUDIO_WEIGHTS names {own}, which is no folder"
    return ""
