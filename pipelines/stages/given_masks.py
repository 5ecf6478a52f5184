"""Masks and trimaps as people give them: grey pictures of the picture's size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from layerstudio.color import F32, U8, to_depth, to_float
from layerstudio.errors import InvalidRequest
from layerstudio.geometry import Bounds, Extent
from layerstudio.io.limits import Limits
from layerstudio.io.picture import PictureSource, read_picture
from layerstudio.ops.bleed import bleed
from layerstudio.ops.trimap import band_radius, trimap_of
from layerstudio.picture import Picture
from layerstudio.pipelines.stages.contracts import Mask
from layerstudio.pipelines.stages.trimaps import is_foreground, is_unknown

_KNOWN = 0.05  # of full scale: what is nearer to black or white than this is meant as that
_HALF = 0.5
_CUT_PIXELS = 2**20  # worked at once to find what a box holds
_CUT_ROUNDS = 5


@dataclass(frozen=True)
class Shown:
    """What is known of the foreground; at most one of the three."""

    trimap: PictureSource | None = None
    mask: PictureSource | None = None
    box: Bounds | Sequence[int] | None = None

    def __post_init__(self) -> None:
        given = [one for one in (self.trimap, self.mask, self.box) if one is not None]
        if len(given) > 1:
            raise InvalidRequest("Give one of trimap, mask and box.")

    @property
    def is_nothing(self) -> bool:
        return self.trimap is None and self.mask is None and self.box is None


def colours_of(picture: Picture) -> U8:
    """(h, w, 3): what stages look at; what is transparent goes on from what is near."""
    shown = bleed(to_depth(picture.pixels, np.uint8))
    return np.array(shown[..., :3], np.uint8, order="C")


def mask_of(source: PictureSource, extent: Extent, limits: Limits, *, above: float = _HALF) -> Mask:
    """(h, w): where a grey picture is above a share of full scale.

    Raises ``InvalidRequest`` for one of another size, of nothing and of everything.
    """
    mask = _grey(source, extent, limits, "mask") > above
    if not mask.any():
        raise InvalidRequest("The mask is a mask of nothing.", advice="White is what is meant.")
    if mask.all():
        raise InvalidRequest(
            "The mask covers the whole picture, which leaves nothing to go by.",
            advice="White is what is meant, black what is not.",
        )
    return mask


def trimap_from(shown: Shown, rgb: U8, limits: Limits, *, decides: bool) -> F32 | None:
    """(h, w) of 0, 0.5 and 1; None where nothing is shown.

    A box is left open as a whole to a matte that ``decides`` by itself; to others it is cut out
    roughly first. Raises ``InvalidRequest`` for what makes no sense.
    """
    extent = Extent.of(rgb)
    if shown.trimap is not None:
        return _trimap(shown.trimap, extent, limits)
    if shown.mask is not None:
        return _around(mask_of(shown.mask, extent, limits))
    if shown.box is None:
        return None
    box = _box(shown.box, extent)
    if decides:
        trimap = np.zeros(extent.shape, np.float32)
        trimap[box.slices] = 0.5
        return trimap
    return _around(_cut_out(rgb, box))


def _grey(source: PictureSource, extent: Extent, limits: Limits, what: str) -> F32:
    """(h, w) in [0, 1]; what a picture hides by its alpha is black."""
    picture = read_picture(source, limits)
    if picture.extent != extent:
        raise InvalidRequest(f"The {what} is {picture.extent}, and the picture {extent}.")
    values = to_float(picture.pixels)
    return np.asarray(values[..., :3].mean(axis=2) * values[..., 3], np.float32)


def _trimap(source: PictureSource, extent: Extent, limits: Limits) -> F32:
    values = _grey(source, extent, limits, "trimap")
    sure = np.where(values >= 1 - _KNOWN, 1.0, 0.5)
    trimap = np.where(values <= _KNOWN, 0.0, sure).astype(np.float32)
    grey = "Black is background, white is foreground, grey is open."
    if not is_unknown(trimap).any():
        raise InvalidRequest("The trimap leaves nothing open.", advice=grey)
    if not is_foreground(trimap).any():
        raise InvalidRequest("The trimap has no foreground.", advice=grey)
    return trimap


def _around(mask: Mask) -> F32:
    area = float(np.count_nonzero(mask))
    # Drawn by hand, or out of a box: its outline may be off to either side.
    return trimap_of(mask, band_radius(area), inside_share=1.0)


def _box(given: Bounds | Sequence[int], extent: Extent) -> Bounds:
    if len(given) != 4:
        raise InvalidRequest(f"A box is x, y, width and height, not {tuple(given)}.")
    box = Bounds(*map(int, given))
    inside = box.clamped(extent)
    if inside.is_empty:
        raise InvalidRequest(f"The box {tuple(box)} lies outside of the picture ({extent}).")
    if inside == Bounds.full(extent):
        raise InvalidRequest("The box is the whole picture.", advice="Leave it out.")
    return inside


def _cut_out(rgb: U8, box: Bounds) -> Mask:
    """What stands in a box, by colours (Rother et al. 2004, "GrabCut"); the box itself where
    nothing can be told apart."""
    extent = Extent.of(rgb)
    scale = min(1.0, (_CUT_PIXELS / extent.pixel_count) ** 0.5)
    size = [max(1, round(side * scale)) for side in extent]
    small = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
    place = [round(value * scale) for value in box]
    rectangle = (place[0], place[1], max(1, place[2]), max(1, place[3]))
    labels = np.zeros(small.shape[:2], np.uint8)
    models = np.zeros((2, 1, 65), np.float64)
    cv2.setRNGSeed(0)
    if rectangle[2:] != tuple(size):
        cv2.grabCut(
            small, labels, rectangle, models[0], models[1], _CUT_ROUNDS, cv2.GC_INIT_WITH_RECT
        )
    found = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    whole = cv2.resize(found, tuple(extent), interpolation=cv2.INTER_NEAREST) > 0
    inside = np.zeros(extent.shape, bool)
    inside[box.slices] = True
    cut = whole & inside
    return cut if cut.any() else inside
