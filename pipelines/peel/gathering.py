"""Loose parts of one drawing gathered: they do not touch, but what they show belongs to one middle,
as the flames above a candle do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from layerstudio.color import F32
from layerstudio.geometry import Bounds
from layerstudio.pipelines.flat.element import Element
from layerstudio.pipelines.peel.odds import log_odds
from layerstudio.pipelines.peel.reading import Mask, Reading

# Of ``Pair.features``: above 0 both are one drawing. By training/peel_joining.py.
_WEIGHTS = (1.11, -1.06, 2.56, 0.82, 0.31)
_NEAR = 0.05  # of a distance in a logarithm
_MOST_GAP = 0.1  # of a side of the square canvas, between the boxes of parts

Point = tuple[float, float]


@dataclass(frozen=True)
class Part:
    """What is seen of something drawn: its box, its area in pixels, its own ``centre`` and the
    ``middle`` that it points to, both (x, y)."""

    bounds: Bounds
    area: int
    centre: Point
    middle: Point

    @classmethod
    def of(cls, bounds: Bounds, mask: Mask, away: F32) -> Part:
        """Of a ``mask`` (h, w) that is not empty; ``away`` (2, h, w) over the ``bounds``."""
        rows, cols = np.nonzero(mask)
        centre = bounds.x + float(cols.mean()), bounds.y + float(rows.mean())
        across, down = (float(values[mask].mean()) for values in away)
        return cls(bounds, len(rows), centre, (centre[0] + across, centre[1] + down))


@dataclass(frozen=True)
class Pair:
    """Two parts of a canvas of ``canvas`` pixels."""

    one: Part
    other: Part
    canvas: int

    def features(self) -> tuple[float, ...]:
        """1; the logarithms of how far apart the middles of both are, in roots of their areas
        together, of how far the smaller's is from its own centre, in roots of its area, of its
        share in the larger's area, and of the gap between the boxes in sides of the canvas."""
        small, large = sorted((self.one, self.other), key=lambda part: part.area)
        apart = math.dist(small.middle, large.middle) / math.sqrt(small.area + large.area)
        off = math.dist(small.middle, small.centre) / math.sqrt(small.area)
        gap = gap_between(small.bounds, large.bounds) / math.sqrt(self.canvas)
        share = math.log(small.area / large.area)
        return 1.0, math.log(_NEAR + apart), math.log(_NEAR + off), share, math.log(_NEAR + gap)

    def likeness(self) -> float:
        """Log odds that both are one drawing."""
        return log_odds(_WEIGHTS, self.features())

    @property
    def is_near(self) -> bool:
        """Whether they are close enough to be asked about."""
        return gap_between(self.one.bounds, self.other.bounds) <= _MOST_GAP * self.canvas**0.5


def gap_between(one: Bounds, other: Bounds) -> float:
    """Pixels between two boxes; 0 where they meet."""
    across = max(one.x - other.right, other.x - one.right, 0)
    down = max(one.y - other.bottom, other.y - one.bottom, 0)
    return math.hypot(across, down)


def gathered(items: Sequence[Element], reading: Reading) -> list[Element]:
    """``items`` bottom to top, drawings among them that are one joined, the likeliest first, in the
    place of the larger."""
    found = list(items)
    parts = {
        number: _part(item, reading)
        for number, item in enumerate(items)
        if item.shape == "drawing" and item.alpha.any()
    }
    joined: set[int] = set()
    while (pair := _likeliest(parts, reading.border.size)) is not None:
        kept, gone = sorted(pair, key=lambda number: -parts[number].area)
        found[kept] = _union(found[kept], found[gone])
        parts[kept] = _part(found[kept], reading)
        del parts[gone]
        joined.add(gone)
    return [item for number, item in enumerate(found) if number not in joined]


def _likeliest(parts: dict[int, Part], canvas: int) -> tuple[int, int] | None:
    """The numbers of the two that are most likely one drawing; None where no two are."""
    best, which = 0.0, None
    for first, second in combinations(parts, 2):
        pair = Pair(parts[first], parts[second], canvas)
        if pair.is_near and (likeness := pair.likeness()) > best:
            best, which = likeness, (first, second)
    return which


def _part(item: Element, reading: Reading) -> Part:
    mask = item.alpha >= 0.5 * item.alpha.max()
    return Part.of(item.bounds, mask, reading.away[(slice(None), *item.bounds.slices)])


def _union(one: Element, other: Element) -> Element:
    """Both in one element."""
    bounds = one.bounds.union(other.bounds)
    alpha = np.zeros(bounds.extent.shape, np.float32)
    colour = np.zeros((*alpha.shape, 3), np.float32)
    for item in (one, other):
        view = item.bounds.relative_to(bounds).slices
        more = item.alpha > alpha[view]
        alpha[view][more] = item.alpha[more]
        colour[view][more] = item.colour[more]
    return replace(one, bounds=bounds, alpha=alpha, colour=colour)
