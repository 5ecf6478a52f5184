"""A region of the picture that is the fill of a panel, and who may tell that it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32
from layerstudio.geometry import Bounds, Extent
from layerstudio.pipelines.flat.outline import Outline

_MOST_OF_SIDE = 0.7
_SLACK = 0.01  # of the canvas's shorter side: a strip that ends so near its edge reaches it


class PanelGuide(Protocol):
    """Who knows better than the rules what a panel is."""

    def is_panel(self, bounds: Bounds, region: NDArray[np.bool_]) -> bool | None:
        """Whether the ``region`` (h, w) within ``bounds`` is the fill of one; None if unknown."""
        ...

    def shaded(self, soft: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Of what looks like shadow, ``soft`` (h, w), what is no translucent panel."""
        ...


@dataclass(eq=False)
class Found:
    """A panel: ``outline`` of its fill, the ``region`` (h, w) that shows it, the thickness of the
    border around it in pixels, 0 for none, and whether a guide is ``sure`` of it."""

    label: int
    outline: Outline
    region: NDArray[np.bool_]
    border: float
    sure: bool = False

    @property
    def outer(self) -> F32:
        """Signed distance to the outer edge, border included."""
        return self.outline.distance - np.float32(self.border)

    @property
    def area(self) -> int:
        return int(np.count_nonzero(self.outer < 0))

    def is_cut_off(self, extent: Extent) -> bool:
        """Whether it is a disc that the canvas cuts, or a strip along most of a side, from a
        corner on."""
        if self.outline.shape == "disc":
            return True
        if self.outline.shape != "rectangle":
            return False
        box = Bounds.of_mask(self.outline.distance < 0)
        box = box.moved(self.outline.bounds.x, self.outline.bounds.y)
        slack = max(1, round(_SLACK * min(extent)))
        left, right = box.x <= slack, box.right >= extent.width - slack
        top, bottom = box.y <= slack, box.bottom >= extent.height - slack
        # One that others hide at an end still lies along a side, from a corner on.
        wide = (left or right) and box.width >= _MOST_OF_SIDE * extent.width
        tall = (top or bottom) and box.height >= _MOST_OF_SIDE * extent.height
        return (wide and (top or bottom)) or (tall and (left or right))
