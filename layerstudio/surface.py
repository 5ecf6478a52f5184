"""The kernel of compositing: a rectangle of premultiplied planes and what is painted on it.

Planes are ``(4, h, w)`` float32, R G B A one after the other: long rows of one channel are what
numpy's loops are fast at, several times faster than four interleaved values.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from layerstudio.blend import BLEND_FUNCTIONS, BlendFunction, dissolve_coverage
from layerstudio.color import F32, full_scale
from layerstudio.document import BlendMode, Layer, Mask
from layerstudio.geometry import Bounds

# Dividing by this instead of by alpha 0 gives colour 0, as premultiplied colour is 0 there.
_NEARLY_ZERO = np.float32(1e-30)


@dataclass
class Source:
    """Straight colour at a place, ready to be painted.

    ``planes`` (4, h, w) hold colour and a fourth plane of ones, so that one expression updates
    colour and alpha; ``coverage`` (h, w) is alpha times masks and opacity, None for 1 everywhere.
    """

    bounds: Bounds
    planes: F32
    coverage: F32 | None

    def fade(self, factor: F32 | float) -> None:
        """Multiply the coverage by a number or an (h, w) array."""
        if isinstance(factor, float) and factor == 1.0:
            return
        if self.coverage is None:
            self.coverage = np.ones(self.bounds.extent.shape, np.float32)
        self.coverage *= factor


class Surface:
    """Premultiplied ``planes`` (4, h, w) that lie at ``bounds`` on the canvas."""

    def __init__(self, bounds: Bounds, planes_premul: F32 | None = None) -> None:
        if planes_premul is None:
            planes_premul = np.zeros((4, *bounds.extent.shape), np.float32)
        assert planes_premul.shape[1:] == bounds.extent.shape, (planes_premul.shape, bounds)
        self.bounds = bounds
        self.planes_premul = planes_premul

    def part(self, bounds: Bounds) -> F32:
        """A view of the planes at ``bounds``, which must lie inside."""
        rows, cols = bounds.relative_to(self.bounds).slices
        return self.planes_premul[:, rows, cols]

    def paint(self, source: Source, mode: BlendMode) -> None:
        """Composite ``source`` over the surface; the source's arrays are used up.

        co = cs as (1 - ab) + cb ab (1 - as) + as ab B(cb, cs); ao = as + ab (1 - as).
        W3C Compositing and Blending Level 1, equations of 5.1 and 10 put together.
        """
        target = self.part(source.bounds)
        if mode is BlendMode.DISSOLVE:
            if source.coverage is not None:
                source.coverage = dissolve_coverage(source.coverage, source.bounds)
        elif mode is not BlendMode.NORMAL:
            _mix_in_blend(source.planes, target, BLEND_FUNCTIONS[mode])
        lerp(target, source.planes, source.coverage)

    def straight(self) -> F32:
        """The planes with straight colour, which is 0 where alpha is 0."""
        planes = self.planes_premul.copy()
        if planes[3].min() < 1:
            planes[:3] /= np.maximum(planes[3], _NEARLY_ZERO)
        return planes

    def as_source(self) -> Source:
        """What is painted here as one source, as a group is for its backdrop."""
        planes = self.straight()
        coverage = planes[3].copy()
        planes[3] = 1
        return Source(self.bounds, planes, coverage)


def lerp(target: F32, planes: F32, weight: F32 | None) -> None:
    """``target += weight (planes - target)`` in place; ``planes`` is used up, None means 1."""
    if weight is None:
        target[...] = planes
        return
    np.subtract(planes, target, out=planes)
    planes *= weight
    target += planes


def _mix_in_blend(planes: F32, backdrop_premul: F32, blend: BlendFunction) -> None:
    """Replace colour cs by (1 - ab) cs + ab B(cb, cs), W3C 10 "mixing"."""
    alpha = backdrop_premul[3]
    colour = planes[:3]
    if alpha.min() >= 1:
        colour[...] = blend(backdrop_premul[:3], colour)
        return
    backdrop = backdrop_premul[:3] / np.maximum(alpha, _NEARLY_ZERO)
    np.minimum(backdrop, 1, out=backdrop)
    lerp(colour, blend(backdrop, colour), alpha)


def layer_source(layer: Layer, place: Bounds) -> Source | None:
    """The pixels of ``layer`` at ``place``, trimmed to where they are not transparent.

    ``place`` lies inside the layer; None where all of it is transparent. The mask and the opacity
    are not applied.
    """
    rows, cols = place.relative_to(layer.bounds).slices
    pixels = layer.pixels[rows, cols]
    occupied = cv2.extractChannel(pixels, 3).max(axis=0).nonzero()[0]
    if occupied.size == 0:
        return None
    left, right = int(occupied[0]), int(occupied[-1]) + 1
    channels = cv2.split(pixels[:, left:right])
    place = Bounds(place.x + left, place.y, right - left, place.height)
    scale = full_scale(layer.pixels.dtype)
    planes = np.empty((4, *place.extent.shape), np.float32)
    for plane, channel in zip(planes[:3], channels, strict=False):
        _scaled(channel, scale, plane)
    planes[3] = 1
    alpha = channels[3]
    opaque = alpha.min() == scale
    coverage = None if opaque else _scaled(alpha, scale, np.empty(alpha.shape, np.float32))
    return Source(place, planes, coverage)


def mask_at(mask: Mask, place: Bounds) -> F32:
    """``mask`` as (h, w) float32 in [0, 1] at ``place``, its outside value beyond its bounds."""
    values = np.full(place.extent.shape, mask.outside, np.float32)
    inside = place.intersection(mask.bounds)
    if not inside.is_empty:
        crop = mask.pixels[inside.relative_to(mask.bounds).slices]
        _scaled(crop, full_scale(crop.dtype), values[inside.relative_to(place).slices])
    return values


def _scaled(values: NDArray, scale: int, out: F32) -> F32:
    return np.multiply(values, np.float32(1.0 / scale), out=out)
