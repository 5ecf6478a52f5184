"""The guide of ``flat``'s analysis: where the network's word goes before the rules."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from layerstudio.color import F32
from layerstudio.geometry import Bounds
from layerstudio.pipelines.flat.analysis import Analysis, dilate, find_regions, residual
from layerstudio.pipelines.flat.element import Element
from layerstudio.pipelines.flat.lettering import Lettering
from layerstudio.pipelines.flat.photograph import Plate
from layerstudio.pipelines.flat.shadows import soft_darkness
from layerstudio.pipelines.peel.gathering import gathered
from layerstudio.pipelines.peel.parting import parted
from layerstudio.pipelines.peel.plate import guided_plate
from layerstudio.pipelines.peel.reading import Mask, Reading
from layerstudio.pipelines.peel.shade import cast_shadows, guided_soft
from layerstudio.pipelines.peel.stacking import raised, stacked

_SURE = 0.8
_PANEL = 0.6  # mean probability of a panel over its fill
_MIN_VEIL, _MOST_VEILED = 0.5, 0.7  # probability; share of a shadow
_SHADED = 0.05  # opacity
_WRITTEN = 0.25  # mean probability of text over what is letters; thin ones share their squares
_CLEAR = 8  # pixels around all that may not be background
_SMOOTH = 0.01  # of the canvas: a smooth region so large is a panel that was not seen
_MISFIT = 0.02  # share of the background that a fill must leave unexplained to be none
_OFF = 12.0  # levels from a fill
_DARK = 0.02  # opacity of a shadow
_MIN_DRAWN = 0.5
_WITHIN = 0.5  # mean probability of a drawing between the letters on it
_MIN_LETTERED = 0.5  # probability of text to that of drawings, over the ink of a text


class NetworkGuide:
    def __init__(self, reading: Reading) -> None:
        self.reading = reading

    def is_photograph(self, analysis: Analysis, backdrop: F32) -> bool:
        own = self.reading
        clear = (own.background > _SURE) & (own.veil < 1 - _SURE) & (own.shadow < _DARK)
        clear &= ~dilate(own.background < _SURE, _CLEAR)
        if np.count_nonzero(clear) < 0.02 * clear.size:
            return False
        off = residual(analysis.rgb, backdrop) > _OFF + analysis.tolerance
        textured = analysis.regions.areas < _SMOOTH * clear.size
        textured[0] = True
        return bool((off & textured[analysis.regions.labels])[clear].mean() > _MISFIT)

    def is_panel(self, bounds: Bounds, region: Mask) -> bool | None:
        view = bounds.slices
        if float(self.reading.shape[view][region].mean()) > _PANEL:
            return True
        return False if float(self.reading.drawing[view][region].mean()) > _SURE else None

    def shaded(self, soft: Mask) -> Mask:
        # Beneath a shadow on an opaque panel there is a panel too; a veil is darkness itself.
        veiled = (self.reading.veil > _MIN_VEIL) & (self.reading.shadow < _SHADED)
        pieces = find_regions(soft, connectivity=8)
        share = np.bincount(pieces.labels[veiled], minlength=len(pieces.areas))
        kept = share < _MOST_VEILED * pieces.areas
        kept[0] = False
        return kept[pieces.labels]

    def plate(self, analysis: Analysis) -> Plate:
        return guided_plate(analysis, self.reading)

    def soft(self, analysis: Analysis, backdrop: F32, soft: Mask) -> Mask:
        return guided_soft(analysis, backdrop, soft, self.reading)

    def cast(
        self,
        analysis: Analysis,
        backdrop: F32,
        soft: Mask,
        things: Sequence[Element],
        foreground: Mask,
        edges: Mask,
    ) -> list[Element]:
        casters = self._parted(analysis, things, edges)
        ruled = soft_darkness(analysis, backdrop)
        agreed = np.where(ruled, np.float32(1), self.reading.shadow)
        return cast_shadows(analysis, backdrop, soft, casters, foreground, agreed)

    def stacked(
        self,
        analysis: Analysis,
        elements: Sequence[Element],
        drawings: Sequence[Element],
        shadows: Sequence[Element],
        edges: Mask,
    ) -> list[Element]:
        below = [item for item in elements if not any(item is shadow for shadow in shadows)]
        below, above = raised(below, drawings, self.reading.border)
        return below + stacked(self._parted(analysis, above, edges), shadows)

    def _parted(self, analysis: Analysis, items: Sequence[Element], edges: Mask) -> list[Element]:
        """The drawings among them taken apart, and loose parts of one gathered."""
        made: list[Element] = []
        for item in items:
            is_drawing = item.shape == "drawing"
            made += parted(analysis, item, self.reading, edges) if is_drawing else [item]
        return gathered(made, self.reading)

    def is_text(self, item: Lettering) -> bool:
        own = item.element
        view = own.bounds.slices
        ink = own.alpha > 0.5
        lettered = float(self.reading.text[view][ink].sum())
        if lettered >= _MIN_LETTERED * float(self.reading.drawing[view][ink].sum()):
            return True
        around = self.reading.drawing[view][~ink]  # details of a drawing have it around them
        return around.size == 0 or float(around.mean()) < _WITHIN

    def is_written(self, drawing: Element) -> bool:
        view = drawing.bounds.slices
        ink = drawing.alpha > 0.5
        written, drawn = (
            float(seen[view][ink].mean()) if ink.any() else 0.0
            for seen in (self.reading.text, self.reading.drawing)
        )
        return written > max(_WRITTEN, 2 * drawn)

    def is_drawn(self, drawing: Element) -> bool:
        """Whether most of a drawing on a photograph is one to the network too."""
        drawn = self.reading.drawn[drawing.bounds.slices]
        weight = float((drawn * drawing.alpha).sum())
        return weight >= _MIN_DRAWN * float(drawing.alpha.sum())
