"""Paths of one revision in the next: which node is the same one after an edit."""

from __future__ import annotations

from layerstudio.document import Document, Group, Node, NodePath


def has_node(document: Document, path: NodePath) -> bool:
    """Whether ``path`` names a node of ``document``."""
    children: tuple[Node, ...] = document.children
    for index in path:
        if not 0 <= index < len(children):
            return False
        node = children[index]
        children = node.children if isinstance(node, Group) else ()
    return bool(path)


def followed(
    paths: tuple[NodePath, ...], before: Document, after: Document
) -> tuple[NodePath, ...]:
    """Where the nodes at ``paths`` are after an edit; those that are gone are left out.

    A node that the edit did not touch is the same object. One that it changed is looked for at its
    old place, which is right unless nodes were changed and moved in one edit.
    """
    if before is after or not paths:
        return paths
    places = {id(node): path for path, node in after.walk()}
    found = (_followed(path, before, after, places) for path in paths)
    return tuple(dict.fromkeys(path for path in found if path is not None))


def _followed(
    path: NodePath, before: Document, after: Document, places: dict[int, NodePath]
) -> NodePath | None:
    node = before.at(path)
    place = places.get(id(node))
    if place is not None:
        return place
    if not has_node(after, path):
        return None
    there = after.at(path)
    is_like = type(there) is type(node) and there.name == node.name
    return path if is_like else None
