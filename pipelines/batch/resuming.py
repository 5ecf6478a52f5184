"""Where a batch stands when it starts: what is done, what was left half done, what is to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from layerstudio.errors import UnreadableFile, UnwritableFile
from layerstudio.pipelines.batch import places
from layerstudio.pipelines.batch.journal import VERSION, Journal, Past, entry, past_of
from layerstudio.pipelines.batch.publishing import publish, sweep
from layerstudio.pipelines.batch.work import Work, Written


class Standing(NamedTuple):
    """``refused`` are works that will not be done, each with the reason."""

    todo: list[Work]
    done: int
    refused: list[tuple[Work, str]]


def begin(
    journal: Journal,
    works: Sequence[Work],
    spool: Path,
    *,
    overwrite: bool = False,
    retry: bool = False,
) -> Standing:
    """Finish what an earlier run left half done, and sort the works by what is to be done.

    A work is done if the journal says so and its files are there, even if somebody edited them
    since. Files that this batch did not make are replaced only with ``overwrite``. What was set
    aside before is tried again only with ``retry``. Raises ``UnwritableFile``.
    """
    journal.append([entry("start", version=VERSION, works=len(works))])
    by_key = {work.key: work for work in works}
    for key, files in list(journal.past.ready.items()):
        if key in by_key:
            _finish(journal, by_key[key], files)
    folders = _folders(works)
    local = {Path(folder) for folder in folders if not places.is_address(folder)}
    sweep({spool, *local}, set(by_key))
    return _sorted(works, journal.past, folders, overwrite, retry)


def standing_of(home: Path, works: Sequence[Work], overwrite: bool) -> Standing:
    """The same without touching anything, for a batch that is not to run yet."""
    return _sorted(works, past_of(home / "journal.jsonl"), _folders(works), overwrite, False)


def _folders(works: Sequence[Work]) -> set[str]:
    return {places.folder_of(target) for work in works for target in work.targets}


def _sorted(
    works: Sequence[Work], past: Past, folders: set[str], overwrite: bool, retry: bool
) -> Standing:
    there = {place for folder in folders for place in places.names_in(folder)}
    todo: list[Work] = []
    refused: list[tuple[Work, str]] = []
    done = 0
    for work in works:
        known = work.key in past.done
        present = [target for target in work.targets if target in there]
        if known and len(present) == len(work.targets):
            done += 1
        elif work.key in past.refused and not retry:
            refused.append((work, past.refused[work.key]))
        elif present and not known and work.key not in past.begun and not overwrite:
            message = f"{places.shown(present[0])!r} exists already. Add --overwrite to replace it."
            refused.append((work, message))
        else:
            todo.append(work)
    return Standing(todo, done, refused)


def _finish(journal: Journal, work: Work, files: Sequence[Written]) -> None:
    """The journal does not know passwords in addresses; the work does."""
    if len(files) != len(work.targets):
        return
    pairs = zip(files, work.targets, strict=True)
    try:
        moved = publish([replace(file, target=target) for file, target in pairs])
    except (UnreadableFile, UnwritableFile):
        return  # the work is done again
    journal.append([entry("done", work.key, files=moved)], sync=False)
