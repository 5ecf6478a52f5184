"""What is measured once on a picture and read by every later step."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32, U8, channel_max
from layerstudio.geometry import Bounds, Extent

# Levels between neighbours that a clean gradient may have: 200 levels over 100 pixels, and one
# more from rounding.
_CLEAN_STEP = 3
_NOISY_STEP = 7
_BLOCKY = 1.15  # steps on the grid of blocks over steps off it
_LARGE_RADIUS = 48  # of erosion: from there on distances are cheaper than a kernel


@dataclass(frozen=True, eq=False)
class Regions:
    """Connected regions of small local contrast: ``labels`` (h, w) int32, 0 is none.

    ``areas`` (n,) counts pixels, ``boxes`` (n, 4) is x, y, width, height; row 0 is the rest.
    """

    labels: NDArray[np.int32]
    areas: NDArray[np.int32]
    boxes: NDArray[np.int32]

    def bounds(self, label: int) -> Bounds:
        x, y, width, height = (int(v) for v in self.boxes[label])
        return Bounds(x, y, width, height)

    def mask(self, label: int, bounds: Bounds) -> NDArray[np.bool_]:
        return self.labels[bounds.slices] == label


@dataclass(frozen=True, eq=False)
class Analysis:
    """``rgb`` (h, w, 3) uint8 without compression noise; ``step`` (h, w) uint8 is the largest
    difference of any channel to the right and lower neighbour; ``noise`` the deviation in levels
    that compression left around edges, 0 for a clean rendering; ``tolerance`` what still counts
    as the same colour."""

    rgb: U8
    step: U8
    regions: Regions
    noise: float
    tolerance: float

    @property
    def extent(self) -> Extent:
        return Extent.of(self.rgb)


def analyse(rgb: U8, *, lossy: bool) -> Analysis:
    """Measure noise, remove it, then split the picture into regions of small local contrast."""
    step = local_step(rgb)
    noise = max(_edge_noise(rgb, step), 1.0) if lossy or _is_blocky(rgb) else 0.0
    if noise >= 0.5:
        rgb = _denoised(rgb, noise)
        step = local_step(rgb)
    tolerance = float(np.clip(2.0 + 2.0 * noise, 2.0, 12.0))
    limit = _CLEAN_STEP if noise < 0.5 else _NOISY_STEP
    return Analysis(rgb, step, find_regions(step <= limit), noise, tolerance)


def _denoised(rgb: U8, noise: float) -> U8:
    """Ringing and blocks smoothed away, edges kept (Tomasi and Manduchi 1998, twice)."""
    for _ in range(2):
        rgb = np.asarray(cv2.bilateralFilter(rgb, 7, 8.0 + 6.0 * noise, 2.5), np.uint8)
    return rgb


def local_step(rgb: U8) -> U8:
    """Largest absolute difference of any channel to the right and lower neighbour, (h, w)."""
    step = np.zeros(rgb.shape[:2], np.uint8)
    if rgb.shape[1] > 1:
        across = channel_max(cv2.absdiff(rgb[:, 1:], rgb[:, :-1]))
        step[:, :-1] = across
    if rgb.shape[0] > 1:
        down = channel_max(cv2.absdiff(rgb[1:], rgb[:-1]))
        np.maximum(step[:-1], down, out=step[:-1])
    return step


def find_regions(mask: NDArray[np.bool_], connectivity: int = 4) -> Regions:
    """Connected regions of a mask, through sides (4) or corners too (8)."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(
        mask.astype(np.uint8), connectivity=connectivity, ltype=cv2.CV_32S
    )
    table = np.asarray(stats, np.int32)
    return Regions(np.asarray(labels, np.int32), table[:, cv2.CC_STAT_AREA].copy(), table[:, :4])


def pieces_with(
    mask: NDArray[np.bool_], seeds: NDArray[np.bool_], least: int = 1, connectivity: int = 8
) -> NDArray[np.bool_]:
    """The connected pieces of a mask (h, w) that hold at least so many of ``seeds`` (h, w)."""
    pieces = find_regions(mask, connectivity)
    kept = np.bincount(pieces.labels[seeds & mask], minlength=len(pieces.areas)) >= least
    kept[0] = False
    return kept[pieces.labels]


def residual(rgb: U8, backdrop: F32) -> U8:
    """Largest absolute difference of any channel between a picture and a backdrop, (h, w)."""
    rounded = cv2.convertScaleAbs(backdrop)
    return channel_max(cv2.absdiff(rgb, rounded))


def hysteresis(values: U8, low: float, high: float) -> NDArray[np.bool_]:
    """Pixels above ``low`` in regions (8-connected) that somewhere exceed ``high``."""
    return pieces_with(values > low, values > high)


def crisp(values: U8, share: float, reach: int = 6) -> NDArray[np.bool_]:
    """Pixels (h, w) with more than ``share`` of the strongest value within ``reach`` pixels: ink
    without its soft rim, where ``values`` is contrast."""
    size = 2 * reach + 1
    return values > share * cv2.dilate(values, np.ones((size, size), np.uint8))


def ellipse_kernel(radius: int) -> NDArray[np.uint8]:
    size = 2 * radius + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)), np.uint8)


def dilate(mask: NDArray[np.bool_], radius: int) -> NDArray[np.bool_]:
    return cv2.dilate(mask.astype(np.uint8), ellipse_kernel(radius)).astype(bool)


def erode(mask: NDArray[np.bool_], radius: int) -> NDArray[np.bool_]:
    """Erosion by a disc, in which the picture's border does not count as outside."""
    if radius > _LARGE_RADIUS:
        distance = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        return distance > radius
    return cv2.erode(mask.astype(np.uint8), ellipse_kernel(radius)).astype(bool)


def _is_blocky(rgb: U8) -> bool:
    """Whether small steps gather on JPEG's grid of 8 x 8 blocks, whatever the file calls itself."""
    if min(rgb.shape[:2]) <= 64:
        return False
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    for steps in (cv2.absdiff(grey[:, 1:], grey[:, :-1]), cv2.absdiff(grey[1:], grey[:-1]).T):
        small = np.where(steps < 16, steps, 0)
        columns = small.mean(axis=0, dtype=np.float64)
        if len(columns) < 64 or columns.mean() == 0:
            return False
        by_phase = np.array([columns[phase::8].mean() for phase in range(8)])
        others = np.delete(by_phase, 7)
        if by_phase[7] < _BLOCKY * np.median(others) or by_phase[7] < others.max():
            return False
    return True


def _edge_noise(rgb: U8, step: U8) -> float:
    """Mean ringing in levels, 3 to 7 pixels away from strong edges, 0 for a clean rendering.

    A rendering is exactly flat or exactly graded there; JPEG rings in the 8 x 8 block of an edge.
    """
    strong = (step > 64).astype(np.uint8)
    if not strong.any():
        return 0.0
    near = cv2.dilate(strong, np.ones((5, 5), np.uint8))
    ring = (cv2.dilate(strong, np.ones((15, 15), np.uint8)) > 0) & (near == 0) & (step < 24)
    if np.count_nonzero(ring) < 64:
        return 0.0
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    off = cv2.absdiff(grey, cv2.medianBlur(grey, 5))[ring]
    busy = float((off > 0).mean())
    # Photographs and drawings keep a share of busy pixels too; JPEG makes nearly all of them so.
    return float(off.mean()) if busy > 0.25 else 0.0
