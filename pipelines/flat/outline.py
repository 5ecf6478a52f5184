"""Outlines of panels: rectangle, rounded rectangle, pill, ellipse, or whatever a region's is.

Outlines are signed distances evaluated at pixel centres, so that coverage is antialiased.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32
from layerstudio.geometry import Bounds, Extent

FREE = ("shape", "polygon")  # outlines that follow the region, hidden parts and all

_CORNER_GAP = 1.0 - np.sqrt(0.5)  # of the radius, along the diagonal of a rounded corner

_POLYGON_SLACK = 1.6  # pixels between an outline and the polygon that stands for it
_POLYGON_SIDES = 12
_SYMMETRY = 0.95  # of the union of an outline and its mirror image
_CIRCLE_TRIALS = 80


@dataclass(frozen=True, eq=False)
class Outline:
    """``distance`` (h, w) in pixels, negative inside, over ``bounds``.

    ``sides`` counts those of a convex polygon, 0 for anything else.
    """

    shape: str
    bounds: Bounds
    distance: F32
    sides: int = 0

    @property
    def coverage(self) -> F32:
        """Share of each pixel that lies inside, (h, w) in [0, 1]."""
        return np.clip(0.5 - self.distance, 0.0, 1.0)

    @property
    def is_symmetric(self) -> bool:
        """Whether the left half mirrors the right, as badges and ribbons do."""
        inside = self.distance < 0
        shape = inside[Bounds.of_mask(inside).slices]
        mirrored = shape[:, ::-1]
        both = np.count_nonzero(shape & mirrored)
        return bool(both >= _SYMMETRY * np.count_nonzero(shape | mirrored))

    def inside(self, margin: float = 0.0) -> NDArray[np.bool_]:
        """Pixels at least ``margin`` inside."""
        return self.distance < -margin


def candidates(mask: NDArray[np.bool_], bounds: Bounds, extent: Extent) -> list[Outline]:
    """Outlines of the simple shapes with the box of ``mask`` (h, w, at ``bounds``).

    ``bounds`` should leave a few pixels around the shape, where the canvas of size ``extent``
    allows.
    """
    box = Bounds.of_mask(mask)
    if box.width < 6 or box.height < 6:
        return []
    shape = mask.shape
    radii = _corner_radii(mask, box)
    shortest = min(box.width, box.height)
    round_box = abs(box.width - box.height) <= 0.04 * shortest
    found = [Outline("rectangle", bounds, rounded_rectangle(shape, box, 0.0))]
    disc = _clipped_disc(mask, bounds, extent)
    if disc is not None:
        found.append(Outline("disc", bounds, disc))
    if radii and radii[-1] > 0.2 * shortest:
        name = "circle" if round_box else "ellipse"
        found.append(Outline(name, bounds, _ellipse(shape, box)))
    for radius in radii:
        if radius >= 1.5 and not (round_box and radius > 0.42 * shortest):
            pill = radius > 0.45 * shortest and not round_box
            name = "pill" if pill else "rounded rectangle"
            radius = shortest / 2 if pill else radius
            found.append(Outline(name, bounds, rounded_rectangle(shape, box, radius)))
    whole = filled(mask)
    corners = _corners(whole)
    name = "polygon" if len(corners) <= _POLYGON_SIDES else "shape"
    sides = len(corners) if name == "polygon" and cv2.isContourConvex(corners) else 0
    found.append(Outline(name, bounds, _distance(whole), sides))
    hull = _hull(whole)
    corners = _corners(hull)
    if len(corners) <= _POLYGON_SIDES:
        found.append(Outline("polygon", bounds, _distance(hull), len(corners)))
    return found


def _grid(shape: tuple[int, int], box: Bounds) -> tuple[F32, F32]:
    """Pixel centres relative to the middle of ``box``, broadcastable."""
    x = np.arange(shape[1], dtype=np.float32)[None, :] + 0.5 - (box.x + box.width / 2)
    y = np.arange(shape[0], dtype=np.float32)[:, None] + 0.5 - (box.y + box.height / 2)
    return x.astype(np.float32), y.astype(np.float32)


def rounded_rectangle(shape: tuple[int, int], box: Bounds, radius: float) -> F32:
    """Signed distance of a rounded rectangle (Quilez, "2D distance functions", sdRoundedBox)."""
    x, y = _grid(shape, box)
    dx = np.abs(x) - np.float32(box.width / 2 - radius)
    dy = np.abs(y) - np.float32(box.height / 2 - radius)
    outside = np.hypot(np.maximum(dx, 0), np.maximum(dy, 0))
    return (outside + np.minimum(np.maximum(dx, dy), 0) - np.float32(radius)).astype(np.float32)


def _ellipse(shape: tuple[int, int], box: Bounds) -> F32:
    """First-order distance to an ellipse: the implicit function over its gradient's length."""
    x, y = _grid(shape, box)
    a, b = np.float32(box.width / 2), np.float32(box.height / 2)
    k0 = np.hypot(x / a, y / b)
    k1 = np.maximum(np.hypot(x / (a * a), y / (b * b)), 1e-6)
    return (k0 * (k0 - 1.0) / k1).astype(np.float32)


