"""How an object goes on where another one hides it.

The hidden outline is that of a membrane: behind what hides it, the object's indicator is harmonic,
1 where the object is seen and 0 where something else is, and the outline is its level 0.4. So it
starts where the visible outline ends, runs smoothly, joins parts on both sides of a thin thing in
front, and reaches no farther than the opening is wide. If the object is convex as far as one sees,
what lies in its convex hull is added: a straight edge goes on behind what interrupts it.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from layerstudio.geometry import Bounds, Extent
from layerstudio.ops.fill_smooth import fill_smooth
from layerstudio.ops.occlusion import hull_of

Mask = NDArray[np.bool_]

_LEVEL = 0.4  # of 0.3, 0.4 and 0.5 the nearest to the truth in benchmarks/photograph_scenes.py
_CONVEX = 0.92  # share of a hull that is the object or may be, with which it counts as convex
_HULL_REACH = 1.0  # of the square root of the visible area: how far from it the hull is believed
_MOST_SHARE = 1.0  # a hidden part is at most as large as the visible one
_MARGIN = 0.6  # of the visible part's longest side, around it
_UNDERLAP = 2  # pixels that every object reaches under what hides it, at least


def hidden_part(visible: Mask, hiding: Mask, underlap: int = _UNDERLAP) -> Mask:
    """(h, w): where in ``hiding`` (h, w), the pixels of what lies in front, the object of
    ``visible`` (h, w) is to be completed.

    It adjoins the visible part, holds at least a strip ``underlap`` pixels wide along the contact,
    and is never larger than what is visible but for that strip.
    """
    assert not (visible & hiding).any(), "what is visible is not hidden"
    found = np.zeros(visible.shape, bool)
    seen = Bounds.of_mask(visible)
    if seen.is_empty or not hiding.any():
        return found
    margin = round(_MARGIN * seen.extent.longest_side) + underlap + 2
    place = seen.padded(margin).clamped(Extent.of(visible)).slices
    part, front = visible[place], hiding[place]
    strip = _dilated(part, underlap) & front
    if strip.any():
        hidden = (_membrane(part, front) | _hull(part, front)) & front
        found[place] = _adjoining(part, _bounded(part, hidden) | strip)
    return found


def _membrane(visible: Mask, hiding: Mask) -> Mask:
    indicator = visible.astype(np.float32)[..., None]
    return fill_smooth(indicator, hiding)[..., 0] >= _LEVEL


def _hull(visible: Mask, hiding: Mask) -> Mask:
    hull = hull_of(visible)
    if np.count_nonzero(hull & (visible | hiding)) < _CONVEX * np.count_nonzero(hull):
        return np.zeros_like(hull)
    away = cv2.distanceTransform((~visible).view(np.uint8), cv2.DIST_L2, 5)
    reach = _HULL_REACH * np.sqrt(np.count_nonzero(visible))
    return hull & hiding & (away <= reach)


def _bounded(visible: Mask, hidden: Mask) -> Mask:
    """The nearest of ``hidden``, no more than is visible."""
    room = int(_MOST_SHARE * np.count_nonzero(visible))
    if np.count_nonzero(hidden) > room:
        away = cv2.distanceTransform((~visible).view(np.uint8), cv2.DIST_L2, 5)
        hidden = hidden & (away < np.partition(away[hidden], room)[room])
    return hidden


def _adjoining(visible: Mask, hidden: Mask) -> Mask:
    """As far as it hangs together with what is visible."""
    _, labels = cv2.connectedComponents((visible | hidden).view(np.uint8), connectivity=8)
    return hidden & np.isin(labels, np.unique(labels[visible]))


def _dilated(mask: Mask, radius: int) -> Mask:
    if radius < 1:
        return mask
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1,) * 2)
    return cv2.dilate(mask.view(np.uint8), disc) > 0
