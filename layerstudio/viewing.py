"""Pictures of a document for a screen, fast enough to follow every edit.

A ``Viewer`` remembers what it has shown and paints only what is new. At level 0 it shows what
``composite`` makes, to the bit; at level k, what that makes of the proxy document at 1/2^k
(``view_proxies``). ``changed_bounds`` says which part of a picture an edit may have changed.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import cv2
import numpy as np

from layerstudio.byte_cache import ByteCache
from layerstudio.color import U8, premultiply, to_float, to_u8, unpremultiply
from layerstudio.composite import bands, compile_items, on_all_cores, paint_items
from layerstudio.document import BlendMode, Document, Node, NodePath
from layerstudio.errors import InvalidRequest
from layerstudio.geometry import Bounds, Extent
from layerstudio.io.png_codec import encode_png
from layerstudio.surface import Surface
from layerstudio.view_changes import changed_bounds
from layerstudio.view_filters import with_only, without_nodes
from layerstudio.view_keys import PictureKeys
from layerstudio.view_picking import topmost_at
from layerstudio.view_proxies import Proxies, Scale, level_extent, to_canvas, to_level
from layerstudio.view_tiles import BLOCK, TilePainter, cells

__all__ = ["MAX_LEVEL", "Viewer", "changed_bounds", "png_bytes", "topmost_at"]

MAX_LEVEL = 16  # 300,000 pixels, the longest side of a canvas, are 5 there
_KEYS_BYTES = 2 * 2**20  # some 4,000 layers and masks
_DEFAULT_BYTES = 256 * 2**20  # proxies of 20 layers of 2048 x 2048 at level 1 take 84 MB


class Viewer:
    """Renders documents, of one session say, and keeps at most ``memory_bytes`` to do so fast.

    Nothing is kept for a document as such: it is known by its pixels, so that edits, undo and other
    documents may come in any order. Thread-safe.
    """

    def __init__(self, memory_bytes: int = _DEFAULT_BYTES) -> None:
        self._cache = ByteCache(memory_bytes)
        self._proxies = Proxies(self._cache)
        self._painter = TilePainter(self._cache)
        # Apart: a digest is small, and pictures that push it out would cost a hash of all pixels.
        self._keys = PictureKeys(ByteCache(_KEYS_BYTES))

    @property
    def memory_bytes(self) -> int:
        """What is kept now, in bytes."""
        return self._cache.size

    def render(
        self,
        document: Document,
        bounds: Bounds,
        level: int,
        *,
        only: Collection[NodePath] = (),
        without: Collection[NodePath] = (),
    ) -> tuple[U8, Bounds]:
        """The composite at 1/2^level: (h, w, 4) straight alpha, and the canvas pixels it covers.

        These are the part of ``bounds`` on the canvas, grown outwards to multiples of 2^level; they
        may be empty, and may reach over the canvas's right and bottom edge by less than 2^level.
        ``only`` shows these nodes alone, hidden ones too, in their groups; ``without`` hides
        nodes and what is clipped to them. Raises ``InvalidRequest`` for a level that is not 0 to
        ``MAX_LEVEL`` and ``InvalidDocument`` for a path without a node.
        """
        _check_level(level)
        shown = without_nodes(with_only(document, only), without)
        region = to_level(bounds.clamped(document.extent), level)
        picture = self._painter.composite(self._blocks(shown, region, level), region, level)
        return picture, to_canvas(region, level)

    def sprite(self, node: Node, level: int) -> tuple[U8, Bounds]:
        """A node alone with its mask, but unclipped, of full opacity and normal mode, on nothing.

        (h, w, 4) straight alpha at 1/2^level, and the canvas pixels it covers: the node's bounds,
        on the canvas or off it, grown outwards to multiples of 2^level. Colour is 0 where alpha is
        0. Raises ``InvalidRequest`` for a level that is not 0 to ``MAX_LEVEL``.
        """
        _check_level(level)
        region = to_level(node.bounds, level)
        proxy = self._proxies.node(_alone(node), Scale(level))
        return _painted_alone(proxy, region), to_canvas(region, level)

    def thumbnail(self, node: Node, extent: Extent, side: int = 96) -> U8:
        """The sprite of a node, scaled down to fit a frame of the shape of a canvas of ``extent``
        whose longest side is ``side``; never enlarged. (h, w, 4), at least one pixel."""
        frame = _fitted(extent, Extent(side, side))
        key = ("thumbnail", self.key(node), frame)
        picture = self._cache.get(key)
        if picture is None:
            picture = self._thumbnail(node, frame)
            self._cache.put(key, picture, picture.nbytes)
        return picture

    def key(self, node: Node) -> str:
        """A hash of the node's own picture (pixels, mask, children), 32 hexadecimal digits.

        Neither its place and name nor its opacity, blend mode and visibility matter.
        """
        return self._keys.key(node)

    def _blocks(self, document: Document, region: Bounds, level: int) -> dict[Bounds, Document]:
        """The proxy document of each block that ``region`` touches, by its place at ``level``. In
        blocks, a large document needs proxies of no more than is looked at."""
        if level == 0:
            return {Bounds.full(document.extent): document}
        canvas = level_extent(document.extent, level)
        blocks: dict[Bounds, Document] = {}

        def work(place: Bounds) -> None:
            blocks[place] = self._proxies.document(document, level, to_canvas(place, level))

        on_all_cores(work, cells(region, BLOCK, canvas))
        return blocks

    def _thumbnail(self, node: Node, frame: Extent) -> U8:
        bounds = node.bounds
        if bounds.is_empty:
            return np.zeros((1, 1, 4), np.uint8)
        target = _fitted(bounds.extent, frame)
        # The smallest proxy that is still scaled down.
        ratio = min(bounds.width // target.width, bounds.height // target.height)
        level = min(max(0, ratio.bit_length() - 1), MAX_LEVEL)
        # At the origin of a canvas of its own, so that its place does not show in the edges.
        own = _alone(node.moved(-bounds.x, -bounds.y))
        proxy = self._proxies.node(own, Scale(level, bounds.extent))
        region = Bounds.full(level_extent(bounds.extent, level))
        return _scaled(_painted_alone(proxy, region), target)


def png_bytes(pixels: U8) -> bytes:
    """A PNG of (h, w, 4) straight RGBA or (h, w) gray pixels, at least one; lossless.

    Deflate at its fastest by libdeflate, one filter for all rows: half the time of libpng's.
    """
    return encode_png(pixels)


def _check_level(level: int) -> None:
    if not 0 <= level <= MAX_LEVEL:
        raise InvalidRequest(
            f"There is no zoom level {level}.", advice=f"Levels go from 0 to {MAX_LEVEL}."
        )


def _alone(node: Node) -> Node:
    return replace(node, opacity=1.0, blend=BlendMode.NORMAL, visible=True, clipped=False)


def _painted_alone(node: Node, region: Bounds) -> U8:
    picture = np.zeros((*region.extent.shape, 4), np.uint8)
    items = compile_items((node,), region)

    def work(band: Bounds) -> None:
        surface = Surface(band)
        paint_items(items, surface)
        planes = to_u8(surface.straight())
        picture[band.relative_to(region).slices] = np.moveaxis(planes, 0, 2)

    on_all_cores(work, bands(region))
    return picture


def _fitted(extent: Extent, frame: Extent) -> Extent:
    """The largest extent of the same shape, as near as whole pixels come, that fits ``frame`` and
    is not larger than ``extent``; at least one pixel."""
    scale = min(1.0, frame.width / extent.width, frame.height / extent.height)
    return Extent(max(1, round(extent.width * scale)), max(1, round(extent.height * scale)))


def _scaled(pixels: U8, extent: Extent) -> U8:
    if Extent.of(pixels) == extent:
        return pixels
    premul = cv2.resize(premultiply(to_float(pixels)), extent, interpolation=cv2.INTER_AREA)
    return to_u8(unpremultiply(np.asarray(premul, np.float32)))