def _corner_radii(mask: NDArray[np.bool_], box: Bounds) -> list[float]:
    """The sharpest corner's radius and the middle one's, from the gaps along the diagonals.

    What hides a corner makes it look rounder, never sharper; a stray pixel makes it look sharper.
    """
    inner = mask[box.slices]
    reach = min(inner.shape) // 2
    radii = []
    for corner in (inner, inner[:, ::-1], inner[::-1], inner[::-1, ::-1]):
        hits = np.flatnonzero(corner[np.arange(reach), np.arange(reach)])
        if hits.size:
            radii.append(max(0.0, (float(hits[0]) - 0.3) / _CORNER_GAP))
    radii.sort()
    return [radii[0], radii[(len(radii) - 1) // 2]] if radii else []


def _clipped_disc(mask: NDArray[np.bool_], bounds: Bounds, extent: Extent) -> F32 | None:
    """Distance to a circle that the canvas cuts off; None where the region is none.

    Circles through three outline points each vote (RANSAC, Fischler and Bolles 1981), and least
    squares of ``x^2 + y^2 = 2 a x + 2 b y + c`` (Kasa 1976) settles it among those that agree.
    """
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    points = np.concatenate(contours)[:, 0].astype(np.float64) + 0.5
    place = points + np.array([bounds.x, bounds.y])
    limit = np.array([extent.width, extent.height]) - 2.0
    inside = ((place > 2) & (place < limit)).all(axis=1)
    if inside.all() or np.count_nonzero(inside) < 24:
        return None
    points = points[inside]
    rng = np.random.default_rng(0)
    keep = np.zeros(len(points), bool)
    for _ in range(_CIRCLE_TRIALS):
        x, y, radius = _circle_through(points[rng.choice(len(points), 3, replace=False)])
        hits = np.abs(np.hypot(points[:, 0] - x, points[:, 1] - y) - radius) <= 1.2
        if radius <= 2 * max(extent) and hits.sum() > keep.sum():
            keep = hits
    if keep.mean() < 0.4 or keep.sum() < 20:
        return None
    x, y, radius = _circle_through(points[keep])
    xs = np.arange(mask.shape[1])[None, :] + 0.5
    ys = np.arange(mask.shape[0])[:, None] + 0.5
    # Contours run through pixel centres of the region: the edge is half a pixel further out.
    return (np.hypot(xs - x, ys - y) - radius - 0.5).astype(np.float32)


def _circle_through(points: NDArray[np.float64]) -> tuple[float, float, float]:
    """Centre and radius of the least-squares circle of (n, 2) points."""
    system = np.column_stack([2 * points, np.ones(len(points))])
    x, y, c = np.linalg.lstsq(system, (points**2).sum(axis=1), rcond=None)[0]
    return float(x), float(y), float(np.sqrt(max(c + x * x + y * y, 1.0)))


def _corners(mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Corners (n, 1, 2) of the polygon that follows the outline to a pixel or so."""
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    longest = max(contours, key=len)
    return np.asarray(cv2.approxPolyDP(longest, _POLYGON_SLACK, True), np.int32)


def filled(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The mask without its holes."""
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    whole = np.zeros(mask.shape, np.uint8)
    cv2.drawContours(whole, contours, -1, 1, cv2.FILLED)
    return whole.astype(bool)


def _hull(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = np.zeros(mask.shape, np.uint8)
    cv2.fillConvexPoly(filled, cv2.convexHull(np.concatenate(contours)), 1)
    return filled.astype(bool)


def _distance(mask: NDArray[np.bool_]) -> F32:
    """Signed distance to a mask's edge; the picture's own border is no edge."""
    filled = mask.astype(np.uint8)
    outside = cv2.distanceTransform(1 - filled, cv2.DIST_L2, 5)
    inside = cv2.distanceTransform(filled, cv2.DIST_L2, 5)
    # distanceTransform counts from the neighbouring pixel's centre: half a pixel to the edge.
    return np.where(mask, 0.5 - inside, outside - 0.5).astype(np.float32)
