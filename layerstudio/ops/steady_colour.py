"""Colours of pixels that are hardly covered: unblending divides by alpha, and noise with it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32, channel_max
from layerstudio.ops.pyramid_fill import pyramid_fill

Mask = NDArray[np.bool_]

_SURE = 0.95  # alpha from which a pixel shows its own colour
_NOTHING = 1e-4  # weight that is rounding
_SPREAD = 4.0  # pixels over which colours of soft things are averaged


def steadied(
    image: F32, plate: F32, alpha: F32, colour: F32, tolerance: float, made: Mask | None = None
) -> F32:
    """``colour`` (h, w, 3) in levels, calmer where ``alpha`` (h, w) is between 0 and 1.

    A pixel takes the colour of the nearest one that is wholly covered, or else the average around
    it weighted by alpha squared (errors of unblending grow with 1 / alpha), where over ``plate``
    that gives ``image`` within ``tolerance`` levels too. Where ``image`` is ``made`` (h, w) up it
    says nothing, and the colour is that of the thing elsewhere.
    """
    partly = (alpha > 0) & (alpha < _SURE)
    result = colour.copy()
    if not partly.any():
        return result
    shown = np.ones_like(partly) if made is None else ~made
    told = shown & (channel_max(np.abs(image - plate)) > tolerance)
    nearest, averaged = _nearest((alpha >= _SURE) & shown, colour), _averaged(alpha, colour, told)
    for other in (averaged, nearest):
        if other is not None:
            composed = plate + alpha[..., None] * (other - plate)
            as_good = channel_max(np.abs(composed - image)) <= tolerance
            chosen = partly & (as_good | ~shown)
            result[chosen] = other[chosen]
    return result


def _averaged(alpha: F32, colour: F32, told: Mask) -> F32 | None:
    """The average of what is told nearby, and of what is told farther off where nothing is."""
    weight = np.where(told, np.square(alpha), 0).astype(np.float32)
    if not weight.any():
        return None
    both = np.dstack([colour * weight[..., None], weight])
    both = np.asarray(cv2.GaussianBlur(both, (0, 0), _SPREAD), np.float32)
    near = both[..., :3] / np.maximum(both[..., 3:], 1e-6)
    bare = both[..., 3] <= _NOTHING
    if not bare.any():
        return np.asarray(near, np.float32)
    known = np.dstack([near / 255, ~bare]).astype(np.float32)
    return np.asarray(255 * pyramid_fill(known)[..., :3], np.float32)


def _nearest(sure: Mask, colour: F32) -> F32 | None:
    """The colour of the nearest sure pixel; None where there is none."""
    if not sure.any():
        return None
    _, found = cv2.distanceTransformWithLabels(
        (~sure).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    labels = np.asarray(found, np.int32)
    place = np.zeros(int(labels.max()) + 1, np.intp)
    places = np.flatnonzero(sure)
    place[labels.ravel()[places]] = places
    return colour.reshape(-1, 3)[place[labels]]
