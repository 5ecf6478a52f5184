"""The guided filter: values that go along with a picture's edges, by linear models of its colours.

He, Sun and Tang 2013 ("Guided Image Filtering", PAMI 35:6, eq. 14 and 15), with a weight for each
pixel, and the models kept apart from the picture that they are applied to, so that those of a small
picture serve a large one (He and Sun 2015, "Fast Guided Filter", arXiv:1505.00996).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32, U8, to_float

_TINY = 1e-8
_BAND = 2**21  # pixels of a picture at a time


@dataclass(frozen=True, eq=False)
class LinearModels:
    """At each pixel, values are ``slope`` (h, w, 3) times the colour plus ``offset`` (h, w)."""

    slope: F32
    offset: F32

    def applied(self, guide: F32) -> F32:
        """Values (h, w) of a picture (h, w, 3) of the models' own size."""
        return np.einsum("hwc,hwc->hw", self.slope, guide) + self.offset

    def in_bands(self, image: U8) -> Iterator[tuple[slice, F32]]:
        """Rows and their values of a picture (h, w, 3) of any size, of which these are models."""
        height, width = image.shape[:2]
        step = max(1, _BAND // width)
        for top in range(0, height, step):
            rows = slice(top, min(height, top + step))
            yield rows, self._at(rows, height, width).applied(to_float(image[rows]))

    def _at(self, rows: slice, height: int, width: int) -> LinearModels:
        """The models of some rows of a picture that large; interpolated where it is larger."""
        if self.offset.shape == (height, width):
            return LinearModels(self.slope[rows], self.offset[rows])
        own_height, own_width = self.offset.shape
        y = (np.arange(rows.start, rows.stop) + 0.5) * own_height / height - 0.5
        x = (np.arange(width) + 0.5) * own_width / width - 0.5
        at_x, at_y = np.meshgrid(x.astype(np.float32), y.astype(np.float32))
        slope, offset = (
            np.asarray(
                cv2.remap(x, at_x, at_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE),
                np.float32,
            )
            for x in (self.slope, self.offset)
        )
        return LinearModels(slope, offset)


def linear_models(
    guide: F32, values: NDArray, weight: NDArray, *, radius: int, epsilon: float
) -> LinearModels:
    """The models of ``values`` (h, w) by ``guide`` (h, w, 3) in [0, 1] in windows of 2 r + 1.

    ``weight`` (h, w) is how much a pixel's value counts; ``epsilon`` how much the colours must
    vary, squared, for a slope.
    """
    window = (2 * radius + 1,) * 2
    # In float64: variances are differences of means, and their matrices are inverted.
    share = cv2.blur(weight.astype(np.float64), window) + _TINY

    def mean(x: NDArray) -> NDArray[np.float64]:
        return cv2.blur((x * weight).astype(np.float64), window) / share

    channels = [guide[..., index] for index in range(3)]
    means = [mean(channel) for channel in channels]
    level = mean(values)
    pairs = [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)]
    spread = [mean(channels[i] * channels[j]) - means[i] * means[j] for i, j in pairs]
    for diagonal in (0, 3, 5):
        spread[diagonal] += epsilon
    along = [mean(channels[i] * values) - means[i] * level for i in range(3)]
    slopes = _solved(spread, along)
    offset = level - sum(slope * middle for slope, middle in zip(slopes, means, strict=True))
    # A pixel lies in many windows: its model is the mean of theirs.
    *slopes, offset = (cv2.blur(x, window).astype(np.float32) for x in (*slopes, offset))
    return LinearModels(np.stack(slopes, axis=-1), offset)


def _solved(matrix: list[NDArray], right: list[NDArray]) -> list[NDArray]:
    """Symmetric 3 x 3 systems by Cramer's rule; ``matrix`` is the upper triangle by rows."""
    a, b, c, d, e, f = matrix
    adjugate = (d * f - e * e, c * e - b * f, b * e - c * d)
    middle, last = a * f - c * c, b * c - a * e
    corner = a * d - b * b
    determinant = a * adjugate[0] + b * adjugate[1] + c * adjugate[2]
    rows = (adjugate, (adjugate[1], middle, last), (adjugate[2], last, corner))
    return [sum(x * y for x, y in zip(row, right, strict=True)) / determinant for row in rows]
