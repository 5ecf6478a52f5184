"""Large places worked piece by piece, so that memory does not grow with the picture."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from layerstudio.geometry import Bounds, Extent

SIDE = 1024  # pixels of a tile; what mattes and estimators hold for each is some 100 bytes a pixel


class Tile(NamedTuple):
    """``core`` is worked out from what is seen in ``window``; both are places on the picture."""

    core: Bounds
    window: Bounds

    @property
    def inner(self) -> tuple[slice, slice]:
        """Index of the core in an array of the window."""
        return self.core.relative_to(self.window).slices


def tiles_of(place: Bounds, extent: Extent, margin: int, side: int = SIDE) -> Iterator[Tile]:
    """Cores that cover ``place`` once, of equal size up to a pixel, row by row; windows have
    ``margin`` more on each side, as far as the picture goes."""
    for top, bottom in _cuts(place.y, place.bottom, side):
        for left, right in _cuts(place.x, place.right, side):
            core = Bounds.from_edges(left, top, right, bottom)
            yield Tile(core, core.padded(margin).clamped(extent))


def _cuts(start: int, stop: int, side: int) -> list[tuple[int, int]]:
    count = max(1, -(-(stop - start) // side))
    edges = [start + (stop - start) * index // count for index in range(count + 1)]
    return list(pairwise(edges))
