"""Edits of what is said about a node: name, visibility, lock, opacity, blend mode, clipping."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from layerstudio.document import BlendMode, Document, Layer, Node, NodePath
from layerstudio.edits.checks import blend_mode, flag, node_name, number
from layerstudio.edits.editing import Edited, changed_each, check_unlocked
from layerstudio.errors import InvalidRequest


def rename(document: Document, paths: Sequence[NodePath], name: str) -> Edited:
    """The chosen nodes under another name; locked ones too."""
    return _with(document, paths, name=node_name(name))


def set_visible(document: Document, paths: Sequence[NodePath], value: bool) -> Edited:
    """The chosen nodes shown or hidden; locked ones too."""
    return _with(document, paths, visible=flag(value, "Visible"))


def set_locked(document: Document, paths: Sequence[NodePath], value: bool) -> Edited:
    return _with(document, paths, locked=flag(value, "Locked"))


def set_opacity(document: Document, paths: Sequence[NodePath], value: float) -> Edited:
    """``value`` in [0, 1]."""
    opacity = number(value, "Opacity", 0.0, 1.0)
    check_unlocked(document, paths)
    return _with(document, paths, opacity=opacity)


def set_blend(document: Document, paths: Sequence[NodePath], value: BlendMode | str) -> Edited:
    """Any ``BlendMode``; pass-through is refused for layers."""
    mode = blend_mode(value)
    check_unlocked(document, paths)

    def change(node: Node) -> Node:
        if mode is BlendMode.PASS_THROUGH and isinstance(node, Layer):
            raise InvalidRequest(f"{node.name!r} is a layer, and only groups can pass through.")
        return _changed(node, blend=mode)

    return changed_each(document, paths, change)


def set_clipped(document: Document, paths: Sequence[NodePath], value: bool) -> Edited:
    """Clipped to the nearest node below that is not clipped itself, or released.

    The lowest node of its group has nothing below and is refused.
    """
    clipped = flag(value, "Clipped")
    check_unlocked(document, paths)
    if clipped and any(path[-1] == 0 for path in paths):
        raise InvalidRequest("There is nothing below this layer to clip it to.")
    return _with(document, paths, clipped=clipped)


def _with(document: Document, paths: Sequence[NodePath], **attributes: Any) -> Edited:
    return changed_each(document, paths, lambda node: _changed(node, **attributes))


def _changed(node: Node, **attributes: Any) -> Node:
    same = all(getattr(node, name) == value for name, value in attributes.items())
    return node if same else replace(node, **attributes)
