"""Nodes moved by whole pixels, and layers cut to what shows of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from layerstudio.document import Document, Layer, Node, NodePath
from layerstudio.edits.checks import near, pixels
from layerstudio.edits.editing import Edited, changed_each, changed_layers, check_unlocked
from layerstudio.edits.paths import chosen, normalised


def move(document: Document, paths: Sequence[NodePath], dx: float, dy: float) -> Edited:
    """The chosen nodes, with masks and live text, moved by canvas pixels, rounded to whole ones.

    Pixels are shared. Raises ``InvalidRequest`` for locked nodes and places absurdly far off.
    """
    right, down = pixels(dx, "dx"), pixels(dy, "dy")
    moved = normalised(document, paths)
    check_unlocked(document, moved)

    def change(node: Node) -> Node:
        if not (right or down):
            return node
        near(node.bounds.moved(right, down), f"{node.name!r}")
        return node.moved(right, down)

    edited = changed_each(document, moved, change)
    return replace(edited, selection=chosen(document, paths))


def crop_to_content(document: Document, paths: Sequence[NodePath]) -> Edited:
    """The chosen layers without rows and columns of alpha 0 around them; they look the same."""
    return changed_layers(document, paths, Layer.cropped_to_content)
