"""What the network says of each pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32
from layerstudio.pipelines.flat.analysis import Analysis

Mask = NDArray[np.bool_]

_CLEARLY = 0.6  # probability


@dataclass(frozen=True, eq=False)
class Reading:
    """All (h, w) in [0, 1].

    ``background``, ``shape``, ``text`` and ``drawing`` are the probabilities of what lies topmost,
    and add up to 1; ``veil`` that of a translucent panel; ``shadow`` the opacity of shadows that
    show; ``border`` the probability that two things touch here, and ``upper`` that the pixel beside
    such a border belongs to the upper one.
    """

    background: F32
    shape: F32
    text: F32
    drawing: F32
    veil: F32
    shadow: F32
    border: F32
    upper: F32

    @classmethod
    def of(cls, logits: F32) -> Reading:
        """Of the network's (8, h, w)."""
        kinds = logits[:4] - logits[:4].max(axis=0)
        kinds = np.exp(kinds)
        kinds /= kinds.sum(axis=0)
        return cls(*kinds, *(1 / (1 + np.exp(-logits[4:]))))

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
