"""Completing what is hidden: each hole is filled in the way that its surroundings suggest.

A ring of known pixels around a hole decides, from the simplest explanation to the loosest: one
colour, a few flat colours, a gradient, a membrane, and texture copied from the picture.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum

import cv2
import numpy as np
from numpy.typing import NDArray

from layerstudio.color import U8
from layerstudio.geometry import Bounds
from layerstudio.ops import regions
from layerstudio.ops.fill_exemplar import fill_exemplar
from layerstudio.ops.fill_palette import Palette, drift, flatness, paint_palette, ring_palette
from layerstudio.ops.fill_smooth import fill_smooth
from layerstudio.ops.gradient import best_shade
from layerstudio.ops.shade import Shade

__all__ = ["FillKind", "Filled", "FilledRegion", "fill"]

_BASE_TOLERANCE = 2.0  # levels: rounding twice
_NOISE_FACTOR = 2.0  # 95 % of normal deviates stay within two deviations
_PLAIN_SHARE = 0.9  # of the ring; anti-aliased edges of other objects touch it
_PALETTE_SHARE = 0.85  # LayerD's share of ring pixels that equal a palette colour
_FLAT_SHARE = 0.6  # of the ring without gradient, so that no ramp is posterised
_SHADE_SHARE = 0.93
_SHADE_AREA = 600  # pixels; below, a membrane shows the same and costs less
_ROUGHNESS = 2.5  # levels from the local mean; more is texture or an edge
_ROUGH_SHARE = 0.05  # of the ring; one edge that crosses a ring takes about as much
_EDGE = 40.0  # levels within a 3 x 3 neighbourhood
_EDGE_SHARE = 0.003  # of the ring
_THIN = 2.5  # pixels; a hole this thin has no room for texture
_MOST_THREADS = 4
_MEMBRANE_REACH = 24  # pixels of surroundings that a membrane can make use of


class FillKind(StrEnum):
    """How a hole was completed."""

    PLAIN = "plain"
    PALETTE = "palette"
    GRADIENT = "gradient"
    SMOOTH = "smooth"
    EXEMPLAR = "exemplar"


@dataclass(frozen=True)
class FilledRegion:
    """One connected hole: where it was, how it was filled, and the formula of a plain colour or
    gradient, in the picture's coordinates."""

    bounds: Bounds
    kind: FillKind
    shade: Shade | None = None


@dataclass(frozen=True, eq=False)
class Filled:
    """``image`` (h, w, 3) uint8, equal to the source outside the hole."""

    image: U8
    regions: tuple[FilledRegion, ...]


def fill(
    image: U8,
    hole: NDArray[np.bool_],
    *,
    noise: float = 0.0,
    seed: int = 0,
    check: Callable[[], None] | None = None,
) -> Filled:
    """Complete ``hole`` (h, w) of ``image`` (h, w, 3) uint8.

    ``noise`` is the standard deviation of the picture's noise in levels (JPEG at quality 75: 2 to
    3); it widens what counts as flat. ``seed`` decides the texture. ``check`` is called before
    each region, by several threads, and may raise ``Cancelled``. A hole that covers everything
    becomes the most frequent colour of the picture.
    """
    assert image.dtype == np.uint8 and image.shape[:2] == hole.shape, (image.shape, hole.shape)
    tolerance = _BASE_TOLERANCE + _NOISE_FACTOR * noise
    result = image.copy()
    join = 1 + min(hole.shape) // 200
    todo = [region for region in regions.regions_of(hole, join) if region.area > 0]

    def filled(region: regions.Region) -> FilledRegion:
        if check is not None:
            check()
        return _fill_region(image, hole, region, result, tolerance, seed)

    # Each reads the picture and writes its own pixels alone, so that their order is of no account.
    with ThreadPoolExecutor(min(os.cpu_count() or 1, _MOST_THREADS)) as pool:
        return Filled(result, tuple(pool.map(filled, todo)))


