"""The boxes in which the holes of a picture are filled: little to work, enough to go by.

A box costs what its area costs, so holes share a box where one around them is no larger than
those around each. A hole that winds through more than may be worked at once is cut up.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from layerstudio.geometry import Bounds, Extent

Mask = NDArray[np.bool_]

# Around a hole the network sees as much as the hole is deep, which for a square is half its side;
# and never less than this.
_LEAST_CONTEXT = 64  # pixels
_NEAR = 8  # pixels: what is nearer is one hole
_MOST_HOLES = 2000  # of more it is noise all over the picture
_LONG = 4  # contexts: a longer hole has enough to go by in each half of it


class Work(NamedTuple):
    """Where the network looks, and which pixels (box height, box width) it is to fill there."""

    box: Bounds
    own: Mask


class _Part(NamedTuple):
    """The numbers of its pixels, the box around them, and how far the known may be from them."""

    numbers: tuple[int, ...]
    hole: Bounds
    context: int

    def joined(self, other: _Part) -> _Part:
        context = max(self.context, other.context)
        return _Part(self.numbers + other.numbers, self.hole.union(other.hole), context)

    def box(self, extent: Extent) -> Bounds:
        return self.hole.padded(self.context).clamped(extent)


def boxes_of(holes: Mask, largest: int) -> list[Work]:
    """Every pixel of ``holes`` (h, w) is the own one of one box; ``largest`` is in pixels.

    Boxes of more than ``largest`` pixels are left only where a hole is that large and solid.
    """
    extent = Extent.of(holes)
    depth = cv2.distanceTransform(holes.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_3)
    numbers = np.zeros(holes.shape, np.int32)
    parts: list[_Part] = []
    for own, hole in _apart(holes):
        for inside, there in _cut(own, hole, depth, extent, largest):
            parts.append(_Part((len(parts) + 1,), there, _context(inside, there, depth)))
            numbers[there.slices][inside] = len(parts)
    return [
        Work(part.box(extent), np.isin(numbers[part.box(extent).slices], part.numbers))
        for part in _joined(parts, extent, largest)
    ]


def _apart(holes: Mask) -> Iterator[tuple[Mask, Bounds]]:
    """Holes that are not near each other: their pixels in their boxes."""
    side = 2 * _NEAR + 1
    wide = cv2.dilate(holes.astype(np.uint8), np.ones((side, side), np.uint8))
    count, found = cv2.connectedComponents(wide)
    if count > _MOST_HOLES:
        hole = Bounds.of_mask(holes)
        yield holes[hole.slices], hole
        return
    labels = np.asarray(found, np.int32)
    labels[~holes] = 0
    for label, hole in _boxes_of_labels(labels, count):
        yield labels[hole.slices] == label, hole


def _boxes_of_labels(labels: NDArray[np.int32], count: int) -> Iterator[tuple[int, Bounds]]:
    rows, columns = labels.nonzero()
    found = labels[rows, columns]
    low, high = np.full((2, count), np.iinfo(np.intp).max), np.full((2, count), -1)
    for axis, at in enumerate((columns, rows)):
        np.minimum.at(low[axis], found, at)
        np.maximum.at(high[axis], found, at)
    for label in range(1, count):
        left, top, right, bottom = *low[:, label].tolist(), *(high[:, label] + 1).tolist()
        yield label, Bounds.from_edges(left, top, right, bottom)


def _cut(
    own: Mask, hole: Bounds, depth: NDArray, extent: Extent, largest: int
) -> Iterator[tuple[Mask, Bounds]]:
    """``own`` (in ``hole``) halved for as long as it is too large, and long for its depth."""
    tight = Bounds.of_mask(own)
    if tight.is_empty:
        return
    own, hole = own[tight.slices], tight.moved(hole.x, hole.y)
    context = _context(own, hole, depth)
    is_long = hole.extent.longest_side > _LONG * context
    if not is_long or hole.padded(context).clamped(extent).area <= largest:
        yield own, hole
        return
    axis = 0 if hole.height >= hole.width else 1
    middle = own.shape[axis] // 2
    first, second = np.split(own, [middle], axis)
    moved = hole.moved(0, middle) if axis == 0 else hole.moved(middle, 0)
    yield from _cut(first, hole, depth, extent, largest)
    yield from _cut(second, moved, depth, extent, largest)


def _context(own: Mask, hole: Bounds, depth: NDArray) -> int:
    deepest = float(depth[hole.slices][own].max())
    # Where nothing at all is known, the depth is a number without meaning.
    return round(min(max(deepest, _LEAST_CONTEXT), max(depth.shape)))


def _joined(parts: list[_Part], extent: Extent, largest: int) -> list[_Part]:
    """Each joined to the first whose box it does not make costlier, and so on with the two."""
    joined: list[_Part] = []
    for part in parts:
        index = 0
        while index < len(joined):
            both = part.joined(joined[index])
            apart = part.box(extent).area + joined[index].box(extent).area
            if both.box(extent).area > min(apart, largest):
                index += 1
                continue
            del joined[index]
            part, index = both, 0  # it may reach others now
        joined.append(part)
    return joined
