"""Work on the open pixels of a large picture: in boxes that overlap, joined without a seam."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from layerstudio.color import F32
from layerstudio.geometry import Bounds, Extent
from layerstudio.pipelines.stages.contracts import Mask


class OpenTile(NamedTuple):
    """``own`` is around the open pixels of one cell, ``box`` around what is seen for them."""

    own: Bounds
    box: Bounds


def tiles_around(is_open: Mask, *, side: int, context: int) -> tuple[OpenTile, ...]:
    """Boxes of about ``side`` pixels, or one of as much area around all, that cover every open
    pixel with ``context`` pixels of what is around it."""
    extent = Extent.of(is_open)
    content = Bounds.of_mask(is_open)
    if content.is_empty:
        return ()
    around = content.padded(context).clamped(extent)
    if around.area <= side * side:
        return (OpenTile(content, around),)
    step = side - 2 * context
    assert step > 0, (side, context)
    tiles = []
    for top in range(content.y, content.bottom, step):
        for left in range(content.x, content.right, step):
            cell = Bounds(left, top, step, step).intersection(content)
            own = Bounds.of_mask(is_open[cell.slices]).moved(left, top)
            if not own.is_empty:
                tiles.append(OpenTile(own, own.padded(context).clamped(extent)))
    return tuple(tiles)


def joined(tiles: Sequence[OpenTile], extent: Extent, work: Callable[[Bounds], F32]) -> F32:
    """``work`` of every tile's box, (h, w) or (h, w, c), faded into each other where they overlap.

    Zero where there is no tile.
    """
    if len(tiles) == 1:
        found = work(tiles[0].box)
        result = np.zeros((*extent.shape, *found.shape[2:]), np.float32)
        result[tiles[0].box.slices] = found
        return result
    total, share = None, np.zeros(extent.shape, np.float32)
    for tile in tiles:
        found, weight = work(tile.box), _weight(tile)
        if total is None:
            total = np.zeros((*extent.shape, *found.shape[2:]), np.float32)
        total[tile.box.slices] += found * weight.reshape(*weight.shape, *[1] * (found.ndim - 2))
        share[tile.box.slices] += weight
    if total is None:
        return share
    share = share.reshape(*share.shape, *[1] * (total.ndim - 2))
    return np.divide(total, share, out=total, where=share > 0)


def _weight(tile: OpenTile) -> F32:
    """1 where the tile is the one asked, falling to almost nothing at the edges of what it sees."""
    ramps = []
    for first, last, low, high in (
        (tile.box.y, tile.box.bottom, tile.own.y, tile.own.bottom),
        (tile.box.x, tile.box.right, tile.own.x, tile.own.right),
    ):
        at = np.arange(first, last)
        before = (at - first + 1) / (low - first + 1)
        after = (last - at) / (last - high + 1)
        ramps.append(np.minimum(np.minimum(before, after), 1).astype(np.float32))
    return np.outer(*ramps)
