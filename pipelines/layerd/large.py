"""Pictures larger than is worth analysing: seen smaller, and their layers brought to full size.

The picture is averaged in squares of whole pixels, so that any part of a layer can be enlarged by
itself: memory is bounded by a band of it.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from layerstudio.color import U8, Pixels, to_depth, to_float, to_u8, unpremultiply
from layerstudio.document import Layer, TextContent
from layerstudio.geometry import Bounds, Extent
from layerstudio.picture import Picture
from layerstudio.pipelines.enlarging import at_full_size

LARGEST = 12_000_000  # pixels: a page at 300 dpi and most photographs are worked as they are
_BAND = 128  # rows of the working size
_MARGIN = 8  # pixels of the working size that the guided filter looks at around a part


def factor_of(extent: Extent, largest: int = LARGEST) -> int:
    """How many pixels across become one, so that at most about ``largest`` are left."""
    return int(np.ceil((extent.pixel_count / largest) ** 0.5))


def shrunk(pixels: Pixels, factor: int) -> U8:
    """Straight (h, w, 4) averaged in squares of ``factor``, those at the edges repeated outwards,
    in 8 bits."""
    if factor == 1:
        return np.asarray(to_depth(pixels, np.uint8), np.uint8)
    extent = _working(Extent.of(pixels), factor)
    result = np.empty((*extent.shape, 4), np.uint8)
    for top in range(0, extent.height, _BAND):
        band = Bounds.from_edges(0, top, extent.width, min(extent.height, top + _BAND))
        premul = to_float(_part(pixels, band, factor))
        premul[..., :3] *= premul[..., 3:]
        size = tuple(band.extent)
        small = np.asarray(cv2.resize(premul, size, interpolation=cv2.INTER_AREA), np.float32)
        result[band.slices] = to_u8(unpremultiply(small))
    return result


def enlarged(layer: Layer, factor: int, picture: Picture) -> Layer:
    """``layer`` of the shrunk picture on the canvas and in the depth of ``picture``."""
    if factor == 1 or layer.is_empty:
        return replace(layer, pixels=to_depth(layer.pixels, picture.pixels.dtype))
    working = _working(picture.extent, factor)
    place = _times(layer.bounds, factor).clamped(picture.extent)
    pixels = np.zeros((*place.extent.shape, 4), picture.pixels.dtype)
    for top in range(layer.bounds.y, layer.bounds.bottom, _BAND):
        bottom = min(layer.bounds.bottom, top + _BAND)
        band = Bounds.from_edges(layer.bounds.x, top, layer.bounds.right, bottom)
        seen = band.padded(_MARGIN).clamped(working)
        large = _enlarged_within(layer, seen, factor, picture)
        target = _times(band, factor).clamped(picture.extent)
        common = large.bounds.intersection(target)
        if not common.is_empty:
            view = common.relative_to(large.bounds).slices
            pixels[common.relative_to(place).slices] = large.pixels[view]
    text = None if layer.text is None else _scaled_text(layer.text, factor)
    return replace(layer, bounds=place, pixels=pixels, text=text)


def _enlarged_within(layer: Layer, seen: Bounds, factor: int, picture: Picture) -> Layer:
    """The part of ``layer`` in ``seen`` (of the working size) at its place on the large canvas."""
    part = layer.bounds.intersection(seen)
    small = replace(
        layer,
        bounds=part.relative_to(seen),
        pixels=layer.pixels[part.relative_to(layer.bounds).slices],
    )
    around = Picture(_part(picture.pixels, seen, factor))
    large = at_full_size(small, seen.extent, around)
    return large.moved(seen.x * factor, seen.y * factor)


def _working(extent: Extent, factor: int) -> Extent:
    return Extent(-(-extent.width // factor), -(-extent.height // factor))


def _times(box: Bounds, factor: int) -> Bounds:
    return Bounds(*(value * factor for value in box))


def _part(pixels: Pixels, box: Bounds, factor: int) -> Pixels:
    """What of ``pixels`` lies under ``box`` of the working size; edges are repeated outwards."""
    wanted = _times(box, factor)
    there = wanted.clamped(Extent.of(pixels))
    more = ((0, wanted.height - there.height), (0, wanted.width - there.width), (0, 0))
    return to_depth(np.pad(pixels[there.slices], more, mode="edge"), pixels.dtype)


def _scaled_text(text: TextContent, factor: int) -> TextContent:
    baseline = None if text.baseline is None else text.baseline * factor
    return replace(text, size=text.size * factor, box=_times(text.box, factor), baseline=baseline)
