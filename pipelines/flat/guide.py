"""What may guide the analysis besides its own rules: a reading of the picture by a network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32
from layerstudio.pipelines.flat.analysis import Analysis
from layerstudio.pipelines.flat.element import Element
from layerstudio.pipelines.flat.photograph import Plate


class Guide(Protocol):
    """Answers to what the rules of ``flat`` get wrong; edges and colours stay with its solvers."""

    def is_photograph(self, analysis: Analysis, backdrop: F32) -> bool:
        """Whether ``backdrop`` (h, w, 3), a fill found for the background, hides a photograph."""
        ...

    def plate(self, analysis: Analysis) -> Plate:
        """The photograph, and what is drawn on it."""
        ...

    def believed_shadow(self, soft: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Of soft darkness (h, w), what is a shadow."""
        ...

    def parted(
        self, analysis: Analysis, drawings: Sequence[Element]
    ) -> list[Element]:
        """Drawings with those that touch apart, far to near, each carried on beneath the next."""
        ...

    def is_drawn(self, drawing: Element) -> bool:
        """Whether what looks drawn on a photograph is."""
        ...
