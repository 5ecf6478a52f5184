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

# Around a hole's box, of the side of a square of its area, and never less.
_CONTEXT = 0.5
_LEAST_CONTEXT = 64  # pixels
_NEAR = 8  # pixels: what is nearer is one hole
_MOST_HOLES = 2000  # of more it is noise all over the picture
# A square hole fills a quarter of its box. One that fills less than this is long or winding, so
# that each half of it still has enough around it.
_SPARSE = 0.2


class Work(NamedTuple):
    """Where the network looks, and which pixels (box height, box width) it is to fill there."""

    box: Bounds
    own: Mask


def boxes_of(holes: Mask, largest: int) -> list[Work]:
    """Every pixel of ``holes`` (h, w) is the own one of one box; ``largest`` is in pixels.

    Boxes of more than ``largest`` pixels are left only where a hole is that large and solid.
    """
    extent = Extent.of(holes)
    works = []
    for own, hole in _groups(holes, extent, largest):
        for part in _parts(own, hole, extent, largest):
            box = _with_context(part, extent)
            inside = np.zeros(box.extent.shape, bool)
            inside[part.relative_to(box).slices] = own[part.relative_to(hole).slices]
            works.append(Work(box, inside))
    return works


def _groups(holes: Mask, extent: Extent, largest: int) -> Iterator[tuple[Mask, Bounds]]:
    """Holes that share a box: their pixels in it, and it, without surroundings."""
    side = 2 * _NEAR + 1
    wide = cv2.dilate(holes.astype(np.uint8), np.ones((side, side), np.uint8))
    count, found = cv2.connectedComponents(wide)
    labels = np.asarray(found, np.int32)
    if count > _MOST_HOLES:
        hole = Bounds.of_mask(holes)
        yield holes[hole.slices], hole
        return
    labels[~holes] = 0
    singles = [([label], hole) for label, hole in _boxes_of_labels(labels, count)]
    for members, hole in _joined(singles, extent, largest):
        yield np.isin(labels[hole.slices], members), hole


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


Group = tuple[list[int], Bounds]


def _joined(singles: list[Group], extent: Extent, largest: int) -> list[Group]:
    """Each joined to the first whose box it does not make costlier, and so on with the two."""
    joined: list[Group] = []
    for members, hole in singles:
        index = 0
        while index < len(joined):
            others, there = joined[index]
            both = hole.union(there)
            cost = _with_context(both, extent).area
            apart = _with_context(hole, extent).area + _with_context(there, extent).area
            if cost > min(apart, largest):
                index += 1
                continue
            del joined[index]
            members, hole, index = others + members, both, 0  # it may reach others now
        joined.append((members, hole))
    return joined


def _parts(own: Mask, hole: Bounds, extent: Extent, largest: int) -> Iterator[Bounds]:
    """``hole`` (canvas pixels, ``own`` inside it) halved for as long as it is large and sparse."""
    tight = Bounds.of_mask(own)
    if tight.is_empty:
        return
    there = tight.moved(hole.x, hole.y)
    own = own[tight.slices]
    area = _with_context(there, extent).area
    if area <= largest or np.count_nonzero(own) >= _SPARSE * area:
        yield there
        return
    axis = 0 if there.height >= there.width else 1
    middle = own.shape[axis] // 2
    first, second = np.split(own, [middle], axis)
    yield from _parts(first, there, extent, largest)
    moved = there.moved(0, middle) if axis == 0 else there.moved(middle, 0)
    yield from _parts(second, moved, extent, largest)


def _with_context(hole: Bounds, extent: Extent) -> Bounds:
    margin = max(_LEAST_CONTEXT, round(_CONTEXT * hole.area**0.5))
    return hole.padded(margin).clamped(extent)
