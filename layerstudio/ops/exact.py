"""The last step of every decomposition: the stack recomposes to the picture it came from.

Every pixel is settled in the topmost layer that covers it, where an error belongs: an edge pixel
whose alpha was estimated a little too low gets the least alpha that can explain the picture, and
its colour is unblended anew. What lies beneath keeps what was estimated for it, so that moving a
layer uncovers a clean plate. The error left is that of rounding: at most 1/255.

Most pixels belong to a solid layer and are copied; arithmetic is left for the few that are not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32, Pixels, channel_max, full_scale, to_depth
from layerstudio.document import BlendMode, Layer
from layerstudio.geometry import Bounds, Extent
from layerstudio.ops.unblend import least_alpha, unblend_colour

# Rows worked at once: bounds the float copies to some 100 MB on pictures 4096 pixels wide.
_BAND_ROWS = 256
_EXACT = 0.5  # levels of the picture's depth: what rounding takes away anyway
_SINGLE = 3e-7  # of the full scale: error of the sums in single precision


def make_exact(layers: Sequence[Layer], picture: Pixels) -> tuple[Layer, ...]:
    """``layers`` (bottom to top, normal, fully opaque settings, on the canvas) made to recompose.

    ``picture`` (h, w, 4) sets the depth of the result. Where it is not opaque and the layers
    beneath the topmost one already show too much, they are cleared and the topmost shows the
    picture alone. A pixel that no layer covers goes to the lowest layer, which grows for it.
    """
    extent = Extent.of(picture)
    assert layers, "a stack needs a layer"
    for layer in layers:
        assert layer.blend is BlendMode.NORMAL and layer.mask is None, layer.name
        assert layer.opacity == 1.0 and layer.visible and not layer.clipped, layer.name
        assert Bounds.full(extent).contains(layer.bounds), (layer.name, layer.bounds)
    work = [_Working(layer, picture.dtype) for layer in layers]
    work[0].widen(Bounds.full(extent))
    for top in range(0, extent.height, _BAND_ROWS):
        band = Bounds.from_edges(0, top, extent.width, min(extent.height, top + _BAND_ROWS))
        _settle_band(work, picture[band.slices], band)
    return tuple(item.finished() for item in work)


class _Working:
    """A layer's pixels while they are changed, in the picture's depth."""

    def __init__(self, layer: Layer, dtype: np.dtype) -> None:
        self.layer = layer
        self.bounds = layer.bounds
        pixels = to_depth(layer.pixels, dtype)
        self.pixels = pixels.copy() if pixels is layer.pixels else pixels

    def widen(self, bounds: Bounds) -> None:
        if bounds != self.bounds:
            wide = np.zeros((*bounds.extent.shape, 4), self.pixels.dtype)
            wide[self.bounds.relative_to(bounds).slices] = self.pixels
            self.bounds, self.pixels = bounds, wide

    def finished(self) -> Layer:
        return replace(self.layer, bounds=self.bounds, pixels=self.pixels).cropped_to_content()


@dataclass(eq=False)
class _Spots:
    """Pixels of a band that need arithmetic: canvas ``ys`` and ``xs`` (n,), the index of their
    ``owner`` and what the picture shows there, ``wanted`` (n, 4) in the picture's levels."""

    ys: NDArray[np.intp]
    xs: NDArray[np.intp]
    owner: NDArray[np.int16]
    wanted: F32

    def within(self, item: _Working, chosen: NDArray[np.bool_]) -> NDArray[np.intp]:
        """Indices of the chosen spots that lie on a layer."""
        box = item.bounds
        inside = chosen & (self.ys >= box.y) & (self.ys < box.bottom)
        inside &= (self.xs >= box.x) & (self.xs < box.right)
        return np.flatnonzero(inside)

    def on(self, item: _Working, which: NDArray[np.intp]) -> tuple[NDArray, NDArray]:
        """The index of those spots in a layer's pixels."""
        return self.ys[which] - item.bounds.y, self.xs[which] - item.bounds.x


def _settle_band(work: list[_Working], target: Pixels, band: Bounds) -> None:
    """Copy what solid layers show; gather the other pixels and solve for them."""
    full = full_scale(target.dtype)
    owner, loose = _owners(work, target[..., 3], band)
    words = _words(np.ascontiguousarray(target))
    for index, item in enumerate(work):
        common = item.bounds.intersection(band)
        if common.is_empty:
            continue
        view = common.relative_to(band).slices
        own = item.pixels[common.relative_to(item.bounds).slices]
        solid = (owner[view] == index) & ~loose[view]
        np.copyto(_words(own), words[view], where=solid)
    ys, xs = np.nonzero(loose)
    if ys.size:
        wanted = target[ys, xs].astype(np.float32)
        spots = _Spots(ys + band.y, xs, owner[ys, xs], wanted)
        _settle_spots(work, spots, full)


def _words(pixels: NDArray) -> NDArray:
    """(h, w): the four channels of each pixel as one integer, a view."""
    return pixels.view(np.uint32 if pixels.dtype == np.uint8 else np.uint64)[..., 0]


def _owners(
    work: list[_Working], seen: NDArray, band: Bounds
) -> tuple[NDArray[np.int16], NDArray[np.bool_]]:
    """Index of the topmost layer with any alpha at each pixel (the lowest where there is none),
    and which pixels are not simply a solid layer under an opaque picture."""
    full = full_scale(seen.dtype)
    owner = np.zeros(band.extent.shape, np.int16)
    loose = np.ones(band.extent.shape, bool)
    for index, item in enumerate(work):
        common = item.bounds.intersection(band)
        if not common.is_empty:
            view = common.relative_to(band).slices
            alpha = item.pixels[common.relative_to(item.bounds).slices][..., 3]
            there = alpha > 0
            np.copyto(owner[view], np.int16(index), where=there)
            np.copyto(loose[view], alpha < full, where=there)
    loose |= seen < full
    return owner, loose


