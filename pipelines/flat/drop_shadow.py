"""A drop shadow in four numbers, and those numbers from the part of it that shows.

Most of a shadow lies beneath what throws it. What shows is the tail of a blurred edge, whose form
tells offset, blur and opacity apart, if nothing else is taken for it: the first pixels beside the
caster belong to its own soft edge, and the faintest ones count as much as the dark.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from layerstudio.color import F32

_WHOLE = 0.999  # share of a shrunk pixel that must be known
_OUTLIER = 0.01  # opacity from which an error counts by its size, no more by its square (Huber)
_REWEIGHTED = 4  # rounds in which the best opacity is found
# Where the search begins: blurs in shares of the longer side, offsets in shares of the blur.
_BLURS = (0.012, 0.025, 0.045)
_OFFSETS = ((0.0, 0.5), (0.5, 1.0), (-0.4, 1.0), (1.2, 1.2), (0.3, 1.6), (0.0, 1.6), (0.0, -1.0))
_SHARP = 0.3  # pixels of a blur that is none
_SEEN = 0.02  # opacity from which an error matters
_LEAST_SEEN = 12  # shrunk pixels where it does


class _Level(NamedTuple):
    """``side`` is the longer one, in pixels."""

    side: int
    evaluations: int


_ROUGH, _FINE = _Level(96, 80), _Level(160, 70)


@dataclass(frozen=True)
class DropShadow:
    """``dx``, ``dy`` and ``sigma`` in pixels, ``opacity`` 0..1 of the caster's alpha."""

    dx: float
    dy: float
    sigma: float
    opacity: float

    def cast(self, caster: NDArray[np.floating]) -> F32:
        """Alpha of the shadow of ``caster`` (h, w), over the same rectangle."""
        move = np.array([[1, 0, self.dx], [0, 1, self.dy]], np.float32)
        size = (caster.shape[1], caster.shape[0])
        moved = cv2.warpAffine(caster, move, size, flags=cv2.INTER_LINEAR)
        if self.sigma > _SHARP:
            moved = cv2.GaussianBlur(moved, (0, 0), self.sigma, borderType=cv2.BORDER_CONSTANT)
        return np.clip(self.opacity * moved, 0.0, 1.0).astype(np.float32)


def fit_drop_shadow(
    silhouette: F32, seen: F32, known: NDArray[np.bool_]
) -> tuple[DropShadow, float]:
    """The drop shadow of ``silhouette`` that best explains the opacity ``seen`` where it is
    ``known``, all (h, w), and its mean error where either is dark; 1 where too little of it shows.

    ``known`` should leave out the soft edges of what covers the shadow.
    """
    rough = _Fit(silhouette, seen, known, _ROUGH.side)
    fine = _Fit(silhouette, seen, known, _FINE.side)
    found = rough.refined(rough.best_start(), _ROUGH.evaluations)
    found = fine.refined(found, _FINE.evaluations)
    return fine.shadow(found), fine.error(found)


class _Fit:
    """The problem at one size; numbers are (dx, dy, sigma) in pixels of the full size."""

    def __init__(self, silhouette: F32, seen: F32, known: NDArray[np.bool_], side: int) -> None:
        height, width = silhouette.shape
        self._longer = max(height, width)
        self._scale = min(1.0, side / self._longer)
        self._size = (max(8, round(width * self._scale)), max(8, round(height * self._scale)))
        self._silhouette = self._shrunk(silhouette)
        whole = self._shrunk(known.astype(np.float32)) > _WHOLE
        self._weight = whole.astype(np.float32)
        self._target = np.where(whole, self._shrunk(np.where(known, seen, 0)), 0).astype(np.float32)

    def _shrunk(self, values: NDArray[np.floating]) -> F32:
        small = cv2.resize(values, self._size, interpolation=cv2.INTER_AREA)
        return np.asarray(small, np.float32)

    def best_start(self) -> NDArray[np.float64]:
        starts = [
            np.array([dx * sigma, dy * sigma, sigma])
            for sigma in (share * self._longer for share in _BLURS)
            for dx, dy in _OFFSETS
        ]
        return min(starts, key=self._cost)

    def refined(self, start: NDArray[np.float64], evaluations: int) -> NDArray[np.float64]:
        step = max(1.0, 0.4 * start[2])
        simplex = start + step * np.vstack([np.zeros(3), np.eye(3)])
        options = {"maxfev": evaluations, "xatol": 0.05, "fatol": 1e-3, "initial_simplex": simplex}
        found = minimize(self._cost, start, method="Nelder-Mead", options=options)
        return np.asarray(found.x, np.float64)

    def shadow(self, numbers: NDArray[np.float64]) -> DropShadow:
        dx, dy, sigma = (float(number) for number in numbers)
        return DropShadow(dx, dy, abs(sigma), self._opacity(self._moved(numbers)))

    def error(self, numbers: NDArray[np.float64]) -> float:
        moved = self._moved(numbers)
        shown = self._opacity(moved) * moved
        matters = self._weight * ((self._target > _SEEN) | (shown > _SEEN))
        count = float(matters.sum())
        if 0 < count < _LEAST_SEEN:
            return 1.0
        return float((matters * np.abs(shown - self._target)).sum()) / max(count, 1.0)

    def _cost(self, numbers: NDArray[np.float64]) -> float:
        moved = self._moved(numbers)
        off = np.abs(self._opacity(moved) * moved - self._target) / _OUTLIER
        huber = np.where(off < 1, 0.5 * off * off, off - 0.5)
        return float((self._weight * huber).sum())

    def _moved(self, numbers: NDArray[np.float64]) -> F32:
        dx, dy, sigma = numbers * self._scale
        return DropShadow(dx, dy, abs(sigma), 1.0).cast(self._silhouette)

    def _opacity(self, moved: F32) -> float:
        """The best one, by least squares that are repeated with less weight on outliers."""
        weight, opacity = self._weight, 0.0
        for _ in range(_REWEIGHTED):
            power = float((weight * moved * moved).sum())
            if power < 1e-6:
                return 0.0
            opacity = float((weight * moved * self._target).sum()) / power
            off = np.abs(opacity * moved - self._target)
            weight = self._weight / np.maximum(1, off / np.float32(_OUTLIER))
        return float(np.clip(opacity, 0, 1))
