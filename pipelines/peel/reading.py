"""What the network says of each pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32
from layerstudio.geometry import Bounds
from layerstudio.pipelines.flat.analysis import Analysis

Mask = NDArray[np.bool_]
Colours = NDArray[np.floating] | NDArray[np.uint8]

_CLEARLY = 0.6  # probability


@dataclass(frozen=True, eq=False)
class Sight:
    """What is seen of some drawings: the probability of a ``border`` (h, w), the way ``away``
    (2, h, w) in pixels to their middles, and their ``colour`` (h, w, 3) in [0, 255]."""

    border: F32
    away: F32
    colour: Colours


@dataclass(frozen=True, eq=False)
class Reading:
    """All (h, w) in [0, 1].

    ``background``, ``shape``, ``text`` and ``drawing`` are the probabilities of what lies topmost,
    and add up to 1; ``veil`` that of a translucent panel; ``shadow`` the opacity of shadows that
    show; ``border`` the probability that two things touch here, and ``upper`` that the pixel beside
    such a border belongs to the upper one. Besides, ``away`` (2, h, w) is the way in pixels, across
    and down, to the middle of what is seen of the drawing that a pixel belongs to.
    """

    background: F32
    shape: F32
    text: F32
    drawing: F32
    veil: F32
    shadow: F32
    border: F32
    upper: F32
    away: F32

    @classmethod
    def of(cls, values: F32) -> Reading:
        """Of the network's (10, h, w): eight logits, and the way in pixels."""
        kinds = values[:4] - values[:4].max(axis=0)
        kinds = np.exp(kinds)
        kinds /= kinds.sum(axis=0)
        rest = 1 / (1 + np.exp(-values[4:8]))
        return cls(*kinds, *rest, away=values[8:])

    def sight(self, bounds: Bounds, colour: Colours, border: F32 | None = None) -> Sight:
        """What tells the drawings within ``bounds`` apart; ``colour`` is theirs, ``border`` another
        than what was read."""
        view = bounds.slices
        own = self.border[view] if border is None else border
        return Sight(own, self.away[(slice(None), *view)], colour)

    @property
    def drawn(self) -> F32:
        return 1 - self.background

    @property
    def doubt(self) -> float:
        """Share of pixels whose kind the network does not know: none is clearly the likeliest."""
        likeliest = np.maximum.reduce([self.background, self.shape, self.text, self.drawing])
        return float((likeliest < _CLEARLY).mean())


def mean_by_region(analysis: Analysis, values: F32) -> NDArray[np.float64]:
    """(n,): the mean of ``values`` (h, w) over each region of the analysis."""
    labels = analysis.regions.labels.ravel()
    count = len(analysis.regions.areas)
    totals = np.bincount(labels, weights=values.ravel().astype(np.float64), minlength=count)
    return totals / np.maximum(analysis.regions.areas, 1)
