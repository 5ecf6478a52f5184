"""Edits of order: nodes put elsewhere in the tree, copied and deleted, their pixels as they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from layerstudio.document import Document, Node, NodePath
from layerstudio.edits.editing import Edited, Slot, check_open, check_unlocked, rebuilt, run_end
from layerstudio.edits.paths import by_parent, children_at, node_at, normalised
from layerstudio.errors import InvalidRequest

Blocks = list[list[int]]  # neighbouring chosen children of one parent, bottom to top


def reorder(document: Document, paths: Sequence[NodePath], parent: NodePath, index: int) -> Edited:
    """The chosen nodes, in their order, put before child ``index`` of ``parent``.

    ``parent`` and ``index`` are those before the move; ``()`` is the document, an index of as many
    as there are children the top. A group cannot go into itself.
    """
    moved = normalised(document, paths)
    check_unlocked(document, moved)
    slots = len(children_at(document, parent))
    if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index <= slots:
        raise InvalidRequest(f"There is no such place to move to: places go from 0 to {slots}.")
    if any(parent[: len(path)] == path for path in moved):
        raise InvalidRequest("A group cannot be moved into itself.")
    check_open(document, parent)
    return _put(document, {(*parent, index): [*moved]})


def bring_forward(document: Document, paths: Sequence[NodePath]) -> Edited:
    """Each chosen node, or block of neighbours, one place up; from the top of a group out of it."""

    def place(parent: NodePath, block: list[int], siblings: int) -> NodePath | None:
        if block[-1] + 1 < siblings:
            return (*parent, block[-1] + 2)
        return (*parent[:-1], parent[-1] + 1) if parent else None

    return _step(document, paths, place)


def send_backward(document: Document, paths: Sequence[NodePath]) -> Edited:
    """Each chosen node, or block of neighbours, one place down; from the bottom of a group out."""

    def place(parent: NodePath, block: list[int], siblings: int) -> NodePath | None:
        if block[0] > 0:
            return (*parent, block[0] - 1)
        return parent or None

    return _step(document, paths, place)


def bring_to_front(document: Document, paths: Sequence[NodePath]) -> Edited:
    """The chosen nodes above their siblings, in their order."""
    return _to_end(document, paths, lambda parent: len(children_at(document, parent)))


def send_to_back(document: Document, paths: Sequence[NodePath]) -> Edited:
    """The chosen nodes below their siblings, in their order."""
    return _to_end(document, paths, lambda parent: 0)


def duplicate(document: Document, paths: Sequence[NodePath]) -> Edited:
    """Unlocked copies of the chosen nodes, named "... copy", which share the pixels.

    Copies of siblings lie together above the topmost of them, and above what is clipped to that.
    """
    wanted = normalised(document, paths)
    insertions: dict[NodePath, list[Slot]] = {}
    for parent, indices in by_parent(wanted).items():
        if parent:
            check_open(document, parent)
        originals = [node_at(document, (*parent, index)) for index in indices]
        slot = (*parent, indices[-1] + 1)
        if not all(node.clipped for node in originals):
            slot = run_end(document, (*parent, indices[-1]))
        insertions[slot] = [Slot(_copied(node)) for node in originals]
    return rebuilt(document, {}, insertions)


def delete(document: Document, paths: Sequence[NodePath]) -> Edited:
    """The document without the chosen nodes; the node below the lowest of them is selected."""
    gone = normalised(document, paths)
    check_unlocked(document, gone)
    edited = rebuilt(document, {path: [] for path in gone})
    *parent, index = gone[0]
    siblings = children_at(edited.document, tuple(parent))
    if siblings:
        return replace(edited, selection=((*parent, max(0, index - 1)),))
    return replace(edited, selection=(tuple(parent),) if parent else ())


def _copied(node: Node) -> Node:
    return replace(node, name=f"{node.name} copy", locked=False)


def _to_end(
    document: Document, paths: Sequence[NodePath], end: Callable[[NodePath], int]
) -> Edited:
    moved = normalised(document, paths)
    check_unlocked(document, moved)
    return _put(
        document,
        {
            (*parent, end(parent)): [(*parent, index) for index in indices]
            for parent, indices in by_parent(moved).items()
        },
    )


def _step(
    document: Document,
    paths: Sequence[NodePath],
    place: Callable[[NodePath, list[int], int], NodePath | None],
) -> Edited:
    """``place`` gives the slot for a block of a parent with so many children, None to stay."""
    moved = normalised(document, paths)
    check_unlocked(document, moved)
    targets: dict[NodePath, list[NodePath]] = {}
    for parent, indices in by_parent(moved).items():
        siblings = len(children_at(document, parent))
        for block in _blocks(indices):
            slot = place(parent, block, siblings) or (*parent, block[0])
            targets.setdefault(slot, []).extend((*parent, index) for index in block)
    return _put(document, targets)


def _blocks(indices: list[int]) -> Blocks:
    blocks: Blocks = []
    for index in indices:
        if blocks and index == blocks[-1][-1] + 1:
            blocks[-1].append(index)
        else:
            blocks.append([index])
    return blocks


def _put(document: Document, targets: dict[NodePath, list[NodePath]]) -> Edited:
    """The nodes at the paths of each list moved to the slot they are listed for."""
    moved = [path for listed in targets.values() for path in listed]
    return rebuilt(
        document,
        {path: [] for path in moved},
        {
            slot: [Slot(node_at(document, path)) for path in listed]
            for slot, listed in targets.items()
        },
    )
