"""How thick the border around the fill of a panel is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from layerstudio.color import U8
from layerstudio.pipelines.flat.outline import FREE, Outline

_MIN_SUPPORT = 0.45  # of the outline's length: region inside, backdrop outside
_MIN_FREE_SUPPORT = 0.8  # the same for outlines that follow the region
_MIN_CLEAR = 0.12  # of the ring around an outline that no other panel hides
_MAX_BORDER = 14  # pixels
_ONE_COLOUR = 8.0  # levels of a border's pixels from their median
_MIN_ALIKE = 0.5  # share of a ring that has the colour of the border
_ENDS = 0.4  # of the share within the border: what is as alike two pixels beyond it at most
_OTHER = 16.0  # levels between a border and the fill
_LEAST_RING = 20  # pixels


def uncovered_border(
    outline: Outline,
    region: NDArray[np.bool_],
    seen: NDArray[np.bool_],
    hiding: NDArray[np.bool_],
) -> float | None:
    """Thickness of the border between the fill and the backdrop; None without enough support.

    Going outwards from the outline, the backdrop must come into sight along most of its length,
    at one distance. Support asks for fill just inside and for backdrop just outside, where no other
    panel hides both.
    """
    least = _MIN_SUPPORT if outline.shape not in FREE else _MIN_FREE_SUPPORT
    just_inside = (outline.distance < -1.0) & (outline.distance > -3.0)
    count = np.count_nonzero(just_inside)
    if count == 0 or np.count_nonzero(region & just_inside) < least * count:
        return None
    near = (outline.distance > 0) & (outline.distance < _MAX_BORDER + 4)
    whole = np.count_nonzero(near)
    if whole == 0:
        return 0.0  # the panel fills the canvas
    clear = near & (~hiding | region)
    if outline.shape not in FREE and np.count_nonzero(clear) >= _MIN_CLEAR * whole:
        near = clear
    ring = outline.distance[near].astype(np.int32)
    length = np.bincount(ring, minlength=_MAX_BORDER + 4)
    bare = np.bincount(ring, weights=seen[near], minlength=_MAX_BORDER + 4)
    share = bare / np.maximum(length, 1)
    for distance in range(1, _MAX_BORDER + 2):
        if min(share[distance], share[distance + 1]) >= least:
            # An antialiased edge hides the backdrop for a pixel or two; a border for more.
            return 0.0 if distance <= 2 else float(distance) - 0.5
    return None


def coloured_border(
    image: U8, outline: Outline, hiding: NDArray[np.bool_], tolerance: float
) -> float:
    """Thickness of the border by its colour, for a backdrop that is not known; 0 for none.

    ``image`` (h, w, 3) and ``hiding`` (h, w), fills of other panels, lie over the outline's bounds.
    """
    distance, free = outline.distance, ~hiding
    within = image[free & (distance < -1.5) & (distance > -4)].astype(np.float32)
    rings = [
        image[free & (distance >= near) & (distance < near + 1)].astype(np.float32)
        for near in range(1, _MAX_BORDER + 1)
    ]
    if len(within) == 0 or len(rings[0]) < _LEAST_RING:
        return 0.0
    colour = np.median(rings[0], axis=0)
    if np.abs(colour - np.median(within, axis=0)).max() < _OTHER:
        return 0.0
    alike = [
        float((np.abs(ring - colour).max(axis=1) <= _ONE_COLOUR + tolerance).mean())
        for ring in rings
        if len(ring)
    ]
    thickness = next((n for n, share in enumerate(alike) if share < _MIN_ALIKE), 0)
    # Where it is the backdrop itself, it does not end, or not all at once.
    ends = thickness > 0 and min(alike[thickness : thickness + 2]) < _ENDS * max(alike[:thickness])
    return float(thickness + 1) if ends else 0.0
