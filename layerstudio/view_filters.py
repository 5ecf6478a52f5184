"""Documents of which only some nodes show."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from layerstudio.document import Document, Group, Node, NodePath


def with_only(document: Document, paths: Collection[NodePath]) -> Document:
    """``document`` in which nothing but the nodes at ``paths`` shows, in their groups.

    They and their groups are made visible, and are drawn unclipped where what they are clipped to
    is not shown. No path at all leaves the document as it is. Raises ``InvalidDocument`` for a
    path without a node.
    """
    if not paths:
        return document
    for path in paths:
        document.at(path)
    return replace(document, children=_only(document.children, (), set(paths)))


def without_nodes(document: Document, paths: Collection[NodePath]) -> Document:
    """``document`` with the nodes at ``paths`` hidden, and so what is clipped to them.

    Raises ``InvalidDocument`` for a path without a node.
    """
    for path in paths:
        document = document.replaced(path, replace(document.at(path), visible=False))
    return document


def _only(nodes: Sequence[Node], parent: NodePath, paths: set[NodePath]) -> tuple[Node, ...]:
    shown: list[Node] = []
    base_shows = True  # whether what a clipped node belongs to is shown
    for index, node in enumerate(nodes):
        path = (*parent, index)
        whole = path in paths
        shows = whole or any(other[: len(path)] == path for other in paths)
        changed = replace(node, visible=shows)
        if isinstance(changed, Group) and shows and not whole:
            changed = replace(changed, children=_only(changed.children, path, paths))
        if node.clipped and index > 0:
            changed = replace(changed, clipped=base_shows or not shows)
        else:
            base_shows = shows
        shown.append(changed)
    return tuple(shown)
