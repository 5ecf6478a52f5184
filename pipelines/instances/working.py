"""The picture at the size at which networks look at it, and the ways between the two sizes."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32, U8, Pixels, full_scale, to_depth
from layerstudio.geometry import Bounds, Extent
from layerstudio.ops.bleed import bleed
from layerstudio.picture import Picture
from layerstudio.pipelines.enlarging import scaled
from layerstudio.pipelines.stages.contracts import Hint, Mask, Segment

_BAND_ROWS = 256
_BLEED = 64  # pixels around what shows, in which its colours go on


@dataclass(frozen=True, eq=False)
class Working:
    """``rgb`` (h, w, 3) uint8, opaque, of a picture of ``full`` size, and where it shows anything,
    ``seen`` (h, w)."""

    rgb: U8
    seen: Mask
    full: Extent

    @classmethod
    def of(cls, picture: Picture, side: int) -> Working:
        """At most ``side`` pixels on the longer side, never larger than the picture.

        What is transparent shows the colours of what is near it.
        """
        small = _shrunk(picture.pixels, bounded(picture.extent, side))
        seen = small[..., 3] > 0
        opaque = small if seen.all() else bleed(small, _BLEED)
        rgb = np.ascontiguousarray(opaque[..., :3], np.uint8)
        return cls(rgb, seen, picture.extent)

    @property
    def extent(self) -> Extent:
        return Extent.of(self.rgb)

    @property
    def scale(self) -> float:
        """Pixels of the picture in one of these, along a side."""
        return self.full.longest_side / self.extent.longest_side

    def place_of(self, box: Bounds) -> Bounds:
        """``box`` on the picture, here, as far as it is on it; never empty if that is not."""
        return scaled(box.clamped(self.full), self.full, self.extent)

    def point_of(self, point: tuple[int, int]) -> tuple[int, int]:
        """A pixel of the picture, here."""
        x, y = point
        width, height = self.extent
        return (
            min(width - 1, int((x + 0.5) * width / self.full.width)),
            min(height - 1, int((y + 0.5) * height / self.full.height)),
        )

    def hint_of(self, hint: Hint) -> Hint:
        return Hint(
            box=None if hint.box is None else self.place_of(hint.box),
            points=tuple(self.point_of(point) for point in hint.points),
            excluded_points=tuple(self.point_of(point) for point in hint.excluded_points),
            label=hint.label,
            score=hint.score,
        )

    def shown(self, segment: Segment) -> Segment:
        """``segment`` without what is transparent."""
        if self.seen.all() or segment.is_empty:
            return segment
        seen = segment.on_canvas(self.extent) & self.seen
        return Segment.of_mask(seen, segment.label, segment.score)

    def full_place(self, box: Bounds) -> Bounds:
        """``box`` of this size on the picture, widened to whole pixels."""
        return scaled(box, self.extent, self.full)

    def stretched(self, values: NDArray, origin: Bounds, place: Bounds) -> F32:
        """The part at ``place`` of the picture of ``values`` (h, w) or (h, w, n), which lie at
        ``origin`` of this size: bilinear, and what is at their border goes on beyond it."""
        across = self.extent.width / self.full.width
        down = self.extent.height / self.full.height
        inverse = np.array(
            [
                [across, 0, (place.x + 0.5) * across - 0.5 - origin.x],
                [0, down, (place.y + 0.5) * down - 0.5 - origin.y],
            ]
        )
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        result = cv2.warpAffine(
            np.asarray(values, np.float32),
            inverse,
            tuple(place.extent),
            flags=flags,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return np.asarray(result, np.float32)


def bounded(extent: Extent, side: int) -> Extent:
    """``extent`` in proportion, its longer side at most ``side``."""
    scale = min(1.0, side / extent.longest_side)
    return Extent(*(max(1, round(length * scale)) for length in extent))


def _shrunk(pixels: Pixels, extent: Extent) -> U8:
    """(h, w, 4) uint8, straight: averaged premultiplied, so that hidden colours stay hidden."""
    if Extent.of(pixels) == extent:
        return np.asarray(to_depth(pixels, np.uint8), np.uint8)
    opaque = bool(pixels[..., 3].min() == full_scale(pixels.dtype))
    whole = pixels if opaque else _premultiplied(pixels)
    small = cv2.resize(whole, tuple(extent), interpolation=cv2.INTER_AREA)
    result = np.array(to_depth(small, np.uint8), np.uint8)
    if not opaque:
        alpha = np.maximum(result[..., 3:].astype(np.float32), 1.0)
        straight = result[..., :3] * (np.float32(255) / alpha)
        result[..., :3] = np.clip(np.rint(straight), 0, 255)
    return result


def _premultiplied(pixels: Pixels) -> Pixels:
    """In the same depth, a band at a time: pictures may be large."""
    scale = np.float32(1.0 / full_scale(pixels.dtype))
    result = np.empty_like(pixels)
    for top in range(0, pixels.shape[0], _BAND_ROWS):
        band = pixels[top : top + _BAND_ROWS]
        into = result[top : top + _BAND_ROWS]
        into[..., :3] = np.rint(band[..., :3] * (band[..., 3:] * scale))
        into[..., 3] = band[..., 3]
    return result
