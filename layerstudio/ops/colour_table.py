"""Functions of colour as tables: solved where a picture has colours, interpolated between."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32

_CELLS = 32  # along each channel: 8 levels of 8 bits


class ColourTable:
    """A map from colours to (m,) values, trilinear between the corners of 32 cells a channel."""

    def __init__(self) -> None:
        self._seen = np.zeros((_CELLS,) * 3, bool)
        self._values = np.zeros(((_CELLS + 1) ** 3, 0), np.float32)

    def note(self, colours: F32) -> None:
        """Colours (n, 3) in [0, 1] that will be asked for."""
        red, green, blue = _cells(colours)[0].T
        self._seen[red, green, blue] = True

    def solve(self, function: Callable[[F32], F32]) -> None:
        """Set the values that ``function`` (n, 3) -> (n, m) has at the corners of all cells seen."""
        corners = np.zeros((_CELLS + 1,) * 3, bool)
        for red, green, blue in np.ndindex(2, 2, 2):
            cells = (slice(red, red + _CELLS), slice(green, green + _CELLS))
            corners[(*cells, slice(blue, blue + _CELLS))] |= self._seen
        wanted = np.argwhere(corners)
        found = function((wanted / _CELLS).astype(np.float32))
        self._values = np.zeros((corners.size, found.shape[1]), np.float32)
        self._values[np.flatnonzero(corners)] = found

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


def _cells(colours: F32) -> tuple[NDArray[np.intp], F32]:
    """The cell (n, 3) of each colour, and its place in it, in [0, 1]."""
    scaled = np.clip(colours, 0, 1) * np.float32(_CELLS)
    cells = np.minimum(scaled.astype(np.intp), _CELLS - 1)
    return cells, scaled - cells
