"""What every edit is made of: the result, the check for locks, and two ways through the tree.

Nodes that an edit leaves as they are stay the same objects, so that whoever caches pictures of
nodes can tell by identity what changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from layerstudio.document import Document, Group, Layer, Node, NodePath
from layerstudio.edits.paths import children_at, chosen, node_at, normalised
from layerstudio.errors import InvalidRequest


@dataclass(frozen=True)
class Edited:
    """A document after an edit, and the paths in it of what should be selected now."""

    document: Document
    selection: tuple[NodePath, ...]


@dataclass(frozen=True)
class Slot:
    """A node in its new place, and whether it is selected there."""

    node: Node
    selected: bool = True


def check_unlocked(document: Document, paths: Iterable[NodePath]) -> None:
    """Raise ``InvalidRequest`` if a node, a group around it or something in it is locked."""
    for path in paths:
        check_open(document, path)
        locked = _locked_inside(node_at(document, path))
        if locked is not None:
            raise _is_locked(locked)


def check_open(document: Document, path: NodePath) -> None:
    """Raise ``InvalidRequest`` if the node at ``path`` or a group around it is locked."""
    for length in range(1, len(path) + 1):
        node = node_at(document, path[:length])
        if node.locked:
            raise _is_locked(node)


def changed_each(
    document: Document, paths: Sequence[NodePath], change: Callable[[Node], Node]
) -> Edited:
    """``change`` of every chosen node; groups among them are changed after what is in them."""
    wanted = chosen(document, paths)
    for path in reversed(wanted):
        node = node_at(document, path)
        changed = change(node)
        if changed is not node:
            document = document.replaced(path, changed)
    return Edited(document, wanted)


def changed_layers(
    document: Document, paths: Sequence[NodePath], change: Callable[[Layer], Layer]
) -> Edited:
    """``change`` of all layers that are chosen or lie in a chosen group; none may be locked."""
    wanted = normalised(document, paths)
    check_unlocked(document, wanted)
    edited = changed_each(document, wanted, lambda node: with_layers(node, change))
    return replace(edited, selection=chosen(document, paths))


def with_layers(node: Node, change: Callable[[Layer], Layer]) -> Node:
    """``node`` with ``change`` of every layer in it."""
    return mapped(node, lambda each: change(each) if isinstance(each, Layer) else each)


def mapped(node: Node, change: Callable[[Node], Node]) -> Node:
    """``change`` of ``node`` and all nodes in it, inner ones first; unchanged ones are shared."""
    if isinstance(node, Group):
        children = tuple(mapped(child, change) for child in node.children)
        if any(new is not old for new, old in zip(children, node.children, strict=True)):
            node = replace(node, children=children)
    return change(node)


def rebuilt(
    document: Document,
    replacements: Mapping[NodePath, Sequence[Slot]],
    insertions: Mapping[NodePath, Sequence[Slot]] | None = None,
) -> Edited:
    """``document`` with nodes replaced by any number of others, and others put before nodes.

    All paths are those before the edit; one past the last child inserts at the end.
    """
    rebuilding = _Rebuilding(replacements, insertions or {})
    children = rebuilding.children(document.children, (), ())
    return Edited(replace(document, children=children), tuple(rebuilding.selection))


class _Rebuilding:
    def __init__(
        self,
        replacements: Mapping[NodePath, Sequence[Slot]],
        insertions: Mapping[NodePath, Sequence[Slot]],
    ) -> None:
        self.replacements = replacements
        self.insertions = insertions
        self.ways = {path[:n] for path in (*replacements, *insertions) for n in range(len(path))}
        self.selection: list[NodePath] = []

    def children(
        self, children: tuple[Node, ...], before: NodePath, after: NodePath
    ) -> tuple[Node, ...]:
        """``before`` and ``after`` are the path of their parent before and after the edit."""
        done: list[Node] = []
        for index, child in enumerate(children):
            path = (*before, index)
            self._put(self.insertions.get(path, ()), done, after)
            if path in self.replacements:
                self._put(self.replacements[path], done, after)
                continue
            if path in self.ways and isinstance(child, Group):
                inside = self.children(child.children, path, (*after, len(done)))
                child = replace(child, children=inside)
            done.append(child)
        self._put(self.insertions.get((*before, len(children)), ()), done, after)
        return tuple(done)

    def _put(self, slots: Sequence[Slot], done: list[Node], after: NodePath) -> None:
        for slot in slots:
            if slot.selected:
                self.selection.append((*after, len(done)))
            done.append(slot.node)


def run_end(document: Document, path: NodePath) -> NodePath:
    """The slot right above a node and what is clipped to it or, like it, to the node below."""
    siblings = children_at(document, path[:-1])
    index = path[-1] + 1
    while index < len(siblings) and siblings[index].clipped:
        index += 1
    return (*path[:-1], index)


def is_clipped(document: Document, path: NodePath) -> bool:
    """Whether a node is drawn clipped: the lowest of its siblings has nothing to be clipped to."""
    return path[-1] > 0 and node_at(document, path).clipped


def _locked_inside(node: Node) -> Node | None:
    if node.locked:
        return node
    children = node.children if isinstance(node, Group) else ()
    return next((found for child in children if (found := _locked_inside(child))), None)


def _is_locked(node: Node) -> InvalidRequest:
    return InvalidRequest(f"{node.name!r} is locked.", advice="Unlock it first.")