def _settle_spots(work: list[_Working], spots: _Spots, full: int) -> None:
    beneath_premul, covered = _beneath(work, spots, full)
    own = _gathered(work, spots)
    opaque = spots.wanted[:, 3] >= full
    result = np.empty_like(own)
    result[opaque] = _over_backdrop(
        own[opaque], spots.wanted[opaque], beneath_premul[opaque], covered[opaque], full
    )
    clear = ~opaque
    if clear.any():
        result[clear], alone = _through(
            spots.wanted[clear], beneath_premul[clear], covered[clear], full
        )
        cleared = np.zeros(len(clear), bool)
        cleared[np.flatnonzero(clear)[alone]] = True
        _clear_beneath(work, spots, cleared)
    for index, item in enumerate(work):
        which = np.flatnonzero(spots.owner == index)
        if which.size:
            item.pixels[spots.on(item, which)] = np.rint(result[which])


def _beneath(work: list[_Working], spots: _Spots, full: int) -> tuple[F32, F32]:
    """What the layers below each spot's owner show: colour (n, 3) times alpha in levels, and
    alpha (n,) in [0, 1]."""
    colour_premul = np.zeros((len(spots.ys), 3), np.float32)
    covered = np.zeros(len(spots.ys), np.float32)
    for index, item in enumerate(work):
        which = spots.within(item, spots.owner > index)
        if which.size:
            pixels = item.pixels[spots.on(item, which)]
            alpha = pixels[:, 3] * np.float32(1.0 / full)
            rest = 1.0 - alpha
            colour_premul[which] *= rest[:, None]
            colour_premul[which] += pixels[:, :3] * alpha[:, None]
            covered[which] = covered[which] * rest + alpha
    return colour_premul, covered


def _gathered(work: list[_Working], spots: _Spots) -> F32:
    """The owner's pixels (n, 4) as they are, in levels."""
    own = np.zeros((len(spots.ys), 4), np.float32)
    for index, item in enumerate(work):
        which = np.flatnonzero(spots.owner == index)
        if which.size:
            own[which] = item.pixels[spots.on(item, which)]
    return own


def _over_backdrop(own: F32, wanted: F32, backdrop: F32, covered: F32, full: int) -> F32:
    """The owners' pixels (n, 4) with which an opaque picture is shown over ``backdrop`` (n, 3)."""
    unit = np.float32(255.0 / full)
    alpha = own[:, 3] / np.float32(full)
    shown = own[:, :3] * alpha[:, None] + backdrop * (1.0 - alpha[:, None])
    bare = covered < 1.0 - 0.25 / full
    surely = _EXACT - _SINGLE * full
    off = (channel_max(np.abs(shown - wanted[:, :3])) > surely) | bare
    image, under = wanted[off, :3] * unit, backdrop[off] * unit
    needed = np.maximum(alpha[off], least_alpha(image, under))
    needed[bare[off]] = 1.0
    # Alpha is rounded up: a hair more is always solvable, a hair less may leave the gamut.
    levels = np.ceil(needed * full - 1e-3)
    colour = unblend_colour(image, (levels / full).astype(np.float32), under)
    colour = np.clip(np.rint(colour / unit), 0, full)
    share = (levels / full)[:, None]
    left = np.abs(colour * share + backdrop[off] * (1.0 - share) - wanted[off, :3])
    # A nearly opaque layer passes its own rounding on, and may be met by the next level only.
    tied = channel_max(left) > surely
    result = own.copy()
    result[off, :3] = np.where(tied[:, None], wanted[off, :3], colour)
    result[off, 3] = np.where(tied, full, levels)
    return result


def _through(
    wanted: F32, beneath_premul: F32, covered: F32, full: int
) -> tuple[F32, NDArray[np.bool_]]:
    """The owners' pixels (n, 4) where the picture is not opaque, and which of them must stand
    alone, without what lies beneath.

    Source-over solved for the upper layer: ``a = (A - A_b) / (1 - A_b)`` and
    ``F = (C - (1 - a) C_b) / a`` with premultiplied C and C_b (Porter and Duff 1984).
    """
    seen = wanted[:, 3] / np.float32(full)
    room = np.maximum(1.0 - covered, 1e-6)
    alpha = np.rint(np.clip((seen - covered) / room, 0.0, 1.0) * full) / np.float32(full)
    rest = wanted[:, :3] * seen[:, None] - (1.0 - alpha[:, None]) * beneath_premul
    colour = np.divide(rest, alpha[:, None], out=np.zeros_like(rest), where=alpha[:, None] > 0)
    colour = np.clip(np.rint(colour), 0.0, full)
    off = channel_max(np.abs(colour * alpha[:, None] - rest))
    off = np.maximum(off, np.abs(alpha + covered * (1.0 - alpha) - seen) * full)
    alone = off > _EXACT + 0.01
    result = np.concatenate([colour, alpha[:, None] * full], axis=1)
    result[alone] = wanted[alone]
    result[result[:, 3] < 0.5] = 0
    return result.astype(np.float32), alone


def _clear_beneath(work: list[_Working], spots: _Spots, chosen: NDArray[np.bool_]) -> None:
    for index, item in enumerate(work):
        which = spots.within(item, chosen & (spots.owner > index))
        if which.size:
            item.pixels[spots.on(item, which)] = 0
