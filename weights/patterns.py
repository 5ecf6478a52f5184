"""Paths and patterns of files inside a repository: always ``/``, never out of the folder."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

_WILDCARDS = frozenset("*?[")


def is_pattern(path: str) -> bool:
    return not _WILDCARDS.isdisjoint(path)


def matches(path: str, pattern: str) -> bool:
    """Level by level: ``*`` stays within one folder, unlike ``fnmatch``'s."""
    levels, wanted = path.split("/"), pattern.split("/")
    return len(levels) == len(wanted) and all(map(fnmatchcase, levels, wanted))


def select(paths: Iterable[str], patterns: Iterable[str]) -> tuple[str, ...]:
    """The paths that any of the patterns names, sorted."""
    patterns = tuple(patterns)
    return tuple(sorted(path for path in paths if any(matches(path, one) for one in patterns)))


def is_safe(path: str) -> bool:
    """Relative, without ``.``, ``..``, empty levels, backslashes, drives or control characters."""
    levels = path.split("/")
    return (
        all(level not in ("", ".", "..") for level in levels)
        and not {"\\", ":"} & set(path)
        and path.isprintable()
    )
