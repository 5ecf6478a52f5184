"""Undo and redo: a list of documents that share pixels, and how much of them is kept.

Every entry is a whole document; what an edit did not touch is the same array in both. What the
history costs is therefore the arrays that the current entry does not hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from layerstudio.document import Document, NodePath
from layerstudio.picture import Picture

MAX_ENTRIES = 100


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A document as it is shown: ``opened_as`` tells documents of a session apart.

    ``source`` is the picture it was made from; ``as_made`` says that it still looks as it was made.
    """

    document: Document
    selection: tuple[NodePath, ...]
    name: str
    opened_as: str
    source: Picture | None = None
    as_made: bool = True

    def arrays(self) -> Iterator[NDArray]:
        """All pixels and masks, and the source."""
        for _, node in self.document.walk():
            if node.mask is not None:
                yield node.mask.pixels
        for layer in self.document.layers:
            yield layer.pixels
        if self.source is not None:
            yield self.source.pixels


@dataclass(frozen=True, eq=False)
class Entry:
    """A snapshot and what made it; ``merge`` is the key of edits that become one entry.

    ``started_from`` are the paths that the first of them was applied to.
    """

    snapshot: Snapshot
    label: str
    label_key: str
    merge: str | None = None
    started_from: tuple[NodePath, ...] = ()
    _sizes: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._sizes.update(
            (id(owner), owner.nbytes) for owner in map(_owner, self.snapshot.arrays())
        )

    @property
    def sizes(self) -> dict[int, int]:
        """Bytes by the identity of each array that owns them."""
        return self._sizes


class History:
    """The entries of one session, oldest first, and which of them is shown. Not thread-safe.

    ``budget`` answers how many bytes of pixels may be held by history alone; the oldest entries go
    when there are more, or more than ``max_entries``. The entry that is shown always stays.
    """

    def __init__(self, budget: Callable[[], int], max_entries: int = MAX_ENTRIES) -> None:
        self._budget = budget
        self._max_entries = max_entries
        self._entries: list[Entry] = []
        self._position = -1
        self._is_open = False  # whether the last entry may still take merged edits

    @property
    def entries(self) -> tuple[Entry, ...]:
        return tuple(self._entries)

    @property
    def position(self) -> int:
        """Index of the entry that is shown; -1 in an empty history."""
        return self._position

    @property
    def current(self) -> Entry | None:
        return self._entries[self._position] if self._entries else None

    @property
    def can_undo(self) -> bool:
        return self._position > 0

    @property
    def can_redo(self) -> bool:
        return self._position < len(self._entries) - 1

    def merges_with(self, merge: str | None) -> bool:
        """Whether an edit with this key would go into the last entry instead of a new one."""
        current = self.current
        return (
            merge is not None
            and current is not None
            and self._is_open
            and self._position > 0
            and current.merge == merge
        )

    def before_merge(self) -> Snapshot:
        """What the last entry, which merges, started from."""
        assert self._position > 0, self._position
        return self._entries[self._position - 1].snapshot

    def push(self, entry: Entry) -> None:
        """``entry`` after the current one; what could be redone is gone."""
        merged = self.merges_with(entry.merge)
        del self._entries[self._position + (0 if merged else 1) :]
        self._entries.append(entry)
        self._position = len(self._entries) - 1
        self._is_open = True
        self._trim()

    def jump(self, index: int) -> Entry:
        """Show another entry; raises ``IndexError`` where there is none."""
        if not 0 <= index < len(self._entries):
            raise IndexError(index)
        self._position = index
        self._is_open = False
        self._trim()
        return self._entries[index]

    def reselect(self, selection: tuple[NodePath, ...]) -> None:
        """Remember another selection with the current entry, if there is one."""
        current = self.current
        if current is not None:
            snapshot = replace(current.snapshot, selection=selection)
            self._entries[self._position] = replace(current, snapshot=snapshot)

    def seal(self) -> None:
        """The next edit becomes an entry of its own, whatever its key."""
        self._is_open = False

    def clear(self) -> None:
        self._entries.clear()
        self._position = -1
        self._is_open = False

    @property
    def held_bytes(self) -> int:
        """Bytes of pixels that only history holds."""
        current = self.current
        if current is None:
            return 0
        sizes = {key: size for entry in self._entries for key, size in entry.sizes.items()}
        return sum(size for key, size in sizes.items() if key not in current.sizes)

    def _trim(self) -> None:
        while len(self._entries) > 1 and (
            len(self._entries) > self._max_entries or self.held_bytes > self._budget()
        ):
            if self._position > 0:
                del self._entries[0]
                self._position -= 1
            else:
                del self._entries[-1]


def _owner(array: NDArray) -> NDArray:
    """The array that owns the memory which ``array`` shows a part of."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array
