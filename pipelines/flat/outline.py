"""Outlines of panels: rectangle, rounded rectangle, pill, ellipse, or whatever a region's is.

Outlines are signed distances evaluated at pixel centres, so that coverage is antialiased.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32
from layerstudio.geometry import Bounds

_CORNER_GAP = 1.0 - np.sqrt(0.5)  # of the radius, along the diagonal of a rounded corner


@dataclass(frozen=True, eq=False)
class Outline:
    """``distance`` (h, w) in pixels, negative inside, over ``bounds``."""

    shape: str
    bounds: Bounds
    distance: F32

    @property
    def coverage(self) -> F32:
        """Share of each pixel that lies inside, (h, w) in [0, 1]."""
        return np.clip(0.5 - self.distance, 0.0, 1.0)

    def inside(self, margin: float = 0.0) -> NDArray[np.bool_]:
        """Pixels at least ``margin`` inside."""
        return self.distance < -margin


def candidates(mask: NDArray[np.bool_], bounds: Bounds) -> list[Outline]:
    """Outlines of the simple shapes with the box of ``mask`` (h, w, at ``bounds``).

    ``bounds`` should leave a few pixels around the shape, where the canvas allows.
    """
    box = Bounds.of_mask(mask)
    if box.width < 6 or box.height < 6:
        return []
    shape = mask.shape
    radius = _corner_radius(mask, box)
    shortest = min(box.width, box.height)
    round_box = abs(box.width - box.height) <= 0.04 * shortest
    found = [Outline("rectangle", bounds, rounded_rectangle(shape, box, 0.0))]
    if radius > 0.2 * shortest:
        name = "circle" if round_box else "ellipse"
        found.append(Outline(name, bounds, _ellipse(shape, box)))
    if radius >= 1.5 and not (round_box and radius > 0.42 * shortest):
        pill = radius > 0.45 * shortest and not round_box
        name = "pill" if pill else "rounded rectangle"
        radius = shortest / 2 if pill else radius
        found.append(Outline(name, bounds, rounded_rectangle(shape, box, radius)))
    filled = _filled(mask)
    found.append(Outline("shape", bounds, _distance(filled)))
    found.append(Outline("polygon", bounds, _distance(_hull(filled))))
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


def _corner_radius(mask: NDArray[np.bool_], box: Bounds) -> float:
    """Median over the four corners of the radius that its diagonal gap means."""
    inner = mask[box.slices]
    reach = min(inner.shape) // 2
    radii = []
    for corner in (inner, inner[:, ::-1], inner[::-1], inner[::-1, ::-1]):
        diagonal = corner[np.arange(reach), np.arange(reach)]
        hits = np.flatnonzero(diagonal)
        if hits.size:
            radii.append(max(0.0, (hits[0] - 0.3) / _CORNER_GAP))
    # The lower median: a corner hidden by something else looks rounder, never sharper.
    return float(sorted(radii)[(len(radii) - 1) // 2]) if radii else 0.0


def _filled(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The mask without its holes."""
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = np.zeros(mask.shape, np.uint8)
    cv2.drawContours(filled, contours, -1, 1, cv2.FILLED)
    return filled.astype(bool)


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