def _fill_region(
    image: U8,
    hole: NDArray[np.bool_],
    region: regions.Region,
    result: U8,
    tolerance: float,
    seed: int,
) -> FilledRegion:
    """Writes the region's pixels of ``result`` and says how."""
    bounds = Bounds.of_mask(region.inside).moved(region.box.x, region.box.y)
    crop = image[region.box.slices]
    palette = ring_palette(crop, region, tolerance)
    ring = region.ring
    main = np.abs(crop[ring].astype(np.float32) - palette.colors[0]).max(axis=1, initial=0.0)
    if not ring.any() or np.mean(main <= tolerance + 2.0) >= _PLAIN_SHARE:
        paint_palette(result[region.box.slices], region, palette.colors[:1])
        color = palette.colors[0]
        shade = Shade("plain", (0.0,), ((float(color[0]), float(color[1]), float(color[2])),))
        return FilledRegion(bounds, FillKind.PLAIN, shade)
    shade = _gradient(crop, region, tolerance)
    if shade is not None:
        shown = np.clip(np.rint(shade.render(Bounds.full(region.box.extent))), 0, 255)
        result[region.box.slices][region.inside] = shown.astype(np.uint8)[region.inside]
        return FilledRegion(bounds, FillKind.GRADIENT, shade.moved(region.box.x, region.box.y))
    if _is_flat(crop, region, palette, tolerance):
        paint_palette(result[region.box.slices], region, palette.colors)
        return FilledRegion(bounds, FillKind.PALETTE)
    return FilledRegion(bounds, _fill_loosely(image, hole, region, result, tolerance, seed))


def _fill_loosely(
    image: U8,
    hole: NDArray[np.bool_],
    region: regions.Region,
    result: U8,
    tolerance: float,
    seed: int,
) -> FillKind:
    """Membrane or texture."""
    crop = image[region.box.slices]
    limit = _ROUGHNESS + 0.75 * (tolerance - _BASE_TOLERANCE)
    thickness = region.thickness
    rough = _has_edge(crop, region) or _rough_share(crop, region, limit) > _ROUGH_SHARE
    if thickness <= _THIN or not rough:
        wide = regions.widened(region, hole, _MEMBRANE_REACH)
        filled = fill_smooth(image[wide.box.slices], ~wide.known)
        kind = FillKind.SMOOTH
    else:
        wide = regions.widened(region, hole, round(24 + 3 * thickness))
        filled = fill_exemplar(image[wide.box.slices], ~wide.known, seed)
        kind = FillKind.EXEMPLAR
    result[wide.box.slices][wide.inside] = filled[wide.inside]
    return kind


def _gradient(crop: U8, region: regions.Region, tolerance: float) -> Shade | None:
    """A gradient through the ring, where the ring is even enough and the hole worth it."""
    if region.area < _SHADE_AREA or _flat_share(crop, region, 3.0 * tolerance) < 0.8:
        return None
    return best_shade(crop, region.ring, tolerance, _SHADE_SHARE)


def _is_flat(crop: U8, region: regions.Region, palette: Palette, tolerance: float) -> bool:
    """Few colours explain the ring, and none of them is a step of a ramp."""
    return (
        palette.share >= _PALETTE_SHARE
        and palette.is_tight
        and _flat_share(crop, region, 2.0 * tolerance) >= _FLAT_SHARE
        and (drift(crop, region.ring, palette) <= tolerance or _has_edge(crop, region))
    )


def _has_edge(crop: U8, region: regions.Region) -> bool:
    """An edge crosses the ring; a membrane would smear it, which is worse than a stepped ramp."""
    return _flat_share(crop, region, _EDGE) < 1.0 - _EDGE_SHARE


def _flat_share(crop: U8, region: regions.Region, tolerance: float) -> float:
    """Share of the ring's pixels whose neighbourhood ranges over at most ``tolerance``."""
    ring = region.ring & region.clear
    return float(np.mean(flatness(crop)[ring] <= tolerance)) if ring.any() else 0.0


def _rough_share(crop: U8, region: regions.Region, limit: float) -> float:
    """Share of the ring's pixels off the mean of the known ones near them by ``limit`` levels."""
    ring = region.ring & region.clear
    if not ring.any():
        return 0.0
    known = region.known.astype(np.float32)
    total = cv2.GaussianBlur(crop * known[..., None], (0, 0), 1.0)
    share = cv2.GaussianBlur(known, (0, 0), 1.0)
    mean = total / np.maximum(share, 1e-6)[..., None]
    return float(np.mean(np.abs(crop - mean).max(axis=2)[ring] > limit))
