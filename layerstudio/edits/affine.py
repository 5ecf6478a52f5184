"""Affine maps of the canvas: x' = a x + c y + e, y' = b x + d y + f.

Coordinates are continuous, in canvas pixels: pixel (i, j) covers [i, i + 1] x [j, j + 1], so that
its centre is at half a pixel and a flip about a line between pixels is exact.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from layerstudio.edits.checks import FARTHEST, number
from layerstudio.errors import InvalidRequest
from layerstudio.geometry import Bounds

# A map this near to whole pixels was meant to be: it moves no pixel by a hundredth of its size.
_EXACT = 1e-6
_LARGEST_SCALE = 1e4
_SMALLEST_AREA = 1e-8  # of a unit square


class Affine(NamedTuple):
    """The six numbers of an affine map, in the order of SVG's and the canvas element's matrix."""

    a: float
    b: float
    c: float
    d: float
    e: float
    f: float

    @property
    def linear(self) -> NDArray[np.float64]:
        """(2, 2)."""
        return np.array([[self.a, self.c], [self.b, self.d]])

    @property
    def matrix(self) -> NDArray[np.float64]:
        """(3, 3), for columns (x, y, 1)."""
        return np.array([[self.a, self.c, self.e], [self.b, self.d, self.f], [0, 0, 1]])

    @property
    def is_grid(self) -> bool:
        """Whether pixels go onto pixels: whole moves, flips and quarter turns."""
        values = np.array(self)
        whole = np.abs(values - np.rint(values)).max() < _EXACT
        return bool(whole and np.array_equal(np.abs(np.rint(self.linear)).sum(axis=0), (1, 1)))

    @property
    def is_upright(self) -> bool:
        """Whether the axes stay where they are and point the same way: scale and move only."""
        return abs(self.b) < _EXACT and abs(self.c) < _EXACT and self.a > 0 and self.d > 0

    def of(self, x: float, y: float) -> tuple[float, float]:
        return self.a * x + self.c * y + self.e, self.b * x + self.d * y + self.f

    def rounded(self) -> Affine:
        return Affine(*(float(round(value)) for value in self))

    def bounds_of(self, bounds: Bounds) -> Bounds:
        """The smallest rectangle of whole pixels around the image of ``bounds``."""
        corners = [
            self.of(x, y) for x in (bounds.x, bounds.right) for y in (bounds.y, bounds.bottom)
        ]
        xs, ys = zip(*corners, strict=True)
        return Bounds.from_edges(
            math.floor(min(xs) + _EXACT),
            math.floor(min(ys) + _EXACT),
            math.ceil(max(xs) - _EXACT),
            math.ceil(max(ys) - _EXACT),
        )


def affine(matrix: Sequence[float]) -> Affine:
    """The map of six numbers (a, b, c, d, e, f).

    Raises ``InvalidRequest`` if they are not, if the map flattens everything to a line, or if it is
    larger than anything a canvas can show.
    """
    if not isinstance(matrix, Sequence | np.ndarray) or len(matrix) != 6:
        raise InvalidRequest("A transform needs six numbers a, b, c, d, e and f.")
    linear = [number(value, "A scale", -_LARGEST_SCALE, _LARGEST_SCALE) for value in matrix[:4]]
    shift = [number(value, "A shift", -10 * FARTHEST, 10 * FARTHEST) for value in matrix[4:]]
    made = Affine(*linear, *shift)
    if abs(made.a * made.d - made.b * made.c) < _SMALLEST_AREA:
        raise InvalidRequest("This transform would flatten the layer to nothing.")
    return made


def flip_about(bounds: Bounds, axis: str) -> Affine:
    """``axis`` horizontal swaps left and right, vertical top and bottom, within ``bounds``."""
    if axis == "horizontal":
        return Affine(-1, 0, 0, 1, bounds.x + bounds.right, 0)
    return Affine(1, 0, 0, -1, 0, bounds.y + bounds.bottom)


def turn_about(bounds: Bounds, turns: int) -> Affine:
    """``turns`` quarters clockwise about the middle of ``bounds``, onto whole pixels.

    Where that is half a pixel off, it is rounded towards zero, so that turning back undoes it.
    """
    if turns % 4 == 0:
        return Affine(1, 0, 0, 1, 0, 0)
    if turns % 4 == 2:
        return Affine(-1, 0, 0, -1, bounds.x + bounds.right, bounds.y + bounds.bottom)
    left = bounds.x + int((bounds.width - bounds.height) / 2)
    top = bounds.y + int((bounds.height - bounds.width) / 2)
    if turns % 4 == 1:  # the left edge becomes the top, the bottom the left
        return Affine(0, 1, -1, 0, left + bounds.bottom, top - bounds.x)
    return Affine(0, -1, 1, 0, left - bounds.y, top + bounds.right)
