"""Layers made at working size brought to the size of the picture they are taken from."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32, LUMA, to_depth, to_float
from layerstudio.document import Layer
from layerstudio.geometry import Bounds, Extent
from layerstudio.picture import Picture

_RADIUS = 3  # pixels of the working size within which an edge of alpha may follow the picture's
_SMOOTH = 1e-3  # variance of brightness below which the picture has no edge to follow
_SURE = 0.02  # alpha as near as this to 0 or 1 is that: the filter's ripple is no mist


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
    fitted small and applied large); colour bilinearly, premultiplied.
    """
    extent = picture.extent
    if working == extent:
        return _with(layer, layer.bounds, to_float(layer.pixels), picture)
    place = scaled(layer.bounds, working, extent)
    if layer.pixels[..., 3].min() == 255:
        opaque = _resampled(_on_canvas(layer, working), extent, place)
        opaque[..., 3] = 1
        return _with(layer, place, opaque, picture)
    small = _on_canvas(layer, working)
    small[..., :3] *= small[..., 3:]
    large = _resampled(small, extent, place)
    colour = large[..., :3] / np.maximum(large[..., 3:], 1e-4)
    guide = _brightness(picture.pixels)
    alpha = _guided(small[..., 3], _shrunk(guide, working), guide[place.slices], extent, place)
    rgba = np.dstack([np.clip(colour, 0, 1), alpha])
    return _with(layer, place, np.asarray(rgba, np.float32), picture)


def _guided(alpha: F32, small: F32, large: F32, extent: Extent, place: Bounds) -> F32:
    """``alpha`` and brightness ``small`` (working size) to alpha at ``place`` of ``extent``,
    where the brightness is ``large``."""

    def mean(values: NDArray) -> F32:
        side = 2 * _RADIUS + 1
        return np.asarray(
            cv2.blur(values, (side, side), borderType=cv2.BORDER_REPLICATE), np.float32
        )

    shared = mean(small * alpha) - mean(small) * mean(alpha)
    spread = mean(small * small) - mean(small) ** 2
    slope = shared / (spread + _SMOOTH)
    level = mean(alpha) - slope * mean(small)
    model = _resampled(np.dstack([mean(slope), mean(level)]), extent, place)
    guided = np.clip(model[..., 0] * large + model[..., 1], 0, 1)
    guided[guided < _SURE] = 0
    guided[guided > 1 - _SURE] = 1
    return guided


def _resampled(values: F32, extent: Extent, place: Bounds) -> F32:
    """The part at ``place`` of ``values`` (h, w, n) stretched to ``extent``, bilinearly."""
    across, down = values.shape[1] / extent.width, values.shape[0] / extent.height
    centres = np.array(
        [
            [across, 0, (place.x + 0.5) * across - 0.5],
            [0, down, (place.y + 0.5) * down - 0.5],
        ]
    )
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    size = tuple(place.extent)
    edge = cv2.BORDER_REPLICATE
    return np.asarray(
        cv2.warpAffine(values, centres, size, flags=flags, borderMode=edge), np.float32
    )


def _on_canvas(layer: Layer, working: Extent) -> F32:
    canvas = np.zeros((*working.shape, 4), np.float32)
    canvas[layer.bounds.slices] = to_float(layer.pixels)
    return canvas


def _brightness(pixels: NDArray) -> F32:
    return np.asarray(to_float(pixels)[..., :3] @ LUMA, np.float32)


def _shrunk(brightness: F32, working: Extent) -> F32:
    shrunk = cv2.resize(brightness, tuple(working), interpolation=cv2.INTER_AREA)
    return np.asarray(shrunk, np.float32)


def _with(layer: Layer, place: Bounds, rgba: F32, picture: Picture) -> Layer:
    pixels = to_depth(rgba, picture.pixels.dtype)
    return Layer(layer.name, place, pixels, role=layer.role, provenance=layer.provenance)
