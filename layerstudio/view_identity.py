"""What tells two pictures apart without a look at their pixels.

Edits share the arrays they do not touch, so the same array means the same pixels. An array's serial
number stands for it: never given twice, while ``id()`` is given again once an array is gone.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from layerstudio.composite import Item
from layerstudio.document import Layer, Mask, Node

Signature = tuple[Hashable, ...]


@dataclass(frozen=True)
class _Entry:
    owner: weakref.ref
    serial: int


_serials = itertools.count(1)
_entries: dict[int, _Entry] = {}  # by id() of the owner, while it lives


def pixels_token(pixels: NDArray) -> Signature:
    """Equal for two arrays only if they show the same part of the same memory.

    ``pixels`` are those of a layer or mask: read-only, so that the memory keeps its content.
    """
    owner = pixels
    while isinstance(owner.base, np.ndarray):
        owner = owner.base
    start = pixels.__array_interface__["data"][0]
    return _serial(owner), start, pixels.shape, pixels.strides, pixels.dtype.str


def _serial(owner: NDArray) -> int:
    identity = id(owner)
    entry = _entries.get(identity)
    if entry is None:
        # The callback runs before the id can be given again.
        ref = weakref.ref(owner, lambda _: _entries.pop(identity, None))
        entry = _entries.setdefault(identity, _Entry(ref, next(_serials)))
    assert entry.owner() is owner, identity
    return entry.serial


def mask_signature(mask: Mask | None) -> Signature:
    """Of what a mask does; one that is absent or off does nothing."""
    if mask is None or not mask.enabled:
        return ()
    return mask.bounds, pixels_token(mask.pixels), mask.outside


def own_signature(item: Item) -> Signature:
    """Of how an item is painted, apart from its content, its mask and what is clipped to it."""
    node = item.node
    return isinstance(node, Layer), node.opacity, node.blend, item.passes_through


def content_signature(item: Item) -> Signature:
    """Of an item's pixels and their place, or of its children."""
    node = item.node
    if isinstance(node, Layer):
        return node.bounds.x, node.bounds.y, pixels_token(node.pixels)
    return signatures(item.children)


def signature(item: Item) -> Signature:
    """Items of equal signatures paint the same on the same backdrop, wherever both show."""
    mask = mask_signature(item.node.mask)
    return own_signature(item), content_signature(item), mask, signatures(item.clipped)


def signatures(items: Sequence[Item]) -> Signature:
    return tuple(signature(item) for item in items)


def unfolded(items: Sequence[Item]) -> tuple[Item, ...]:
    """``items`` with the children of groups in their place, where a group changes nothing."""
    flat: list[Item] = []
    for item in items:
        if item.passes_through and _is_plain(item.node):
            flat.extend(unfolded(item.children))
        else:
            flat.append(item)
    return tuple(flat)


def _is_plain(node: Node) -> bool:
    return node.opacity == 1 and not mask_signature(node.mask)
