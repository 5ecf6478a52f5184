"""Pieces of a drawing joined until only borders are left between them."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32
from layerstudio.pipelines.peel.reading import Mask

Points = NDArray[np.intp]
Pair = tuple[int, int]

# Of a contact's ``features``: above 0 it parts two drawings. By training/peel_joining.py.
_WEIGHTS = (0.0, 1.0, 0.0)
_FLOOR = 0.01  # of a probability in a logarithm
_MIN_PIECE = 0.004  # of the canvas
_MIN_SHARE = 0.04  # of the drawing
_MIN_ALONE = 0.15  # of the largest piece, for one that touches no other


@dataclass(frozen=True)
class Contact:
    """Where two pieces meet: the ``border`` summed along its ``length`` in pixels, and the area of
    the ``smaller`` piece."""

    border: float
    length: int
    smaller: int

    def features(self) -> tuple[float, float, float]:
        """1, the log odds of a border, and how wide the contact is for the smaller piece: things
        that touch often do so at a narrow place."""
        mean = self.border / self.length
        odds = math.log((mean + _FLOOR) / (1 - mean + _FLOOR))
        return 1.0, odds, math.log(self.length / math.sqrt(max(1, self.smaller)))

    def doubt(self) -> float:
        """Log odds that it parts two drawings."""
        return sum(weight * value for weight, value in zip(_WEIGHTS, self.features(), strict=True))


def widened(border: F32) -> F32:
    """``border`` (h, w) reaching a little beyond itself, since it may lie beside a contact."""
    return np.asarray(cv2.dilate(border, np.ones((5, 5), np.uint8)), np.float32)


def measured(wide: F32, place: Points, smaller: int) -> Contact:
    """The contact at ``place`` (2, n), of pieces of which one has ``smaller`` pixels; ``wide``
    (h, w) is the ``widened`` border."""
    rows, cols = place
    return Contact(float(wide[rows, cols].sum()), len(rows), smaller)


def joined(labels: NDArray[np.int32], body: Mask, border: F32, canvas: int) -> NDArray[np.int32]:
    """Numbers (h, w) from 0 of the drawings that the pieces ``labels`` (h, w), from 1, make up.

    The two that are most surely one are joined first, until any two that are left are rather two;
    then small pieces join the neighbour that they are most likely one with, and those without
    neighbours, as an ear-ring, the largest. ``canvas`` is in pixels.
    """
    graph = _Graph(labels, body, border)
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


class _Graph:
    """Pieces, numbered from 1, and the border along each contact of two."""

    def __init__(self, labels: NDArray[np.int32], body: Mask, border: F32) -> None:
        self._areas = np.bincount(labels[body], minlength=int(labels.max()) + 1)
        self._root = np.arange(len(self._areas))
        # For each piece and neighbour the sum of border along their contact, and its length.
        self._along: list[dict[int, tuple[float, int]]] = [{} for _ in self._areas]
        wide = widened(border)
        for (one, other), (rows, cols) in contacts(labels, body).items():
            self._along[one][other] = float(wide[rows, cols].sum()), len(rows)
            self._along[other][one] = self._along[one][other]

    def _contact(self, one: int, other: int) -> Contact:
        total, length = self._along[one][other]
        return Contact(total, length, int(min(self._areas[one], self._areas[other])))

    def join_while(self, wanted: Callable[[Contact], bool]) -> None:
        """Join pairs of which ``wanted`` holds, those that are most surely one first."""
        heap: list[tuple[float, int, int]] = []

        def offer(one: int, other: int) -> None:
            contact = self._contact(one, other)
            if wanted(contact):
                heapq.heappush(heap, (contact.doubt(), min(one, other), max(one, other)))

        for one, neighbours in enumerate(self._along):
            for other in neighbours:
                if one < other:
                    offer(one, other)
        while heap:
            doubt, kept, gone = heapq.heappop(heap)
            if gone not in self._along[kept] or self._contact(kept, gone).doubt() != doubt:
                continue  # joined already, or changed since and offered anew
            self._join(kept, gone)
            for other in self._along[kept]:
                offer(kept, other)

    def _join(self, kept: int, gone: int) -> None:
        self._areas[kept] += self._areas[gone]
        self._areas[gone] = 0
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
        largest = int(np.argmax(self._areas))
        for label in np.flatnonzero(self._areas < share * self._areas[largest]):
            if not self._along[label]:
                self._root[self._root == label] = largest

    def roots(self) -> NDArray[np.intp]:
        """(n,): what each piece belongs to."""
        return self._root[1:]
