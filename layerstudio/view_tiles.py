"""Composites of a document that changes a little from one look to the next.

The canvas is cut into tiles. A tile keeps its picture and a checkpoint: the float32 surface painted
up to where the stack last changed. What shows the same in a tile is not painted again, and where
something changes, painting goes on from the checkpoint below. The picture is that of ``composite``,
to the bit, because painting in several goes is painting in one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from layerstudio.byte_cache import ByteCache
from layerstudio.color import F32, U8, to_u8
from layerstudio.composite import compile_items, on_all_cores, paint_items
from layerstudio.document import Document
from layerstudio.geometry import Bounds, Extent
from layerstudio.surface import Surface
from layerstudio.view_identity import Signature, signatures, unfolded

# As many pixels as a core's cache holds planes of, see ``composite``; wide, for long loops.
_TILE = Extent(256, 128)
BLOCK = Extent(512, 512)  # whole tiles; what proxies are made of at once


@dataclass(frozen=True)
class _Tile:
    """What was last painted: the signatures of the items, the picture (h, w, 4), and the planes
    once the first ``painted`` items were on them (None where that is 0)."""

    signatures: Signature
    picture: U8
    painted: int = 0
    planes_premul: F32 | None = None

    @property
    def nbytes(self) -> int:
        planes = 0 if self.planes_premul is None else self.planes_premul.nbytes
        return self.picture.nbytes + planes


class TilePainter:
    """Composites documents and keeps tiles in ``cache``. Thread-safe."""

    def __init__(self, cache: ByteCache) -> None:
        self._cache = cache

    def composite(self, parts: Mapping[Bounds, Document], region: Bounds, level: int) -> U8:
        """The picture of ``region``, which lies on the canvas: (h, w, 4).

        ``parts`` holds the document to composite in each place; the edges of places are those of
        the canvas or of ``BLOCK``. Tiles of other levels are kept apart by ``level``.
        """
        picture = np.zeros((*region.extent.shape, 4), np.uint8)
        tiles = {
            place: document
            for part, document in parts.items()
            for place in cells(region.intersection(part), _TILE, document.extent)
        }

        def work(place: Bounds) -> None:
            tile = self._tile(tiles[place], place, level)
            shown = place.intersection(region)
            picture[shown.relative_to(region).slices] = tile[shown.relative_to(place).slices]

        on_all_cores(work, list(tiles))
        return picture

    def _tile(self, document: Document, place: Bounds, level: int) -> U8:
        key = ("tile", level, place)
        last: _Tile | None = self._cache.get(key)
        tile = _painted(document, place, last)
        if tile is not last:
            self._cache.put(key, tile, tile.nbytes)
        return tile.picture


def cells(region: Bounds, size: Extent, canvas: Extent) -> list[Bounds]:
    """The cells of a grid that ``region`` touches, cut by the canvas."""
    width, height = size
    return [
        Bounds(x, y, width, height).clamped(canvas)
        for y in range(region.y // height * height, region.bottom, height)
        for x in range(region.x // width * width, region.right, width)
    ]


def _painted(document: Document, place: Bounds, last: _Tile | None) -> _Tile:
    items = unfolded(compile_items(document.children, place))
    now = signatures(items)
    if last is None:
        surface = Surface(place)
        paint_items(items, surface)
        return _Tile(now, _picture(surface))
    if now == last.signatures:
        return last
    same = _common(now, last.signatures)
    start, surface = 0, Surface(place)
    if last.planes_premul is not None and last.painted <= same:
        start, surface = last.painted, Surface(place, last.planes_premul.copy())
    paint_items(items[start:same], surface)
    below = surface.planes_premul.copy() if same else None
    paint_items(items[same:], surface)
    return _Tile(now, _picture(surface), same, below)


def _common(a: Signature, b: Signature) -> int:
    """How many signatures both begin with."""
    pairs = zip(a, b, strict=False)
    return next((n for n, (x, y) in enumerate(pairs) if x != y), min(len(a), len(b)))


def _picture(surface: Surface) -> U8:
    return np.ascontiguousarray(np.moveaxis(to_u8(surface.straight()), 0, 2))
