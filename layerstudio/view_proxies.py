"""Documents at 1/2, 1/4, 1/8 ... of their scale, to look at when zoomed out.

At level k a pixel stands for a square of 2^k x 2^k canvas pixels at a multiple of 2^k. A layer's
proxy has the average of its premultiplied pixels there, with nothing beyond the layer's edge. Where
a layer reaches the right or bottom edge of a canvas that ends within a square, its last pixels are
repeated instead, else the edge of the canvas would look half transparent.

Each level is made of the one before it. A proxy document is an ordinary document.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from layerstudio.byte_cache import ByteCache
from layerstudio.color import U8, U16, Pixels, to_depth
from layerstudio.document import Document, Group, Mask, Node
from layerstudio.geometry import Bounds, Extent
from layerstudio.view_identity import pixels_token


def level_extent(extent: Extent, level: int) -> Extent:
    """The size of a canvas at ``level``: sides divided by 2^level, rounded up."""
    return Extent(_up(extent.width, level), _up(extent.height, level))


def to_level(bounds: Bounds, level: int) -> Bounds:
    """The pixels at ``level`` that ``bounds`` of the canvas touch."""
    if bounds.is_empty:
        return Bounds(0, 0, 0, 0)
    return Bounds.from_edges(
        bounds.x >> level, bounds.y >> level, _up(bounds.right, level), _up(bounds.bottom, level)
    )


def to_canvas(bounds: Bounds, level: int) -> Bounds:
    """The canvas pixels that ``bounds`` at ``level`` stand for."""
    return Bounds(*(value << level for value in bounds))


class _Raster(NamedTuple):
    """Pixels of a layer or mask at ``bounds``, in a canvas of ``limit`` if that cuts them."""

    bounds: Bounds
    pixels: Pixels
    outside: int  # the value beyond the bounds, of all channels
    limit: Extent | None


@dataclass(frozen=True)
class Scale:
    """Which proxies are wanted: their ``level``, the canvas that may cut them, and the ``block`` of
    canvas pixels, whose edges are multiples of 2^level, beyond which nothing is needed."""

    level: int
    canvas: Extent | None = None
    block: Bounds | None = None

    def needed(self, bounds: Bounds) -> Bounds:
        """The part of ``bounds`` to make a proxy of; empty if none of it is on the canvas."""
        needed = bounds if self.block is None else bounds.intersection(self.block)
        away = self.canvas is not None and needed.clamped(self.canvas).is_empty
        return Bounds(0, 0, 0, 0) if needed.is_empty or away else needed


class Proxies:
    """Makes proxies and keeps them in ``cache``. Thread-safe."""

    def __init__(self, cache: ByteCache) -> None:
        self._cache = cache

    def document(self, document: Document, level: int, block: Bounds | None = None) -> Document:
        """``document`` at ``level``, 8 bits deep; itself at level 0. Hidden layers are empty.

        With a ``block``, as in ``Scale``, only what is in there is right.
        """
        if level == 0:
            return document
        scale = Scale(level, document.extent, block)
        children = tuple(self.node(node, scale) for node in document.children)
        return replace(document, extent=level_extent(document.extent, level), children=children)

    def node(self, node: Node, scale: Scale) -> Node:
        """The proxy of ``node``; itself at level 0."""
        if scale.level == 0:
            return node
        mask = None if node.mask is None else self._mask(node.mask, scale)
        if isinstance(node, Group):
            shown = node.children if node.visible else ()
            children = tuple(self.node(child, scale) for child in shown)
            return replace(node, children=children, mask=mask)
        bounds = node.bounds if node.visible else Bounds(0, 0, 0, 0)
        bounds, pixels = self._reduced(bounds, node.pixels, 0, scale)
        return replace(node, bounds=bounds, pixels=pixels, mask=mask)

    def _mask(self, mask: Mask, scale: Scale) -> Mask:
        bounds, pixels = self._reduced(mask.bounds, mask.pixels, 255 * mask.outside, scale)
        return replace(mask, bounds=bounds, pixels=pixels)

    def _reduced(
        self, bounds: Bounds, pixels: Pixels, outside: int, scale: Scale
    ) -> tuple[Bounds, U8]:
        needed = scale.needed(bounds)
        if needed.is_empty:
            return needed, np.zeros((0, 0, *pixels.shape[2:]), np.uint8)
        part = pixels[needed.relative_to(bounds).slices]
        reduced = self._pixels(_Raster(needed, part, outside, scale.canvas), scale.level)
        return _place(needed, reduced, scale.level), reduced

    def _pixels(self, raster: _Raster, level: int) -> U8:
        """Kept at ``level`` only: those before it are larger, and would push out what is in use."""
        key = _key(raster, level)
        pixels = self._cache.get(key)
        if pixels is None:
            pixels = _halved(_padded(raster))
            for done in range(1, level):
                pixels = _halved(_padded(_at_level(raster, done, pixels)))
            self._cache.put(key, pixels, pixels.nbytes)
        return pixels


def _up(value: int, level: int) -> int:
    return -(-value >> level)


def _key(raster: _Raster, level: int) -> tuple:
    """What a proxy depends on: of the place, how it shifts the squares; of the canvas, where it
    cuts the layer."""
    step = 1 << level
    bounds, limit = raster.bounds, raster.limit
    cut_x = cut_y = None
    if limit is not None:
        place, edge = to_level(bounds, level), level_extent(limit, level)
        if limit.width % step and place.right >= edge.width:
            cut_x = limit.width - bounds.x
        if limit.height % step and place.bottom >= edge.height:
            cut_y = limit.height - bounds.y
    token = pixels_token(raster.pixels)
    return "proxy", token, level, bounds.x % step, bounds.y % step, raster.outside, cut_x, cut_y


def _at_level(raster: _Raster, level: int, pixels: U8) -> _Raster:
    limit = None if raster.limit is None else level_extent(raster.limit, level)
    return _Raster(_place(raster.bounds, pixels, level), pixels, raster.outside, limit)


def _place(bounds: Bounds, pixels: U8, level: int) -> Bounds:
    """Where a proxy lies: at the squares that ``bounds`` touch, or fewer where the canvas cuts."""
    return Bounds(bounds.x >> level, bounds.y >> level, pixels.shape[1], pixels.shape[0])


def _padded(raster: _Raster) -> U8:
    """8-bit pixels grown, or cut, to even edges."""
    bounds, limit = raster.bounds, raster.limit
    cut_x = limit is not None and limit.width % 2 == 1 and bounds.right >= limit.width
    cut_y = limit is not None and limit.height % 2 == 1 and bounds.bottom >= limit.height
    pixels = np.asarray(to_depth(raster.pixels, np.uint8), np.uint8)
    if limit is not None and (cut_x or cut_y):
        rows = limit.height - bounds.y if cut_y else None
        columns = limit.width - bounds.x if cut_x else None
        pixels = _bordered(pixels[:rows, :columns], 0, int(cut_y), 0, int(cut_x), None)
    left, top = bounds.x % 2, bounds.y % 2
    right, bottom = (left + pixels.shape[1]) % 2, (top + pixels.shape[0]) % 2
    if not (left or top or right or bottom):
        return pixels
    return _bordered(pixels, top, bottom, left, right, raster.outside)


def _bordered(pixels: U8, top: int, bottom: int, left: int, right: int, outside: int | None) -> U8:
    """With that many rows and columns more of the value ``outside``; None repeats the edge."""
    kind = cv2.BORDER_REPLICATE if outside is None else cv2.BORDER_CONSTANT
    value = (outside or 0,) * 4
    grown = cv2.copyMakeBorder(pixels, top, bottom, left, right, kind, value=value)
    return np.asarray(grown, np.uint8)


def _halved(pixels: U8) -> U8:
    """(h, w) or (h, w, 4), even sides: averages of 2 x 2, those of colour weighted by alpha."""
    size = (pixels.shape[1] // 2, pixels.shape[0] // 2)
    if pixels.ndim == 2 or cv2.extractChannel(pixels, 3).min() == 255:
        return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    *colours, alpha = cv2.split(pixels)
    # Products of two bytes fit 16 bits: colour and alpha are averaged at 1/65025.
    weight = _averaged_product(alpha, np.full_like(alpha, 255), size)
    channels = [
        cv2.divide(_averaged_product(colour, alpha, size), weight, scale=255, dtype=cv2.CV_8U)
        for colour in colours
    ]
    rounded = ((weight + np.uint16(127)) // np.uint16(255)).astype(np.uint8)
    return np.asarray(cv2.merge([*channels, rounded]), np.uint8)


def _averaged_product(a: NDArray, b: NDArray, size: tuple[int, int]) -> U16:
    product = cv2.multiply(a, b, dtype=cv2.CV_16U)
    return np.asarray(cv2.resize(product, size, interpolation=cv2.INTER_AREA), np.uint16)
