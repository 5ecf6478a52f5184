"""What may guide the analysis besides its own rules: a reading of the picture by a network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32
from layerstudio.pipelines.flat.analysis import Analysis
from layerstudio.pipelines.flat.element import Element
from layerstudio.pipelines.flat.lettering import Lettering
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

    def casters(
        self, analysis: Analysis, drawings: Sequence[Element], soft: NDArray[np.bool_]
    ) -> list[Element]:
        """What may throw the soft darkness (h, w), most likely first."""
        ...

    def parted(self, analysis: Analysis, drawings: Sequence[Element]) -> list[Element]:
        """Drawings with those that touch apart, far to near, each carried on beneath the next."""
        ...

    def stacked(self, drawings: Sequence[Element], shadows: Sequence[Element]) -> list[Element]:
        """All of them, each shadow right beneath what throws it and off what lies there."""
        ...

    def is_text(self, item: Lettering) -> bool:
        """Whether what looks like letters is no detail of a drawing."""
        ...

    def is_drawn(self, drawing: Element) -> bool:
        """Whether what looks drawn on a photograph is."""
        ...
