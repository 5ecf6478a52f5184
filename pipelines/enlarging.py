"""Layers made at working size brought to the size of the picture they are taken from.

Large pictures go in bands of rows: beside the result, memory holds what the working size takes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

import cv2
import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32, LUMA, Pixels, full_scale, to_depth, to_float
from layerstudio.document import Layer
from layerstudio.geometry import Bounds, Extent
from layerstudio.picture import Picture

_RADIUS = 3  # pixels of the working size within which an edge of alpha may follow the picture's
_SMOOTH = 1e-3  # variance of brightness below which the picture has no edge to follow
_SURE = 0.02  # alpha as near as this to 0 or 1 is that: the filter's ripple is no mist
_SOLID = 0.95  # alpha from which a network means that nothing shines through
_BAND = 2**18  # pixels worked at once: 4 MB of float32 RGBA, which stay in a processor's cache

_guides: WeakKeyDictionary[Picture, dict[Extent, F32]] = WeakKeyDictionary()


def scaled(box: Bounds, source: Extent, target: Extent) -> Bounds:
    """``box`` on a canvas of another size, widened to whole pixels."""
    across, down = target.width / source.width, target.height / source.height
    return Bounds.from_edges(
        int(np.floor(box.x * across)),
        int(np.floor(box.y * down)),
        int(np.ceil(box.right * across)),
        int(np.ceil(box.bottom * down)),
    ).clamped(target)


def at_full_size(layer: Layer, working: Extent, picture: Picture) -> Layer:
    """``layer``, which lies on a canvas of ``working`` size, on the picture's, in its depth.

    Alpha is upsampled under the guidance of the picture's brightness, so that its edges are the
    picture's (He and Sun 2015, arXiv:1505.00996: a local linear model of alpha in brightness is
    fitted small and applied large); colour bilinearly, premultiplied. On a picture smaller than
    the working size both are averaged over each pixel.
    """
    extent = picture.extent
    if working == extent:
        return _with(layer, layer.bounds, to_depth(layer.pixels, picture.pixels.dtype))
    is_opaque = layer.pixels[..., 3].min(initial=255) == full_scale(layer.pixels.dtype)
    small_premul = _on_canvas(layer, working)
    place = scaled(_shown(layer), working, extent)
    if extent.pixel_count < working.pixel_count:
        mean = cv2.resize(small_premul, tuple(extent), interpolation=cv2.INTER_AREA)
        straight = _straight(np.asarray(mean, np.float32)[place.slices])
        return _with(layer, place, to_depth(straight, picture.pixels.dtype))
    model = None if is_opaque else _edge_model(small_premul[..., 3], _guide(picture, working))
    pixels: Any = np.empty((*place.extent.shape, 4), picture.pixels.dtype)
    for band in _bands(place):
        rgba = _straight(_resampled(small_premul, extent, band))
        rgba[..., 3] = 1 if model is None else _applied(model, picture, band)
        pixels[band.relative_to(place).slices] = to_depth(rgba, pixels.dtype)
    return _with(layer, place, pixels)


def snapped(layers: Sequence[Layer], picture: Picture) -> list[Layer]:
    """``layers`` (bottom to top, normal, on the canvas, in the picture's depth) with the picture's
    own pixels wherever a layer is the topmost that shows, is as good as opaque (alpha from 0.95),
    and the picture is opaque.

    Networks answer through an autoencoder, which blurs; what is fully in view need not be blurred.
    """
    full = full_scale(picture.pixels.dtype)
    least = round(_SOLID * full)
    own = [layer.pixels.copy() for layer in layers]
    for band in _bands(Bounds.full(picture.extent)):
        source = np.ascontiguousarray(picture.pixels[band.slices])
        free = source[..., 3] == full
        for layer, pixels in zip(reversed(layers), reversed(own), strict=True):
            common = layer.bounds.intersection(band)
            if common.is_empty:
                continue
            view = common.relative_to(band).slices
            part = pixels[common.relative_to(layer.bounds).slices]
            solid = free[view] & (part[..., 3] >= least)
            free[view] &= part[..., 3] == 0
            np.copyto(_words(part), _words(source[view]), where=solid)
    return [replace(layer, pixels=pixels) for layer, pixels in zip(layers, own, strict=True)]


def _shown(layer: Layer) -> Bounds:
    """Where something shows, and as far around it as the filter reaches."""
    mask = Bounds.of_mask(layer.pixels[..., 3] > 0).moved(layer.bounds.x, layer.bounds.y)
    return mask.padded(2 * _RADIUS + 1).intersection(layer.bounds)


def _words(pixels: NDArray) -> NDArray:
    """(h, w): the four channels of each pixel as one integer, a view."""
    return pixels.view(np.uint32 if pixels.dtype == np.uint8 else np.uint64)[..., 0]


def _bands(place: Bounds) -> Iterator[Bounds]:
    """``place`` in strips of its rows, of some 260,000 pixels each."""
    rows = max(1, _BAND // max(1, place.width))
    for top in range(place.y, place.bottom, rows):
        yield Bounds.from_edges(place.x, top, place.right, min(place.bottom, top + rows))


def _edge_model(alpha: F32, brightness: F32) -> F32:
    """(h, w, 2) at working size: slope and level of alpha in brightness."""

    def mean(values: NDArray) -> F32:
        side = 2 * _RADIUS + 1
        return np.asarray(
            cv2.blur(values, (side, side), borderType=cv2.BORDER_REPLICATE), np.float32
        )

    shared = mean(brightness * alpha) - mean(brightness) * mean(alpha)
    spread = mean(brightness * brightness) - mean(brightness) ** 2
    slope = shared / (spread + _SMOOTH)
    level = mean(alpha) - slope * mean(brightness)
    return np.dstack([mean(slope), mean(level)])


def _applied(model: F32, picture: Picture, band: Bounds) -> F32:
    """Alpha (h, w) of a part of the picture, by what its own brightness is there."""
    fitted = _resampled(model, picture.extent, band)
    alpha = fitted[..., 0] * _brightness(picture.pixels[band.slices]) + fitted[..., 1]
    alpha[alpha < _SURE] = 0
    alpha[alpha > 1 - _SURE] = 1
    return alpha


def _resampled(values: F32, extent: Extent, band: Bounds) -> F32:
    """The part at ``band`` of ``values`` (h, w, n) stretched to ``extent``, bilinearly, edges
    repeated."""
    rows = len(values)
    ys = (np.arange(band.y, band.bottom) + 0.5) * (rows / extent.height) - 0.5
    upper = np.clip(np.floor(ys).astype(np.intp), 0, rows - 1)
    lower = np.clip(np.floor(ys).astype(np.intp) + 1, 0, rows - 1)
    share = np.asarray(ys - np.floor(ys), np.float32)[:, None, None]
    tall = values[upper] * (1 - share) + values[lower] * share
    wide = cv2.resize(tall, (extent.width, band.height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(wide[:, band.x : band.right], np.float32)


def _guide(picture: Picture, working: Extent) -> F32:
    """The picture's brightness at working size, kept for the next layer of the picture."""
    known = _guides.setdefault(picture, {})
    if working not in known:
        known[working] = _shrunk_brightness(picture.pixels, working)
    return known[working]


def _shrunk_brightness(pixels: Pixels, working: Extent) -> F32:
    """Means over the area of each working pixel: along the rows band by band, then along the
    columns."""
    narrow = [
        cv2.resize(
            _brightness(pixels[band.slices]),
            (working.width, band.height),
            interpolation=cv2.INTER_AREA,
        )
        for band in _bands(Bounds.full(Extent.of(pixels)))
    ]
    shrunk = cv2.resize(np.vstack(narrow), tuple(working), interpolation=cv2.INTER_AREA)
    return np.asarray(shrunk, np.float32)


def _on_canvas(layer: Layer, working: Extent) -> F32:
    """(h, w, 4) premultiplied, empty where the layer is not."""
    rgba = to_float(layer.pixels)
    rgba_premul = np.concatenate((rgba[..., :3] * rgba[..., 3:], rgba[..., 3:]), axis=-1)
    canvas_premul = np.zeros((*working.shape, 4), np.float32)
    canvas_premul[layer.bounds.slices] = rgba_premul
    return canvas_premul


def _straight(rgba_premul: F32) -> F32:
    """Channel by channel: numpy is many times slower over an axis of three."""
    straight = np.empty_like(rgba_premul)
    straight[..., 3] = rgba_premul[..., 3]
    rest = np.reciprocal(np.maximum(rgba_premul[..., 3], np.float32(1e-4)))
    for channel in range(3):
        np.multiply(rgba_premul[..., channel], rest, out=straight[..., channel])
    return straight


def _brightness(pixels: NDArray) -> F32:
    total = pixels[..., 0] * (LUMA[0] / np.float32(full_scale(pixels.dtype)))
    for channel in (1, 2):
        total += pixels[..., channel] * (LUMA[channel] / np.float32(full_scale(pixels.dtype)))
    return np.asarray(total, np.float32)


def _with(layer: Layer, place: Bounds, pixels: Pixels) -> Layer:
    return Layer(layer.name, place, pixels, role=layer.role, provenance=layer.provenance)
