"""Which layer shows at a point."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from layerstudio.document import Document, Group, Layer, Mask, Node, NodePath
from layerstudio.geometry import Bounds


def topmost_at(
    document: Document, x: int, y: int, below: NodePath | None = None
) -> NodePath | None:
    """The path of the topmost layer that shows something at a canvas pixel; None where none does.

    A layer shows where it, its groups and what it is clipped to are visible and neither alpha,
    opacity nor mask is 0. ``below`` is a path to go on from: only layers further down than it, and
    not inside it, are looked at. It need not exist.
    """
    if Bounds(x, y, 1, 1).clamped(document.extent).is_empty:
        return None
    for path in _hits(document.children, (), x, y):
        if below is None or path < below:
            return path
    return None


def _hits(nodes: Sequence[Node], parent: NodePath, x: int, y: int) -> Iterator[NodePath]:
    """Paths of the layers that show at the point, top to bottom."""
    base = len(nodes)
    for index in reversed(range(len(nodes))):
        if index >= base:
            continue
        # A clipped node belongs to the nearest unclipped one below; at the bottom it is none.
        base = index
        while base > 0 and nodes[base].clipped:
            base -= 1
        if not _shows(nodes[base], x, y):
            continue
        for member in range(index, base - 1, -1):
            yield from _node_hits(nodes[member], (*parent, member), x, y)


def _node_hits(node: Node, path: NodePath, x: int, y: int) -> Iterator[NodePath]:
    if not node.visible or node.opacity <= 0 or not _mask_shows(node.mask, x, y):
        return
    if isinstance(node, Group):
        yield from _hits(node.children, path, x, y)
    elif _alpha(node, x, y) > 0:
        yield path


def _shows(node: Node, x: int, y: int) -> bool:
    return next(_node_hits(node, (), x, y), None) is not None


def _alpha(layer: Layer, x: int, y: int) -> int:
    if not layer.bounds.overlaps(Bounds(x, y, 1, 1)):
        return 0
    return int(layer.pixels[y - layer.bounds.y, x - layer.bounds.x, 3])


def _mask_shows(mask: Mask | None, x: int, y: int) -> bool:
    if mask is None or not mask.enabled:
        return True
    if not mask.bounds.overlaps(Bounds(x, y, 1, 1)):
        return mask.outside > 0
    return bool(mask.pixels[y - mask.bounds.y, x - mask.bounds.x] > 0)
