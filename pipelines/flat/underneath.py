"""Drawings go on beneath the letters that stand on them, as a badge does beneath its price."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from layerstudio.ops.fill_smooth import fill_smooth
from layerstudio.pipelines.flat.analysis import dilate, find_regions
from layerstudio.pipelines.flat.element import Element
from layerstudio.pipelines.flat.lettering import Lettering

_RIM = 2  # pixels around letters that their edges colour
_RING = 2  # pixels around these in which is seen what they stand on
_MIN_RING = 0.8  # share of the ring that is the drawing
_SOLID = 0.95


def beneath_letters(drawing: Element, letters: Sequence[Lettering]) -> Element:
    """The drawing without the holes that ``letters`` would leave in it."""
    for item in letters:
        if drawing.bounds.overlaps(item.element.bounds):
            drawing = _beneath(drawing, item)
    return drawing


def _beneath(drawing: Element, item: Lettering) -> Element:
    place = item.element.bounds
    common = place.padded(_RIM + _RING).intersection(drawing.bounds)
    shared = place.intersection(common)
    letters = np.zeros(common.extent.shape, bool)
    letters[shared.relative_to(common).slices] = item.claimed[shared.relative_to(place).slices]
    view = common.relative_to(drawing.bounds).slices
    alpha = drawing.alpha[view]
    wide = dilate(letters, _RIM)
    around = dilate(wide, _RING)
    pieces = find_regions(around, connectivity=8)
    ring = around & ~wide
    count = len(pieces.areas)
    on_drawing = np.bincount(pieces.labels[ring & (alpha > _SOLID)], minlength=count)
    rings = np.bincount(pieces.labels[ring], minlength=count)
    stands = on_drawing >= _MIN_RING * np.maximum(rings, 1)
    stands[0] = False
    hole = wide & stands[pieces.labels]
    if not (hole & (alpha < _SOLID)).any():
        return drawing
    whole = replace(drawing, alpha=drawing.alpha.copy(), colour=drawing.colour.copy())
    whole.alpha[view][hole] = 1.0
    whole.colour[view][hole] = fill_smooth(drawing.colour[view], hole | (alpha <= _SOLID))[hole]
    return whole
