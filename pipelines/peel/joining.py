"""Pieces of a drawing joined until only borders are left between them."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from layerstudio.pipelines.peel.odds import log_odds
from layerstudio.pipelines.peel.reading import Mask, Sight

Points = NDArray[np.intp]
Pair = tuple[int, int]

# Of a contact's ``features``: above 0 it parts two drawings. By training/peel_joining.py.
_WEIGHTS = (-2.77, 0.80, -0.02, 0.82, 2.00, 1.99)
_FLOOR = 0.01  # of a probability in a logarithm
_NEAR = 0.05  # of a distance in a logarithm
_MIN_PIECE = 0.004  # of the canvas
_MIN_SHARE = 0.04  # of the drawing
_MIN_ALONE = 0.15  # of the largest piece, for one that touches no other


@dataclass(frozen=True)
class Contact:
    """Where two pieces meet: the ``border`` summed along its ``length`` in pixels; the areas of the
    ``smaller`` and the ``larger`` piece, in pixels, of a canvas of ``canvas`` pixels; the
    ``difference`` of their mean colours in [0, 1]; and how far ``apart`` the middles are that the
    two point to, in pixels."""

    border: float
    length: int
    smaller: int
    larger: int
    difference: float
    apart: float
    canvas: int

    def features(self) -> tuple[float, ...]:
        """1; the log odds of a border; the logarithms of both areas, in four hundredths of the
        canvas; the difference; the logarithm of how far apart the middles are, in roots of both
        areas together."""
        mean = self.border / self.length
        odds = math.log((mean + _FLOOR) / (1 - mean + _FLOOR))
        areas = (math.log(400 * max(1, n) / self.canvas) for n in (self.smaller, self.larger))
        apart = math.log(_NEAR + self.apart / math.sqrt(self.smaller + self.larger + 1))
        return 1.0, odds, *areas, self.difference, apart

    def doubt(self) -> float:
        """Log odds that it parts two drawings."""
        return log_odds(_WEIGHTS, self.features())


def joined(labels: NDArray[np.int32], body: Mask, sight: Sight, canvas: int) -> NDArray[np.int32]:
    """Numbers (h, w) from 0 of the drawings that the pieces ``labels`` (h, w), from 1, make up.

    The two that are most surely one are joined first, until any two that are left are rather two;
    then small pieces join the neighbour that they are most likely one with, and those without
    neighbours, as an ear-ring, the largest. ``canvas`` is in pixels.
    """
    graph = PieceGraph(labels, body, sight, canvas)
    graph.join_while(lambda contact: contact.doubt() < 0)
    least = max(_MIN_PIECE * canvas, _MIN_SHARE * np.count_nonzero(body))
    graph.join_while(lambda contact: contact.smaller < least)
    graph.collect(_MIN_ALONE)
    _, numbers = np.unique(graph.roots(), return_inverse=True)
    return np.asarray(numbers, np.int32)[labels - 1]


def contacts(labels: NDArray[np.int32], body: Mask) -> dict[Pair, Points]:
    """For each pair of numbers (h, w) that meet within ``body``, rows and columns of where."""
    found: dict[Pair, list[Points]] = {}
    inside = np.where(body, labels, -1)
    for one, other in ((inside[:, :-1], inside[:, 1:]), (inside[:-1], inside[1:])):
        rows, cols = np.nonzero((one != other) & (one >= 0) & (other >= 0))
        a, b = one[rows, cols], other[rows, cols]
        low, high = np.minimum(a, b), np.maximum(a, b)
        for first, second in np.unique(np.stack([low, high], 1), axis=0):
            hit = (low == first) & (high == second)
            place = np.stack([rows[hit], cols[hit]])
            found.setdefault((int(first), int(second)), []).append(place)
    return {pair: np.concatenate(parts, axis=1) for pair, parts in sorted(found.items())}


class PieceGraph:
    """Pieces, numbered from 1, and their contacts."""

    def __init__(self, labels: NDArray[np.int32], body: Mask, sight: Sight, canvas: int) -> None:
        count = int(labels.max()) + 1
        own = labels[body]
        rows, cols = np.nonzero(body)
        across, down = sight.away
        seen = [*sight.colour[body].T, across[body] + cols, down[body] + rows]
        self.areas = np.bincount(own, minlength=count)
        # For each piece the sums of its colours, and of the middles that it points to.
        self._sums = np.stack([np.bincount(own, values, count) for values in seen], axis=1)
        self._canvas = canvas
        self._root = np.arange(count)
        # For each piece and neighbour the sum of border along their contact, and its length.
        self._along: list[dict[int, tuple[float, int]]] = [{} for _ in range(count)]
        wide = cv2.dilate(sight.border, np.ones((5, 5), np.uint8))  # it may lie a little beside
        for (one, other), (rows, cols) in contacts(labels, body).items():
            self._along[one][other] = float(wide[rows, cols].sum()), len(rows)
            self._along[other][one] = self._along[one][other]

    def pairs(self) -> list[Pair]:
        """Those that meet, each the lower number first."""
        return [
            (one, other) for one, near in enumerate(self._along) for other in near if one < other
        ]

    def contact(self, one: int, other: int) -> Contact:
        """Raises ``KeyError`` where they do not meet."""
        total, length = self._along[one][other]
        means = self._sums[[one, other]] / np.maximum(self.areas[[one, other]], 1)[:, None]
        off = means[0] - means[1]
        difference = float(np.abs(off[:3]).mean()) / 255
        smaller, larger = sorted((int(self.areas[one]), int(self.areas[other])))
        apart = math.hypot(*off[3:])
        return Contact(total, length, smaller, larger, difference, apart, self._canvas)

    def join_while(self, wanted: Callable[[Contact], bool]) -> None:
        """Join pairs of which ``wanted`` holds, those that are most surely one first."""
        heap: list[tuple[float, int, int]] = []

        def offer(one: int, other: int) -> None:
            contact = self.contact(one, other)
            if wanted(contact):
                heapq.heappush(heap, (contact.doubt(), min(one, other), max(one, other)))

        for pair in self.pairs():
            offer(*pair)
        while heap:
            doubt, kept, gone = heapq.heappop(heap)
            if gone not in self._along[kept] or self.contact(kept, gone).doubt() != doubt:
                continue  # joined already, or changed since and offered anew
            self._join(kept, gone)
            for other in self._along[kept]:
                offer(kept, other)

    def _join(self, kept: int, gone: int) -> None:
        for totals in (self.areas, self._sums):
            totals[kept] += totals[gone]
            totals[gone] = 0
        self._root[self._root == gone] = kept
        del self._along[kept][gone], self._along[gone][kept]
        for other, (total, length) in self._along[gone].items():
            more, longer = self._along[kept].get(other, (0.0, 0))
            self._along[kept][other] = (total + more, length + longer)
            self._along[other][kept] = self._along[kept][other]
            del self._along[other][gone]
        self._along[gone] = {}

    def collect(self, share: float) -> None:
        """Pieces without neighbours that have less than ``share`` of the largest one's area join
        that one."""
        largest = int(np.argmax(self.areas))
        for label in np.flatnonzero(self.areas < share * self.areas[largest]):
            if not self._along[label]:
                self._root[self._root == label] = largest

    def roots(self) -> NDArray[np.intp]:
        """(n,): what each piece belongs to."""
        return self._root[1:]
