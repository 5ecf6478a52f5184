"""Functions of colour as tables: solved where a picture has colours, interpolated between."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve1d

from layerstudio.color import F32

_CELLS = 32  # along each channel: 8 levels of 8 bits


class ColourTable:
    """A map from colours to (m,) values, trilinear between the corners of 32 cells a channel."""

    def __init__(self) -> None:
        self._seen = np.zeros((_CELLS,) * 3, np.int64)  # colours noted in each cell
        self._values = np.zeros(((_CELLS + 1) ** 3, 0), np.float32)

    def note(self, colours: F32) -> None:
        """Colours (n, 3) in [0, 1] that will be asked for."""
        cells = np.ravel_multi_index(tuple(_cells(colours)[0].T), self._seen.shape)
        self._seen += np.bincount(cells, minlength=self._seen.size).reshape(self._seen.shape)

    def solve(self, function: Callable[[F32], F32]) -> None:
        """Set the values of ``function``, (n, 3) -> (n, m), at the corners of all cells seen."""
        near = self._near()
        found = function((np.argwhere(near) / _CELLS).astype(np.float32))
        self._values = np.zeros((near.size, found.shape[1]), np.float32)
        self._values[near.ravel() > 0] = found

    def evened(self, passes: int) -> ColourTable:
        """A table without the jumps between neighbouring colours that answers of problems with
        several minima have. A colour that many pixels have counts as many times: flat ones stay."""
        near = self._near()
        shape = (*near.shape, self._values.shape[1])
        weight = near[..., None].astype(np.float64)
        values, share = self._values.reshape(shape), _blurred(weight)
        for _ in range(passes):
            total = _blurred(values * weight)
            values = np.divide(total, share, out=np.zeros_like(total), where=weight > 0)
        result = ColourTable()
        result._seen = self._seen
        result._values = values.reshape(-1, shape[-1]).astype(np.float32)
        return result

    def _near(self) -> NDArray[np.int64]:
        """(33, 33, 33): how many colours were noted in the cells around each corner."""
        near = np.zeros((_CELLS + 1,) * 3, np.int64)
        for red, green, blue in np.ndindex(2, 2, 2):
            cells = (slice(red, red + _CELLS), slice(green, green + _CELLS))
            near[(*cells, slice(blue, blue + _CELLS))] += self._seen
        return near

    def at(self, colours: F32) -> F32:
        """(n, m) at (n, 3) colours that were noted."""
        cells, share = _cells(colours)
        side = _CELLS + 1
        first = (cells[:, 0] * side + cells[:, 1]) * side + cells[:, 2]
        result = np.zeros((len(colours), self._values.shape[1]), np.float32)
        for red, green, blue in np.ndindex(2, 2, 2):
            weight = np.ones(len(colours), np.float32)
            for channel, upper in enumerate((red, green, blue)):
                weight *= share[:, channel] if upper else 1 - share[:, channel]
            corner = self._values[first + (red * side + green) * side + blue]
            result += weight[:, None] * corner
        return result


def _blurred(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The binomial 1 2 1 along red, green and blue."""
    for axis in range(3):
        values = convolve1d(values, [0.25, 0.5, 0.25], axis=axis, mode="constant")
    return values


def _cells(colours: F32) -> tuple[NDArray[np.intp], F32]:
    """The cell (n, 3) of each colour, and its place in it, in [0, 1]."""
    scaled = np.clip(colours, 0, 1) * np.float32(_CELLS)
    cells = np.minimum(scaled.astype(np.intp), _CELLS - 1)
    return cells, scaled - cells
