"""The last step of every decomposition: the stack recomposes to the picture it came from.

Every pixel is settled in the topmost layer that covers it, where an error belongs: an edge pixel
whose alpha was estimated a little too low gets the least alpha that can explain the picture, and
its colour is unblended anew. What lies beneath keeps what was estimated for it, so that moving a
layer uncovers a clean plate. The error left is that of rounding: at most 1/255.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32, Pixels, channel_max, full_scale
from layerstudio.document import BlendMode, Layer
from layerstudio.geometry import Bounds, Extent
from layerstudio.ops.unblend import least_alpha, unblend_colour

# Rows worked at once: bounds the float copies to a few hundred MB on the largest pictures.
_BAND_ROWS = 512


def make_exact(layers: Sequence[Layer], picture: Pixels) -> tuple[Layer, ...]:
    """``layers`` (bottom to top, normal, fully opaque settings, on the canvas) made to recompose.

    ``picture`` (h, w, 4) sets the depth of the result. Pixels that are not opaque in the picture
    are given to the topmost layer there alone. A pixel that no layer covers goes to the lowest
    layer, which is widened to the canvas where it has to be.
    """
    extent = Extent.of(picture)
    assert layers, "a stack needs a layer"
    for layer in layers:
        assert layer.blend is BlendMode.NORMAL, layer.name
        assert layer.opacity == 1.0, layer.name
        assert Bounds.full(extent).contains(layer.bounds), (layer.name, layer.bounds)
    work = [_Working(layer, extent, widen=index == 0) for index, layer in enumerate(layers)]
    for top in range(0, extent.height, _BAND_ROWS):
        band = Bounds.from_edges(0, top, extent.width, min(extent.height, top + _BAND_ROWS))
        _settle_band(work, picture, band)
    dtype = picture.dtype
    return tuple(item.finished(dtype) for item in work)


class _Working:
    """A layer's pixels while they are changed: float32 (h, w, 4), 0..255 and alpha 0..255."""

    def __init__(self, layer: Layer, extent: Extent, *, widen: bool) -> None:
        self.layer = layer
        self.bounds = Bounds.full(extent) if widen else layer.bounds
        per_level = full_scale(layer.pixels.dtype) // 255
        pixels = layer.pixels
        if widen and layer.bounds != self.bounds:
            pixels = np.zeros((*extent.shape, 4), layer.pixels.dtype)
            pixels[layer.bounds.slices] = layer.pixels
        self.deep = per_level != 1
        self.pixels = pixels.astype(np.uint16) if self.deep else pixels.copy()

    def part(self, band: Bounds) -> tuple[Bounds, Bounds]:
        """The common rectangle on the canvas, and in this layer's own coordinates."""
        common = self.bounds.intersection(band)
        return common, common.relative_to(self.bounds)

    def finished(self, dtype: np.dtype) -> Layer:
        pixels = self.pixels
        if self.deep and dtype == np.uint8:
            pixels = ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)
        elif not self.deep and dtype == np.uint16:
            pixels = pixels.astype(np.uint16) * np.uint16(257)
        return replace(self.layer, bounds=self.bounds, pixels=pixels).cropped_to_content()


def _settle_band(work: list[_Working], picture: Pixels, band: Bounds) -> None:
    target = picture[band.slices]
    owner = _topmost(work, band)
    owner[owner < 0] = 0
    seen_alpha = target[..., 3]
    _clear_beneath_translucent(work, owner, seen_alpha, band)
    scale = np.float32(255.0 / full_scale(picture.dtype))
    wanted = target[..., :3] * scale
    backdrop = np.zeros((*band.extent.shape, 3), np.float32)
    covered = np.zeros(band.extent.shape, np.float32)
    for index, item in enumerate(work):
        common, own = item.part(band)
        if common.is_empty:
            continue
        view = common.relative_to(band).slices
        mine = owner[view] == index
        _settle_layer(
            item.pixels[own.slices],
            mine,
            wanted[view],
            seen_alpha[view] * scale,
            backdrop[view],
            covered[view],
            full_scale(item.pixels.dtype),
        )
    return


def _topmost(work: list[_Working], band: Bounds) -> NDArray[np.int16]:
    """Index of the topmost layer with any alpha at each pixel of the band; -1 for none."""
    owner = np.full(band.extent.shape, -1, np.int16)
    for index, item in enumerate(work):
        common, own = item.part(band)
        if not common.is_empty:
            view = owner[common.relative_to(band).slices]
            view[item.pixels[own.slices][..., 3] > 0] = index
    return owner


def _clear_beneath_translucent(
    work: list[_Working], owner: NDArray[np.int16], seen_alpha: NDArray, band: Bounds
) -> None:
    """Where the picture is not opaque, only the topmost layer may show: the rest becomes empty."""
    translucent = seen_alpha < full_scale(seen_alpha.dtype)
    if not translucent.any():
        return
    for index, item in enumerate(work):
        common, own = item.part(band)
        if not common.is_empty:
            view = common.relative_to(band).slices
            item.pixels[own.slices][translucent[view] & (owner[view] != index)] = 0


def _settle_layer(
    pixels: NDArray,
    mine: NDArray[np.bool_],
    wanted: F32,
    wanted_alpha: F32,
    backdrop: F32,
    covered: F32,
    scale: int,
) -> None:
    """Settle this layer's own pixels in place, then lay it over ``backdrop`` (in place too).

    ``backdrop`` is the colour of what lies beneath, 0..255; ``covered`` its alpha, 0..1.
    """
    unit = np.float32(255.0 / scale)
    colour = pixels[..., :3] * unit
    alpha = pixels[..., 3] * np.float32(1.0 / scale)
    shown = colour * alpha[..., None] + backdrop * (1.0 - alpha[..., None])
    opaque = mine & (wanted_alpha >= 255)
    bare = opaque & (covered < 1) & (alpha < 1)
    off = opaque & ((channel_max(np.abs(shown - wanted)) > 0.5) | bare)
    if off.any():
        fixed_alpha = np.maximum(alpha[off], least_alpha(wanted[off], backdrop[off]))
        fixed_alpha[bare[off]] = 1.0
        # Round alpha up: a hair more is always solvable, a hair less may leave the gamut.
        levels = np.ceil(fixed_alpha * scale - 1e-3)
        fixed_alpha = (levels / scale).astype(np.float32)
        fixed = unblend_colour(wanted[off], fixed_alpha, backdrop[off])
        pixels[off, :3] = np.rint(fixed / unit)
        pixels[off, 3] = levels
        colour[off], alpha[off] = pixels[off, :3] * unit, fixed_alpha
    translucent = mine & (wanted_alpha < 255)
    if translucent.any():
        pixels[translucent, :3] = np.rint(wanted[translucent] / unit)
        pixels[translucent, 3] = np.rint(wanted_alpha[translucent] / unit)
        colour[translucent] = pixels[translucent, :3] * unit
        alpha[translucent] = pixels[translucent, 3] * np.float32(1.0 / scale)
    backdrop += (colour - backdrop) * alpha[..., None]
    covered += (1.0 - covered) * alpha
