"""Which weights a run needs, and which of them are not on this machine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from layerstudio.errors import MissingWeights
from layerstudio.weights.lock import read as read_lock
from layerstudio.weights.registry import checkpoint, checkpoints
from layerstudio.weights.store import is_present


def is_registered(name: str) -> bool:
    return any(row.id == name for row in checkpoints())


def missing(ids: Iterable[str]) -> tuple[str, ...]:
    """Those of the registry's ids whose files are not here, each once, in order."""
    return tuple(id for id in dict.fromkeys(ids) if is_registered(id) and not is_present(id))


def require(ids: Iterable[str], what: str) -> None:
    """Raise ``MissingWeights`` with the one command that gets all that is missing."""
    absent = missing(ids)
    if absent:
        raise lacking(absent, what)


def lacking(absent: Sequence[str], what: str) -> MissingWeights:
    """The error that names ``absent``, at least one id or hub name, and the command for all."""
    names = " and ".join((", ".join(absent[:-1]), absent[-1]) if absent[1:] else absent)
    return MissingWeights(
        f"{what} needs weights that are not on this machine: {names}.",
        advice=f"Get them with `layerstudio models pull {' '.join(absent)}`.",
    )


def revision_of(id: str) -> str:
    """The commit that a row was downloaded at, as far as this machine knows; else its branch."""
    row = checkpoint(id)
    seen = read_lock().seen(row.repository, row.revision)
    return seen.commit if seen else row.revision
