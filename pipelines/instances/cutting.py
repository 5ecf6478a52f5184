"""Objects cut out of the picture at its full size: soft edges, their own colours, hidden parts.

Near things first. ``cover`` remembers how much of the picture lies under what was cut out already:
there an object shows what was made up for it, for what the picture shows is mixed with the colours
of what is in front.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import cv2
import numpy as np

from layerstudio.color import F32, U8, Pixels, full_scale, to_depth, to_float
from layerstudio.geometry import Bounds, Extent
from layerstudio.ops.bleed import bleed
from layerstudio.ops.trimap import band_radius, trimap_of
from layerstudio.picture import Picture
from layerstudio.pipelines.instances.choices import StageChoice
from layerstudio.pipelines.instances.completing import Piece
from layerstudio.pipelines.instances.tiles import Tile, tiles_of
from layerstudio.pipelines.instances.working import Working, bounded
from layerstudio.pipelines.runtime import Runtime
from layerstudio.pipelines.stages.contracts import ForegroundEstimator, Mask, Matter
from layerstudio.pipelines.stages.opening import opened
from layerstudio.progress import CancelToken

_CONTEXT = 24  # pixels beyond the band, which mattes and estimators look at
_WHOLE_SIDE = 2048  # at which mattes that decide by themselves see an object
_WHOLE_MARGIN = 0.15  # of its longest side, around it
COVERED = 8.0  # times its alpha: an eighth of something in front is enough to spoil a colour


@dataclass(frozen=True, eq=False)
class Tools:
    """``whole``: the matte looks at the object as a whole, and not piece by piece."""

    matter: Matter
    estimator: ForegroundEstimator
    whole: bool


@contextmanager
def tools(stages: StageChoice, runtime: Runtime) -> Iterator[Tools]:
    with (
        opened("matte", stages.matte, runtime) as matter,
        opened("foreground", stages.foreground, runtime) as estimator,
    ):
        yield Tools(matter, estimator, "nothing" in matter.card.takes)


@dataclass(frozen=True, eq=False)
class Cut:
    """``pixels`` (h, w, 4) straight, of ``bounds`` on the picture, in its depth."""

    bounds: Bounds
    pixels: Pixels


def cut(
    picture: Picture,
    working: Working,
    piece: Piece,
    cover: U8,
    instruments: Tools,
    cancel: CancelToken,
) -> Cut:
    """``cover`` (h, w) of the picture, 0 to 255, grows by the alpha of what is visible."""
    extent = picture.extent
    area = piece.segment.area * working.scale**2
    radius = band_radius(area, working.scale, piece.segment.score)
    margin = int(np.ceil(radius)) + 2
    place = working.full_place(piece.place).padded(margin).clamped(extent)
    pixels: Pixels = np.zeros_like(picture.pixels[place.slices])
    look = _Look(picture, working, piece, radius, instruments, cancel)
    whole = look.seen_whole(place) if instruments.whole else None
    for tile in tiles_of(place, extent, margin + _CONTEXT):
        cancel.check()
        look.cut_tile(tile, pixels[tile.core.relative_to(place).slices], cover, whole)
    return Cut(place, pixels)


@dataclass(frozen=True, eq=False)
class _Whole:
    """``alpha`` (h, w), at any size, of ``bounds`` on the picture."""

    bounds: Bounds
    alpha: F32

    def at(self, window: Bounds) -> F32:
        height, width = self.alpha.shape
        across, down = width / self.bounds.width, height / self.bounds.height
        inverse = np.array(
            [
                [across, 0, (window.x - self.bounds.x + 0.5) * across - 0.5],
                [0, down, (window.y - self.bounds.y + 0.5) * down - 0.5],
            ]
        )
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        found = cv2.warpAffine(self.alpha, inverse, tuple(window.extent), flags=flags)
        return np.asarray(found, np.float32)


@dataclass(frozen=True, eq=False)
class _Look:
    """One piece, looked at through windows of the picture."""

    picture: Picture
    working: Working
    piece: Piece
    radius: float
    tools: Tools
    cancel: CancelToken

    def cut_tile(self, tile: Tile, into: Pixels, cover: U8, whole: _Whole | None) -> None:
        """Fill ``into``, the pixels of the tile's core, and add to ``cover`` there."""
        mask = self._stretched(self.piece.visible, tile.window) >= 0.5
        hidden = self._hidden(tile.window)
        if not mask.any() and not hidden.any():
            return
        above = cover[tile.window.slices]
        source = self.picture.pixels[tile.window.slices]
        rgb = _opaque(source)
        alpha = self._alpha(rgb, mask, above, tile, whole)
        colours = self._colours(rgb, alpha, above, hidden, tile)
        both = np.maximum(alpha, hidden) * to_float(source[..., 3])
        inner = tile.inner
        into[..., :3] = to_depth(colours[inner], into.dtype)
        into[..., 3] = to_depth(both[inner], into.dtype)
        solid = (alpha[inner] >= 1) & (above[inner] == 0)
        np.copyto(into[..., :3], source[inner][..., :3], where=solid[..., None])
        into[..., :3][into[..., 3] == 0] = 0
        core = cover[tile.core.slices]
        np.maximum(core, np.rint(alpha[inner] * 255).astype(np.uint8), out=core)

    def seen_whole(self, place: Bounds) -> _Whole:
        """The alpha that a matte finds when it sees the whole object at once."""
        margin = round(_WHOLE_MARGIN * place.extent.longest_side)
        window = place.padded(margin).clamped(self.picture.extent)
        size = bounded(window.extent, _WHOLE_SIDE)
        rgb = _opaque(self.picture.pixels[window.slices])
        small = cv2.resize(rgb, tuple(size), interpolation=cv2.INTER_AREA)
        self.cancel.check()
        alpha = self.tools.matter.alpha(np.asarray(small, np.uint8), None, cancel=self.cancel)
        return _Whole(window, alpha)

    def _stretched(self, mask: Mask, window: Bounds) -> F32:
        """A mask of the piece's place: nothing is beyond it but where the picture ends."""
        around = self.piece.place.padded(1).clamped(self.working.extent)
        values = np.zeros(around.extent.shape, np.float32)
        values[self.piece.place.relative_to(around).slices] = mask
        return self.working.stretched(values, around, window)

    def _hidden(self, window: Bounds) -> F32:
        """(h, w) in [0, 1], its edge a pixel wide at working size."""
        if not self.piece.hidden.any():
            return np.zeros(window.extent.shape, np.float32)
        return self._stretched(self.piece.hidden, window)

    def _alpha(self, rgb: U8, mask: Mask, above: U8, tile: Tile, whole: _Whole | None) -> F32:
        """(h, w) in [0, 1] of what is visible."""
        trimap = trimap_of(mask, self.radius, sure_outside=(above > 127) & ~mask)
        unknown = trimap == 0.5
        if not unknown[tile.inner].any():
            return trimap
        if whole is not None:
            return np.asarray(np.where(unknown, whole.at(tile.window), trimap), np.float32)
        return self.tools.matter.alpha(rgb, trimap, cancel=self.cancel)

    def _colours(self, rgb: U8, alpha: F32, above: U8, hidden: F32, tile: Tile) -> F32:
        """(h, w, 3) in [0, 1]: estimated where alpha is soft, made up where something covers."""
        soft = (alpha[tile.inner] > 0) & (alpha[tile.inner] < 1)
        if soft.any():
            colours = self.tools.estimator.colours(rgb, alpha, cancel=self.cancel)
        else:
            colours = to_float(rgb)
        weight = np.clip(above * np.float32(COVERED / 255), 0, 1)
        weight = np.maximum(weight, np.where(alpha > 0, 0, hidden > 0))
        if not weight.any():
            return colours
        made_up = self.working.stretched(self.piece.colours, self.piece.place, tile.window)
        mixed = colours + (made_up / np.float32(255) - colours) * weight[..., None]
        return np.asarray(mixed, np.float32)


def _opaque(source: Pixels) -> U8:
    """(h, w, 3): what is transparent shows the colours of what is near it."""
    shown = to_depth(source, np.uint8)
    if source[..., 3].min() < full_scale(source.dtype):
        shown = bleed(shown, _CONTEXT)
    return np.ascontiguousarray(shown[..., :3], np.uint8)


def no_cover(extent: Extent) -> U8:
    return np.zeros(extent.shape, np.uint8)
