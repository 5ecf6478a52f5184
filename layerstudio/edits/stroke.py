"""The shape of a brush stroke: how much of the brush each pixel got.

A stroke is a round brush drawn along straight lines between points. A pixel gets the most that
any place of the brush on its way gives it, not the sum, so that a stroke is even and does not
depend on how many points describe it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32
from layerstudio.edits.checks import FARTHEST, number
from layerstudio.errors import InvalidRequest
from layerstudio.geometry import Bounds

_MOST_POINTS = 20_000
_FINEST, _COARSEST = 0.02, 0.3  # pixels by which a simplified path may miss a point
_COARSENESS = 0.003  # of the radius, in between
_SMOOTH = 16  # pixels of falloff: a wider one is drawn smaller and enlarged


@dataclass(frozen=True, eq=False)
class Stroke:
    """``path`` (n, 3): x, y and the brush's radius there, in canvas pixels; ``hardness`` 0 to 1.

    The brush gives 1 up to ``hardness`` of its radius and falls smoothly to 0 at its edge, over at
    least one pixel.
    """

    path: NDArray[np.float64]
    hardness: float

    @classmethod
    def through(cls, points: Sequence[Sequence[float]], radius: float, hardness: float) -> Stroke:
        """A stroke through (x, y) or (x, y, pressure); pressure 0 to 1 scales the radius."""
        if not isinstance(points, Sequence) or not 1 <= len(points) <= _MOST_POINTS:
            raise InvalidRequest(f"A stroke has 1 to {_MOST_POINTS:,} points.")
        path = np.array([_point(point) for point in points])
        path[:, 2] *= radius
        tolerance = min(_COARSEST, max(_FINEST, _COARSENESS * radius))
        return cls(_simplified(path, tolerance), hardness)

    @property
    def bounds(self) -> Bounds:
        """All that the brush can touch."""
        reach = self.path[:, 2:] + 1
        low = np.floor((self.path[:, :2] - reach).min(axis=0)).astype(int)
        high = np.ceil((self.path[:, :2] + reach).max(axis=0)).astype(int)
        return Bounds.from_edges(int(low[0]), int(low[1]), int(high[0]), int(high[1]))

    def at(self, place: Bounds) -> F32:
        """(h, w) in [0, 1] at ``place``."""
        shrink = self._shrink()
        width, height = -(-place.width // shrink), -(-place.height // shrink)
        values = np.zeros((height, width), np.float32)
        path = self.path.copy()
        path[:, :2] -= (place.x, place.y)
        for start, end in pairwise(path if len(path) > 1 else np.repeat(path, 2, axis=0)):
            _draw(values, start / shrink, end / shrink, self.hardness, 1 / shrink)
        if shrink > 1:
            values = _enlarged(values, shrink)[: place.height, : place.width]
        # Smoothstep, which is monotonic, so that it may follow the maximum.
        return values * values * (3 - 2 * values)

    def _shrink(self) -> int:
        """How many times smaller a soft stroke may be drawn without a visible difference."""
        thinnest = float(self.path[:, 2].min()) * (1 - self.hardness)
        return max(1, int(thinnest / _SMOOTH))


def _point(point: Sequence[float]) -> tuple[float, float, float]:
    if not isinstance(point, Sequence) or len(point) not in (2, 3):
        raise InvalidRequest("A point of a stroke is x, y and maybe the pressure.")
    x = number(point[0], "x", -FARTHEST, FARTHEST)
    y = number(point[1], "y", -FARTHEST, FARTHEST)
    return x, y, number(point[2], "Pressure", 0, 1) if len(point) == 3 else 1.0


def _draw(values: F32, start: NDArray, end: NDArray, hardness: float, pixel: float) -> None:
    """Raise ``values`` to what the brush gives on its way from ``start`` to ``end``.

    Both are x, y, radius in pixels of ``values``, in which a pixel of the canvas is ``pixel`` wide.
    """
    reach = max(start[2], end[2]) + pixel
    left = max(0, math.floor(min(start[0], end[0]) - reach))
    top = max(0, math.floor(min(start[1], end[1]) - reach))
    right = min(values.shape[1], math.ceil(max(start[0], end[0]) + reach))
    bottom = min(values.shape[0], math.ceil(max(start[1], end[1]) + reach))
    if left >= right or top >= bottom:
        return
    xs = (np.arange(left, right) + 0.5 - start[0]).astype(np.float32)[None, :]
    ys = (np.arange(top, bottom) + 0.5 - start[1]).astype(np.float32)[:, None]
    dx, dy, growth = (float(value) for value in end - start)
    length = max(dx * dx + dy * dy, 1e-12)
    along = np.clip(xs * np.float32(dx / length) + ys * np.float32(dy / length), 0, 1)
    away = cv2.magnitude(xs - along * np.float32(dx), ys - along * np.float32(dy))
    radius = np.float32(start[2]) + (along * np.float32(growth) if growth else np.float32(0))
    outer = radius + np.minimum(np.float32(pixel / 2), radius)
    falloff = np.maximum(radius * np.float32(1 - hardness), np.float32(pixel))
    window = values[top:bottom, left:right]
    np.maximum(window, np.clip((outer - away) / falloff, 0, 1), out=window)


def _enlarged(values: F32, times: int) -> F32:
    height, width = values.shape
    size = (width * times, height * times)
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_LINEAR), np.float32)


def _simplified(path: NDArray[np.float64], tolerance: float) -> NDArray[np.float64]:
    """The path without points that lie within ``tolerance`` of the line that is left (Douglas and
    Peucker 1973), in x, y and radius."""
    keep = np.zeros(len(path), bool)
    keep[[0, -1]] = True
    spans = [(0, len(path) - 1)]
    while spans:
        first, last = spans.pop()
        if last - first < 2:
            continue
        distance = _distances(path[first + 1 : last], path[first], path[last])
        farthest = first + 1 + int(np.argmax(distance))
        if distance.max() > tolerance:
            keep[farthest] = True
            spans += [(first, farthest), (farthest, last)]
    return path[keep]


def _distances(points: NDArray, start: NDArray, end: NDArray) -> NDArray:
    """Of ``points`` (n, 3) from the line between two others."""
    line = end - start
    along = np.clip((points - start) @ line / max(float(line @ line), 1e-12), 0, 1)
    return np.linalg.norm(points - start - along[:, None] * line, axis=1)
