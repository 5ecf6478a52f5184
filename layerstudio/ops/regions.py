"""Holes one at a time: each connected part in a box of its own, with the ring around it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from layerstudio.geometry import Bounds, Extent

Bools = NDArray[np.bool_]

_RING_SHARE = 0.2  # of the square root of the hole's area, and
_RING_MINIMUM = 5  # pixels: LayerD's ring (Suzuki et al., ICCV 2025, released code)
_RING_MAXIMUM = 48


@dataclass(frozen=True)
class Region:
    """``inside`` and ``known`` (h, w) over ``box``: this hole, and the pixels of no hole."""

    box: Bounds
    inside: Bools
    known: Bools

    @property
    def area(self) -> int:
        return int(np.count_nonzero(self.inside))

    @property
    def ring(self) -> Bools:
        """Known pixels within the ring's width of the hole."""
        width = ring_width(self.area)
        away = cv2.distanceTransform((~self.inside).view(np.uint8), cv2.DIST_L2, 3)
        return (away <= width) & self.known

    @property
    def clear(self) -> Bools:
        """Pixels whose 3 x 3 neighbourhood is known."""
        return cv2.erode(self.known.view(np.uint8), np.ones((3, 3), dtype=np.uint8)) > 0

    @property
    def thickness(self) -> float:
        """Largest distance of a hole pixel from the nearest pixel that is none."""
        padded = cv2.copyMakeBorder(self.inside.view(np.uint8), 1, 1, 1, 1, cv2.BORDER_REPLICATE)
        return float(cv2.distanceTransform(padded, cv2.DIST_L2, 3).max())


def ring_width(area: int) -> int:
    return int(np.clip(np.sqrt(area) * _RING_SHARE, _RING_MINIMUM, _RING_MAXIMUM))


def regions_of(hole: Bools, join: int = 1) -> Iterator[Region]:
    """The connected parts of ``hole`` (h, w); parts closer than about ``2 * join`` count as one."""
    merged = hole.view(np.uint8)
    if join > 0:
        merged = cv2.dilate(merged, np.ones((2 * join + 1,) * 2, dtype=np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(merged, connectivity=8)
    for label in range(1, count):
        x, y, width, height, _ = (int(value) for value in stats[label])
        tight = Bounds(x, y, width, height)
        inside = (labels[tight.slices] == label) & hole[tight.slices]
        margin = ring_width(int(np.count_nonzero(inside))) + 2
        yield _region(hole, tight.padded(margin), tight, inside)


def widened(region: Region, hole: Bools, margin: int) -> Region:
    """The same region in a box with ``margin`` more pixels on each side."""
    return _region(hole, region.box.padded(margin), region.box, region.inside)


def _region(hole: Bools, wanted: Bounds, tight: Bounds, inside: Bools) -> Region:
    box = wanted.clamped(Extent.of(hole))
    placed = np.zeros(box.extent.shape, dtype=bool)
    placed[tight.relative_to(box).slices] = inside
    return Region(box, placed, ~hole[box.slices])
