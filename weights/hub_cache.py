"""The Hugging Face cache on disk, as its documentation lays it out; shared with other programs.

``models--org--name/blobs/<etag>`` holds each file once, ``snapshots/<commit>/<path>`` links to
it, and ``refs/<revision>`` names the commit that a branch or tag stood for.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_PARTIAL = ".incomplete"
_COMMIT = re.compile(r"[0-9a-f]{40}")


def default_root() -> Path:
    """Where ``huggingface_hub`` keeps its cache, by the same variables, without importing it."""
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = os.environ.get("HF_HOME") or os.path.join(home, "huggingface")
    legacy = os.environ.get("HUGGINGFACE_HUB_CACHE") or os.path.join(home, "hub")
    root = os.environ.get("HF_HUB_CACHE") or legacy
    return Path(os.path.expandvars(os.path.expanduser(root)))


def is_commit(revision: str) -> bool:
    return _COMMIT.fullmatch(revision) is not None


@dataclass(frozen=True)
class CachedRepository:
    """One repository's folder in a cache."""

    root: Path
    name: str

    @property
    def folder(self) -> Path:
        return self.root / f"models--{self.name.replace('/', '--')}"

    def blob(self, etag: str) -> Path:
        return self.folder / "blobs" / etag

    def snapshot(self, commit: str) -> Path:
        return self.folder / "snapshots" / commit

    @property
    def partials_folder(self) -> Path:
        """LayerStudio's own; other programs look at the three documented folders only."""
        return self.folder / ".layerstudio"

    def partial(self, commit: str, path: str) -> Path:
        """Where a file's bytes gather while they come."""
        return self.partials_folder / commit / f"{path}{_PARTIAL}"

    def partials(self) -> Iterator[tuple[Path, str]]:
        """Every partial file, and the path in the repository that it is to have."""
        for commit in self.partials_folder.glob("*"):
            for path in commit.rglob(f"*{_PARTIAL}"):
                yield path, path.relative_to(commit).as_posix().removesuffix(_PARTIAL)

    def commit_of(self, revision: str) -> str | None:
        """The commit that a branch, tag or commit stands for here, if that is known."""
        if is_commit(revision):
            return revision
        try:
            return (self.folder / "refs" / revision).read_text(encoding="ascii").strip() or None
        except (OSError, UnicodeDecodeError):
            return None

    def snapshots(self) -> tuple[Path, ...]:
        """Every snapshot, the newest first."""
        try:
            found = [path for path in (self.folder / "snapshots").iterdir() if path.is_dir()]
        except OSError:
            return ()
        return tuple(sorted(found, key=lambda path: path.stat().st_mtime_ns, reverse=True))


def blob_of(entry: Path) -> Path | None:
    """The blob that a snapshot's entry links to; its name is the hub's name for the content.

    One link only is followed: a blob may itself be a link into a store under other names.
    """
    if not entry.is_symlink():
        return None
    target = Path(os.path.normpath(entry.parent / os.readlink(entry)))
    return target if target.parent.name == "blobs" else None


def files_under(folder: Path) -> Iterator[str]:
    """Relative ``/`` paths of the files in a snapshot; links to blobs that are gone left out."""
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            if path.is_file():
                yield path.relative_to(folder).as_posix()


def remove_empty_folders(root: Path) -> None:
    """Delete the folders under ``root`` that hold nothing, and ``root`` if it holds nothing."""
    for parent, _, _ in os.walk(root, topdown=False):
        if not os.listdir(parent):
            os.rmdir(parent)
