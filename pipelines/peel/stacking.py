"""Drop shadows and panels in their places among drawings that lie on each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from layerstudio.color import F32
from layerstudio.document import Role
from layerstudio.pipelines.flat.analysis import dilate, ellipse_kernel
from layerstudio.pipelines.flat.casting import caster_of
from layerstudio.pipelines.flat.element import Element
from layerstudio.pipelines.peel.parting import carried_on
from layerstudio.pipelines.peel.reading import Mask

_SOLID = 0.98  # opacity of a panel that hides what lies beneath
_TOUCH = 1  # pixels between a drawing and a panel that touch
_RIM = 6  # pixels into a panel's edge that a drawing may have been followed
_MIN_CONTACT = 10  # pixels along the edge
_CLEAR, _MAX_INSIDE = 0.5, 0.75  # pixels well inside for each of the contact
# Mean probability of a border along the contact, where nothing is seen inside and else.
_FAINT_BORDER, _BORDER = 0.035, 0.3
_ROOM = 60  # pixels that a drawing may go on beneath a panel
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


def raised(
    elements: Sequence[Element], drawings: Sequence[Element], border: F32
) -> tuple[list[Element], list[Element]]:
    """``elements`` less the panels that lie above a drawing, and ``drawings`` with these on top.

    A panel's outline is a formula. Where a drawing ends along it, and none of the drawing is seen
    inside, the panel hides the rest of the drawing.
    """
    kept: list[Element] = []
    stack = list(drawings)
    for element in elements:
        if element.role is Role.SHAPE and float(element.alpha.max(initial=0)) > _SOLID:
            drawn = [item for item in stack if item.shape == "drawing"]
            under = [item for item in drawn if _hides(element, item, border)]
            if under:
                shadow = [kept.pop()] if kept and kept[-1].role is Role.SHADOW else []
                carried = [item for item in drawn if item not in under and _carries(element, item)]
                stack = [item for item in stack if item not in carried]
                stack = [_beneath(item, element) if item in under else item for item in stack]
                stack += [*shadow, element, *carried]
                continue
        kept.append(element)
    return kept, stack


def _hides(panel: Element, drawing: Element, border: F32) -> bool:
    around = drawing.bounds.padded(_TOUCH)
    common = panel.bounds.intersection(around)
    if common.is_empty:
        return False
    body = np.zeros(around.extent.shape, bool)
    body[drawing.bounds.relative_to(around).slices] = drawing.alpha > 0.5
    here, view = common.relative_to(around).slices, common.relative_to(panel.bounds).slices
    solid = panel.alpha > 0.5
    edge = solid & ~_eroded(solid, 1)
    met = dilate(body, _TOUCH)[here] & edge[view]
    contact = np.count_nonzero(met)
    inside = np.count_nonzero(body[here] & _eroded(solid, _RIM)[view])
    if contact < _MIN_CONTACT or inside > _MAX_INSIDE * contact:
        return False
    clear = inside <= _CLEAR * contact
    return bool(border[common.slices][met].mean() >= (_FAINT_BORDER if clear else _BORDER))


def _carries(panel: Element, drawing: Element) -> bool:
    """Whether some of a drawing lies on a panel."""
    common = panel.bounds.intersection(drawing.bounds)
    body = drawing.alpha[common.relative_to(drawing.bounds).slices] > 0.5
    return bool((body & (panel.alpha[common.relative_to(panel.bounds).slices] > 0.5)).any())


def _eroded(mask: Mask, radius: int) -> Mask:
    """Erosion in which what lies beyond the array counts as outside."""
    around = np.pad(mask.astype(np.uint8), 1)
    return cv2.erode(around, ellipse_kernel(radius), borderValue=0)[1:-1, 1:-1] > 0


def _beneath(drawing: Element, panel: Element) -> Element:
    """The drawing carried on beneath the panel."""
    around = drawing.bounds.union(drawing.bounds.padded(_ROOM).intersection(panel.bounds))
    place = drawing.bounds.relative_to(around).slices
    alpha = np.zeros(around.extent.shape, np.float32)
    colour = np.zeros((*alpha.shape, 3), np.float32)
    alpha[place], colour[place] = drawing.alpha, drawing.colour
    above = np.zeros(alpha.shape, bool)
    common = panel.bounds.intersection(around)
    hiding = panel.alpha[common.relative_to(panel.bounds).slices] > 0.5
    above[common.relative_to(around).slices] = hiding
    alpha[above] = 0
    if not (alpha > 0.5).any():
        return drawing
    whole = replace(drawing, bounds=around, alpha=alpha, colour=colour)
    return carried_on(whole, above).cropped()


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
