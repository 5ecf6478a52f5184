"""Paths of nodes as text and as sets of nodes: which nodes an edit is about, and in what order."""

from __future__ import annotations

import re
from collections.abc import Sequence

from layerstudio.document import Document, Group, Node, NodePath
from layerstudio.errors import InvalidRequest

_DOTTED = re.compile(r"\d{1,6}(\.\d{1,6})*", re.ASCII)


def parse_path(text: str) -> NodePath:
    """``"2.0"`` as ``(2, 0)``; ``""`` is the root. Raises ``InvalidRequest`` for anything else."""
    if not isinstance(text, str) or (text and not _DOTTED.fullmatch(text)):
        raise InvalidRequest(
            "This is not the path of a layer.", advice="Paths are numbers such as 2 or 2.0."
        )
    return tuple(map(int, text.split("."))) if text else ()


def dotted(path: NodePath) -> str:
    """``(2, 0)`` as ``"2.0"``; the root is ``""``."""
    return ".".join(map(str, path))


def node_at(document: Document, path: NodePath) -> Node:
    """The node at a path; raises ``InvalidRequest`` where there is none."""
    siblings: tuple[Node, ...] = document.children
    node: Node | None = None
    for index in path:
        if not 0 <= index < len(siblings):
            raise InvalidRequest(f"There is no layer at {dotted(path)}.")
        node = siblings[index]
        siblings = node.children if isinstance(node, Group) else ()
    if node is None:
        raise InvalidRequest("The document itself is not a layer.", advice="Select a layer.")
    return node


def children_at(document: Document, parent: NodePath) -> tuple[Node, ...]:
    """The children of a group, or of the document for ``()``; a layer is an ``InvalidRequest``."""
    if not parent:
        return document.children
    node = node_at(document, parent)
    if not isinstance(node, Group):
        raise InvalidRequest(f"{node.name!r} is a layer, so nothing can be put into it.")
    return node.children


def chosen(document: Document, paths: Sequence[NodePath]) -> tuple[NodePath, ...]:
    """``paths`` without repetition, bottom to top, groups before what is in them.

    Raises ``InvalidRequest`` if there are none, or one names no node.
    """
    if not paths:
        raise InvalidRequest("No layer is selected.", advice="Select a layer first.")
    for path in paths:
        node_at(document, path)
    return tuple(sorted(set(map(tuple, paths))))


def normalised(document: Document, paths: Sequence[NodePath]) -> tuple[NodePath, ...]:
    """``chosen`` without what lies inside a chosen group, which goes along with its group."""
    wanted = chosen(document, paths)
    return tuple(path for path in wanted if not any(path[:n] in wanted for n in range(len(path))))


def by_parent(paths: Sequence[NodePath]) -> dict[NodePath, list[int]]:
    """Child indices for each parent, both in the order of ``paths``."""
    indices: dict[NodePath, list[int]] = {}
    for path in paths:
        indices.setdefault(path[:-1], []).append(path[-1])
    return indices
