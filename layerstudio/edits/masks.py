"""Edits of masks: put on, taken off, worked into the transparency, inverted, switched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from layerstudio.color import full_scale, to_depth
from layerstudio.document import Document, Group, Mask, Node, NodePath
from layerstudio.edits.checks import affordable, choice
from layerstudio.edits.editing import Edited, changed_each, check_unlocked
from layerstudio.edits.rendering import depth_of
from layerstudio.errors import InvalidRequest
from layerstudio.geometry import Bounds
from layerstudio.ops.coverage import with_mask_in_alpha
from layerstudio.surface import mask_at


def change_mask(document: Document, paths: Sequence[NodePath], action: str) -> Edited:
    """``action``: ``add`` a mask that hides nothing, ``remove`` it, ``apply`` it to the layer's
    transparency, ``invert`` it, ``enable`` or ``disable`` it.

    Raises ``InvalidRequest`` for locked nodes, for a node that has a mask already or none, and for
    ``apply`` to a group, whose layers have no transparency of their own to work it into.
    """
    change = _ACTIONS[choice(action, "The action", _ACTIONS)]
    check_unlocked(document, paths)
    return changed_each(document, paths, change)


def full_mask(bounds: Bounds, dtype: np.dtype) -> Mask:
    """A mask that hides nothing, with pixels at ``bounds``."""
    return Mask(bounds, np.full(bounds.extent.shape, full_scale(dtype), dtype), outside=1)


def both(first: Mask | None, second: Mask | None) -> Mask | None:
    """One mask that hides what either does; a mask that is switched off hides nothing."""
    if first is None or not first.enabled:
        return second
    if second is None or not second.enabled:
        return first
    bounds = _extent_of_both(first, second)
    affordable(bounds, "The mask")
    dtype = max(first.pixels.dtype, second.pixels.dtype)
    pixels = to_depth(mask_at(first, bounds) * mask_at(second, bounds), dtype)
    return Mask(bounds, pixels, outside=first.outside * second.outside)


def _extent_of_both(first: Mask, second: Mask) -> Bounds:
    if first.outside and second.outside:
        return first.bounds.union(second.bounds)
    if first.outside or second.outside:
        return second.bounds if first.outside else first.bounds
    return first.bounds.intersection(second.bounds)


def _added(node: Node) -> Node:
    if node.mask is not None:
        raise InvalidRequest(f"{node.name!r} has a mask already.")
    bounds = affordable(node.bounds, f"The mask of {node.name!r}")
    return replace(node, mask=full_mask(bounds, depth_of(node)))


def _removed(node: Node) -> Node:
    _mask_of(node)
    return replace(node, mask=None)


def _applied(node: Node) -> Node:
    _mask_of(node)
    if isinstance(node, Group):
        raise InvalidRequest(
            f"{node.name!r} is a group, so its mask cannot become transparency.",
            advice="Merge the group first.",
        )
    return with_mask_in_alpha(node)


def _inverted(node: Node) -> Node:
    mask = _mask_of(node)
    pixels = mask.pixels.dtype.type(full_scale(mask.pixels.dtype)) - mask.pixels
    return replace(node, mask=replace(mask, pixels=pixels, outside=1 - mask.outside))


def _switched(node: Node, enabled: bool) -> Node:
    mask = _mask_of(node)
    return node if mask.enabled == enabled else replace(node, mask=replace(mask, enabled=enabled))


def _mask_of(node: Node) -> Mask:
    if node.mask is None:
        raise InvalidRequest(f"{node.name!r} has no mask.")
    return node.mask


_ACTIONS: dict[str, Callable[[Node], Node]] = {
    "add": _added,
    "remove": _removed,
    "apply": _applied,
    "invert": _inverted,
    "enable": lambda node: _switched(node, True),
    "disable": lambda node: _switched(node, False),
}
