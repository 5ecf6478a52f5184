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
from layerstudio.pipelines.flat.panel_found import PanelGuide
from layerstudio.pipelines.flat.photograph import Plate


class Guide(PanelGuide, Protocol):
    """Answers to what the rules of ``flat`` get wrong; edges and colours stay with its solvers."""

    def is_photograph(self, analysis: Analysis, backdrop: F32) -> bool:
        """Whether ``backdrop`` (h, w, 3), a fill found for the background, hides a photograph."""
        ...

    def plate(self, analysis: Analysis) -> Plate:
        """The photograph, and what is drawn on it."""
        ...

    def soft(self, analysis: Analysis, backdrop: F32, soft: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Pixels (h, w) of the backdrop that lie in shadow, of which the rules found ``soft``."""
        ...

    def cast(
        self,
        analysis: Analysis,
        backdrop: F32,
        soft: NDArray[np.bool_],
        things: Sequence[Element],
        foreground: NDArray[np.bool_],
        edges: NDArray[np.bool_],
    ) -> list[Element]:
        """The shadows of ``things``, drawings and texts, that explain ``soft`` (h, w);
        ``foreground`` (h, w) covers the backdrop, ``edges`` (h, w) are those of panels."""
        ...

    def stacked(
        self,
        analysis: Analysis,
        elements: Sequence[Element],
        drawings: Sequence[Element],
        shadows: Sequence[Element],
        edges: NDArray[np.bool_],
    ) -> list[Element]:
        """All of them bottom to top: ``elements``, among which are the ``shadows`` of drawings, and
        ``drawings``, those that touch apart; each shadow right beneath what throws it, each panel
        above the drawings that it hides."""
        ...

    def is_text(self, item: Lettering) -> bool:
        """Whether what looks like letters is no detail of a drawing."""
        ...

    def is_written(self, drawing: Element) -> bool:
        """Whether what looks drawn is letters, as in a script."""
        ...

    def is_drawn(self, drawing: Element) -> bool:
        """Whether what looks drawn on a photograph is."""
        ...
