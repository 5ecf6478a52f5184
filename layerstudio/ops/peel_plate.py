"""The plate behind what was peeled off: what a network made up, settled by what surrounds it.

LayerD (arXiv 2509.25134) snaps made-up pixels to the exact colours around a hole. Compression
leaves no exact colours, and gradients have too many, so here colours have a tolerance and a
gradient counts as a colour. Textures stay as the network made them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32, U8
from layerstudio.geometry import Bounds
from layerstudio.ops.fill_palette import (
    Palette,
    drift,
    flatness,
    nearest,
    palette_of,
    ring_palette,
)
from layerstudio.ops.gradient import best_shade_of
from layerstudio.ops.regions import Region, regions_of
from layerstudio.ops.shade import Shade

Mask = NDArray[np.bool_]

_BASE_TOLERANCE = 2.0  # levels: rounding twice
_NOISE_FACTOR = 2.0  # 95 % of normal deviates stay within two deviations
_ONE_SHARE = 0.9  # of the ring in one colour or gradient; edges of other things touch it
_HALF_SHARE = 0.5  # of the ring that a fill must show where other things touch the hole
_PALETTE_SHARE = 0.85  # LayerD's share of ring pixels that equal a palette colour
_FLAT_SHARE = 0.6  # of the ring without gradient, so that no ramp is posterised
_MADE_REACH = 24.0  # levels that a network is off on flat ground
_MOST_FITS = 8  # searches for gradients, in the largest holes
_SHADE_AREA = 600  # pixels of a hole that is worth the search for a gradient


@dataclass(frozen=True, eq=False)
class Plate:
    """``rgb`` (h, w, 3), and the pixels (h, w) of holes that follow from what surrounds them."""

    rgb: U8
    explained: Mask


def settled(
    rgb: U8, filled: U8, holes: Mask, *, noise: float = 0.0, shades: Sequence[Shade] = ()
) -> Plate:
    """``filled`` (h, w, 3), a network's answer for the ``holes`` (h, w) of ``rgb``, made plain.

    ``noise`` is the deviation in levels that compression left in ``rgb``; ``shades`` are fills
    of the whole picture, tried before others. A hole without surroundings stays as it is.
    """
    search = _Search(list(shades), _BASE_TOLERANCE + _NOISE_FACTOR * noise)
    plate, explained = filled.copy(), np.zeros_like(holes)
    for region in sorted(regions_of(holes, join=0), key=lambda region: -region.area):
        values = search.values(rgb[region.box.slices], filled[region.box.slices], region)
        if values is not None:
            inside = region.inside
            plate[region.box.slices][inside] = np.clip(np.rint(values), 0, 255)[inside]
            explained[region.box.slices] |= inside
    return Plate(plate, explained)


class _Search:
    """What is behind one hole is tried behind the next: ``shades`` on the whole picture."""

    def __init__(self, shades: list[Shade], tolerance: float) -> None:
        self._shades = shades
        self._tolerance = tolerance
        self._fits = 0

    def values(self, crop: U8, made: U8, region: Region) -> F32 | None:
        """(h, w, 3) over the region's box: one colour or gradient, or what is nearest of such a
        fill and a few colours; None where nothing simple surrounds the hole."""
        ring = region.ring
        if not ring.any():
            return None
        palette = ring_palette(crop, region, self._tolerance)
        known = [shade.render(region.box) for shade in self._shades]
        known.append(np.broadcast_to(palette.colors[:1], crop.shape))
        values = self._shown(crop, made, region, known)
        if values is None:
            values = _few_colours(crop, made, region, palette, self._tolerance)
        if values is None:  # last: a ramp can be fitted to an edge, and blurs it
            values = self._shown(crop, made, region, self._fitted(crop, region))
        return values

    def _shown(self, crop: U8, made: U8, region: Region, fills: Sequence[F32]) -> F32 | None:
        """The first fill that the ring shows, or that it shows beside a few colours."""
        ring = region.ring
        shares = [
            float(np.mean(_off(crop, shown, ring) <= self._tolerance + 2.0)) for shown in fills
        ]
        for shown, share in zip(fills, shares, strict=True):
            if share >= _ONE_SHARE:
                return shown
        for shown, share in zip(fills, shares, strict=True):
            if share >= _HALF_SHARE:
                values = _fill_and_colours(crop, made, ring, shown, self._tolerance)
                if values is not None and _agree(values, made, region.inside):
                    return values
        return None

    def _fitted(self, crop: U8, region: Region) -> list[F32]:
        """A gradient through the ring, where that is worth a search; known from then on."""
        even = float(np.mean(flatness(crop)[region.ring] <= 3 * self._tolerance))
        if region.area < _SHADE_AREA or even < _FLAT_SHARE or self._fits >= _MOST_FITS:
            return []
        self._fits += 1
        shade = best_shade_of(crop, region.ring, self._tolerance, (_ONE_SHARE, _HALF_SHARE))
        if shade is None or shade.kind == "plain":
            return []
        self._shades.append(shade.moved(region.box.x, region.box.y))
        return [shade.render(Bounds.full(region.box.extent))]


def _few_colours(
    crop: U8, made: U8, region: Region, palette: Palette, tolerance: float
) -> F32 | None:
    """The nearest of the ring's colours, where they are few and none is a step of a ramp."""
    ring = region.ring
    flat = np.mean(flatness(crop)[ring] <= 2 * tolerance) >= _FLAT_SHARE
    few = palette.share >= _PALETTE_SHARE and palette.is_tight
    if not (few and flat and drift(crop, ring, palette) <= 2 * tolerance):
        return None
    values = palette.colors[nearest(made, palette.colors)]
    return values if _agree(values, made, region.inside) else None


def _fill_and_colours(crop: U8, made: U8, ring: Mask, shown: F32, tolerance: float) -> F32 | None:
    """A fill and the few colours of what else touches the hole, whichever the made pixel is nearer
    to; None where they do not explain the ring."""
    other = ring.copy()
    other[ring] = _off(crop, shown, ring) > tolerance + 2.0
    palette = palette_of(crop[other], tolerance)
    explained = 1 - (1 - palette.share) * np.count_nonzero(other) / np.count_nonzero(ring)
    if explained < _PALETTE_SHARE or not palette.is_tight:
        return None
    options = np.stack(
        [
            shown,
            *np.broadcast_to(palette.colors[:, None, None], (len(palette.colors), *shown.shape)),
        ]
    )
    off = np.square(options - made).sum(axis=-1)
    return np.take_along_axis(options, off.argmin(axis=0)[None, ..., None], axis=0)[0]


def _agree(values: F32, made: U8, inside: Mask) -> bool:
    """Whether the network made about what ``values`` (h, w, 3) are; it may have seen what the ring
    does not show, such as the rest of a shadow."""
    off = np.abs(values[inside] - made[inside]).max(axis=1)
    return float(np.mean(off <= _MADE_REACH)) >= _ONE_SHARE


def _off(crop: U8, shown: NDArray, ring: Mask) -> F32:
    """How far the ring's pixels (n,) are from what is ``shown`` (h, w, 3), in levels."""
    return np.abs(crop[ring] - shown[ring]).max(axis=1)
