"""Flat-colour fill: the colours around a hole continue into it with smooth, hard boundaries.

Which colours those are follows LayerD's background refinement (Suzuki et al., ICCV 2025, released
code): the frequent colours among the flat pixels of a ring, if few of them explain the ring. Here
flat and equal have a tolerance, because JPEG input is normal. Where each colour goes is decided by
harmonic interpolation of every colour's indicator, so an edge that enters the hole leaves it
without a kink.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32
from layerstudio.ops.fill_smooth import fill_smooth
from layerstudio.ops.regions import Region, regions_of

MAX_COLORS = 10  # LayerD's limit for backgrounds
_ENOUGH = 0.98  # of the flat pixels
_MARGIN = 2.0  # levels that a flat colour may be off beyond the tolerance
_TIGHT = 0.8  # an even spread puts half of the pixels within half the distance
_SQUARE = np.ones((3, 3), dtype=np.uint8)


@dataclass(frozen=True)
class Palette:
    """``colors`` (n, 3) float32 in 0..255, most frequent first; the share of the pixels within
    ``radius`` of one of them, and the share within half of it."""

    colors: F32
    radius: float
    share: float
    close_share: float

    @property
    def is_tight(self) -> bool:
        """False where steps of a ramp were taken for colours: their pixels spread out evenly."""
        return self.close_share >= _TIGHT * self.share


def flatness(image: NDArray) -> NDArray:
    """Largest channel range in the 3 x 3 neighbourhood, in levels (h, w)."""
    planes = np.ascontiguousarray(image[..., :3])
    spread = cv2.dilate(planes, _SQUARE).astype(np.float32) - cv2.erode(planes, _SQUARE)
    return spread.max(axis=2)


def palette_of(colors: NDArray, tolerance: float, limit: int = MAX_COLORS) -> Palette:
    """The frequent colours of ``colors`` (n, 3) in 0..255; ``tolerance`` in levels."""
    rest = colors.astype(np.float32)
    radius = tolerance + _MARGIN
    found: list[NDArray] = []
    while len(rest) > (1 - _ENOUGH) * len(colors) and len(found) < limit:
        value = _densest(rest, radius)
        found.append(value)
        rest = rest[np.abs(rest - value).max(axis=1) > radius]
    return _measured(np.array(found, dtype=np.float32).reshape(-1, 3), colors, radius)


def _measured(palette: F32, colors: NDArray, radius: float) -> Palette:
    """The palette with its shares of ``colors`` (n, 3)."""
    if len(palette) == 0 or len(colors) == 0:
        return Palette(palette, radius, 0.0, 0.0)
    off = np.abs(colors[:, None, :3].astype(np.float32) - palette).max(axis=2).min(axis=1)
    near, close = np.mean(off <= radius), np.mean(off <= 0.5 * radius)
    return Palette(palette, radius, float(near), float(close))


def _densest(colors: F32, radius: float) -> F32:
    """The exact mode if most of its neighbourhood equals it, else the neighbourhood's mean."""
    cells = (colors.astype(np.int64) >> 3) @ np.array([1 << 10, 1 << 5, 1])
    value = np.median(colors[cells == np.bincount(cells).argmax()], axis=0)
    near = colors[np.abs(colors - value).max(axis=1) <= radius]
    if len(near) == 0:
        return colors[0]
    exact, counts = np.unique(near, axis=0, return_counts=True)
    if counts.max() > 0.5 * len(near):
        return exact[counts.argmax()]
    return near.mean(axis=0)


def nearest(pixels: NDArray, palette: F32) -> NDArray[np.int64]:
    """Index of the closest palette colour for each pixel ``(..., 3)``."""
    off = pixels[..., None, :].astype(np.float32) - palette
    return np.einsum("...c,...c->...", off, off).argmin(axis=-1)


def fill_palette(image: NDArray, hole: NDArray, tolerance: float = 2.0) -> NDArray:
    """``image`` (h, w, 3) uint8 or float in 0..255, each hole filled with colours of its ring.

    A hole that no pixel surrounds takes the most frequent colour of the whole picture.
    """
    result = image.copy()
    for region in regions_of(hole):
        crop = image[region.box.slices]
        palette = ring_palette(crop, region, tolerance)
        paint_palette(result[region.box.slices], region, palette.colors)
    return result


def ring_palette(crop: NDArray, region: Region, tolerance: float) -> Palette:
    """The palette of the ring's flat pixels; ``share`` counts all of the ring's pixels."""
    ring = region.ring
    if not ring.any():
        return palette_of(crop.reshape(-1, crop.shape[2])[:, :3], tolerance, limit=1)
    flat = ring & region.clear & (flatness(crop) <= 2.0 * tolerance)
    chosen = crop[flat if flat.any() else ring][:, :3]
    palette = palette_of(chosen, tolerance)
    return _measured(palette.colors, crop[ring], tolerance + _MARGIN)


def drift(crop: NDArray, ring: NDArray, palette: Palette) -> float:
    """How many levels a palette colour changes over its part of the ``ring`` (h, w), at most.

    The range of an affine fit to position: noise has none, and a step of a ramp has the step's.
    """
    rows, columns = np.nonzero(ring)
    pixels = crop[rows, columns, :3].astype(np.float32)
    off = np.abs(pixels[:, None] - palette.colors).max(axis=2)
    labels = np.where(off.min(axis=1) <= palette.radius, off.argmin(axis=1), -1)
    worst = 0.0
    for label in range(len(palette.colors)):
        mine = labels == label
        if np.count_nonzero(mine) >= 0.05 * len(labels):
            place = np.stack([rows[mine], columns[mine], np.ones(mine.sum())], axis=1)
            slopes = np.linalg.lstsq(place, pixels[mine], rcond=None)[0]
            worst = max(worst, float(np.ptp(place @ slopes, axis=0).max()))
    return worst


def paint_palette(crop: NDArray, region: Region, colors: F32) -> None:
    """Writes the region's pixels of ``crop`` in place."""
    value = colors if crop.dtype.kind == "f" else np.rint(colors).astype(crop.dtype)
    if len(colors) == 1:
        crop[region.inside, :3] = value[0]
        return
    labels = nearest(crop[..., :3], colors)
    indicators = (labels[..., None] == np.arange(len(colors))).astype(np.float32)
    spread = fill_smooth(indicators, ~region.known)
    crop[region.inside, :3] = value[spread[region.inside].argmax(axis=1)]
