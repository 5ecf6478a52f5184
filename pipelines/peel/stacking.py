"""Drop shadows in their places among drawings that lie on each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from layerstudio.pipelines.flat.casting import caster_of
from layerstudio.pipelines.flat.element import Element

_SHADED = 2.0 / 255  # opacity from which a shadow on a drawing is taken off it


def stacked(drawings: Sequence[Element], shadows: Sequence[Element]) -> list[Element]:
    """Drawings far to near with each shadow right beneath what throws it.

    A shadow without a caster lies beneath all. What shows of a shadow on the drawings beneath it is
    taken off their colours, which are then as they would be without it.
    """
    beneath: list[list[Element]] = [[] for _ in drawings]
    lowest: list[Element] = []
    for shadow in shadows:
        caster = caster_of([shadow, *drawings], 0)
        (lowest if caster is None else beneath[caster - 1]).append(shadow)
    made = lowest
    for drawing, own in zip(drawings, beneath, strict=True):
        for shadow in own:
            made = [_unshaded(item, shadow) for item in made]
            made.append(shadow)
        made.append(drawing)
    return made


def _unshaded(item: Element, shadow: Element) -> Element:
    common = item.bounds.intersection(shadow.bounds)
    if common.is_empty or item.shape == "shadow":
        return item
    opacity = shadow.alpha[common.relative_to(shadow.bounds).slices][..., None]
    opacity = np.where(opacity >= _SHADED, np.minimum(opacity, 0.9), 0)
    colour = item.colour.copy()
    view = colour[common.relative_to(item.bounds).slices]
    tint = shadow.colour[common.relative_to(shadow.bounds).slices]
    np.clip((view - opacity * tint) / (1 - opacity), 0, 255, out=view)
    return replace(item, colour=colour)
