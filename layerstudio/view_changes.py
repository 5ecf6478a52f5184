"""Where an edit may have changed the picture."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher

import numpy as np
from numpy.typing import NDArray

from layerstudio.composite import Item, compile_items
from layerstudio.document import Document, Layer
from layerstudio.geometry import Bounds
from layerstudio.surface import mask_at
from layerstudio.view_identity import (
    content_signature,
    mask_signature,
    own_signature,
    signature,
    signatures,
    unfolded,
)

_NOWHERE = Bounds(0, 0, 0, 0)


def changed_bounds(before: Document, after: Document) -> Bounds:
    """A rectangle outside of which both documents composite to the same; empty if all of it does.

    Painting is a matter of single pixels: where the items that show are the same in the same order,
    so is the picture. Hence the bounds of all items that are not in both stacks hold every change.
    """
    if before.extent != after.extent:
        return Bounds.full(before.extent).union(Bounds.full(after.extent))
    canvas = Bounds.full(after.extent)
    stacks = [compile_items(document.children, canvas) for document in (before, after)]
    changes = _changed(*stacks)
    return _NOWHERE if changes.is_empty else changes


def _changed(before: Sequence[Item], after: Sequence[Item]) -> Bounds:
    before, after = unfolded(before), unfolded(after)
    matcher = SequenceMatcher(None, signatures(before), signatures(after), autojunk=False)
    total = _NOWHERE
    for tag, b0, b1, a0, a1 in matcher.get_opcodes():
        if tag == "equal":
            continue
        old, new = before[b0:b1], after[a0:a1]
        if len(old) == len(new):
            changes = [_changed_item(*pair) for pair in zip(old, new, strict=True)]
        else:
            changes = [item.bounds for item in (*old, *new)]
        total = total.union(Bounds.around(changes))
    return total


def _changed_item(old: Item, new: Item) -> Bounds:
    """Where ``new`` in the place of ``old`` may paint something else on the same backdrop."""
    if signature(old) == signature(new):
        return _NOWHERE
    both = old.bounds.union(new.bounds)
    if own_signature(old) != own_signature(new):
        return both
    changes = _NOWHERE
    if content_signature(old) != content_signature(new):
        changes = _changed_content(old, new)
    if signatures(old.clipped) != signatures(new.clipped):
        changes = changes.union(_changed(old.clipped, new.clipped))
    if mask_signature(old.node.mask) != mask_signature(new.node.mask):
        changes = changes.union(_changed_mask(old, new))
    return changes.intersection(both)


def _changed_content(old: Item, new: Item) -> Bounds:
    if isinstance(old.node, Layer) and isinstance(new.node, Layer):
        return _changed_pixels(old.node, new.node, old.bounds.union(new.bounds))
    return _changed(old.children, new.children)


def _changed_pixels(old: Layer, new: Layer, place: Bounds) -> Bounds:
    """Pixels are compared where both layers lie on the same spot."""
    if old.bounds != new.bounds or old.pixels.dtype != new.pixels.dtype:
        return place
    inside = place.intersection(old.bounds)
    slices = inside.relative_to(old.bounds).slices
    different = _words(old.pixels[slices]) != _words(new.pixels[slices])
    return Bounds.of_mask(different).moved(inside.x, inside.y)


def _words(pixels: NDArray) -> NDArray:
    """(h, w, 4) as (h, w) with all of a pixel in one number."""
    word = np.uint32 if pixels.dtype == np.uint8 else np.uint64
    return np.ascontiguousarray(pixels).view(word)[..., 0]


def _changed_mask(old: Item, new: Item) -> Bounds:
    place = old.bounds.union(new.bounds)
    different = _mask_values(old, place) != _mask_values(new, place)
    return Bounds.of_mask(different).moved(place.x, place.y)


def _mask_values(item: Item, place: Bounds) -> NDArray:
    mask = item.node.mask
    if mask is None or not mask.enabled:
        return np.ones(place.extent.shape, np.float32)
    return mask_at(mask, place)
