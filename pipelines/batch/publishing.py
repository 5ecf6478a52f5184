"""Finished files moved to where they belong, so that nobody ever sees half of one."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from layerstudio.errors import UnwritableFile
from layerstudio.pipelines.batch import places
from layerstudio.pipelines.batch.work import Work, Written, digest_of

_PREFIX = ".layerstudio-"


def part_of(key: str, target: str, spool: Path) -> Path:
    """Where the file for ``target`` is written first.

    Beside a local target, since only there a move is atomic; for an address in ``spool``. The name
    tells whose it is, so that what a killed run left behind is found.
    """
    # Not the target's own name: that may be as long as a name can be.
    suffix = Path(places.name_of(target)).suffix
    folder = spool if places.is_address(target) else Path(target).parent
    return folder / f"{_PREFIX}{key}-{digest_of(places.shown(target))[:8]}.part{suffix}"


def scratch_of(key: str, spool: Path) -> Path:
    """A folder for what one work fetches; found like the parts if its run is killed."""
    return spool / f"{_PREFIX}{key}-fetched.part"


def sync(path: Path) -> None:
    """Have a file, or every file of a folder, on the disk before anybody relies on it."""
    for file in [item for item in path.rglob("*") if item.is_file()] if path.is_dir() else [path]:
        descriptor = os.open(file, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def publish(files: Sequence[Written]) -> tuple[tuple[str, int], ...]:
    """Move each part to its target; what a run before this one moved already stays.

    Returns the targets, as they may be shown, with their sizes in bytes. Raises
    ``UnwritableFile``, and ``UnreadableFile`` where an address does not say what it holds.
    """
    for file in files:
        part = Path(file.part)
        if not part.exists():
            if places.size_of(file.target) != file.bytes:
                raise UnwritableFile(f"{places.shown(file.target)!r} was finished and is gone.")
            continue
        if places.is_address(file.target):
            places.upload(part, file.target)
            _remove(part)
        else:
            _move(part, Path(file.target))
    _sync_folders({Path(f.target).parent for f in files if not places.is_address(f.target)})
    return tuple((places.shown(file.target), file.bytes) for file in files)


def discard(files: Iterable[Written]) -> None:
    """Parts that nobody will want."""
    for file in files:
        _remove(Path(file.part))


def discard_all_of(work: Work, spool: Path) -> None:
    """Whatever a worker that is gone left of a work."""
    for target in work.targets:
        _remove(part_of(work.key, target, spool))
    _remove(scratch_of(work.key, spool))


def sweep(folders: Iterable[Path], keys: set[str]) -> None:
    """Remove the parts that killed runs left of works with these keys."""
    for folder in folders:
        if not folder.is_dir():
            continue
        for path in folder.glob(f"{_PREFIX}*.part*"):
            if path.name[len(_PREFIX) :].partition("-")[0] in keys:
                _remove(path)


def _move(part: Path, target: Path) -> None:
    try:
        if target.is_dir() and part.is_dir():
            old = target.with_name(f".{uuid.uuid4().hex[:12]}.old")
            target.rename(old)
            part.rename(target)
            shutil.rmtree(old, ignore_errors=True)
        else:
            os.replace(part, target)
    except OSError as error:
        raise UnwritableFile(
            f"{str(target)!r} could not be written: {error.strerror or error}."
        ) from error


def _sync_folders(folders: Iterable[Path]) -> None:
    """A rename is safe from a power cut once the folder is on the disk."""
    for folder in folders:
        # Windows and some network file systems refuse this for folders, and need nothing of it.
        with suppress(OSError):
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
        return
    with suppress(OSError):  # what cannot be removed is in nobody's way: it is hidden
        path.unlink()
