"""Colours of pixels that are hardly covered: unblending divides by alpha, and noise with it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32, channel_max

_SURE = 0.95  # alpha from which a pixel shows its own colour
_SPREAD = 4.0  # pixels over which colours of soft things are averaged


def steadied(image: F32, plate: F32, alpha: F32, colour: F32, tolerance: float) -> F32:
    """``colour`` (h, w, 3) in levels, calmer where ``alpha`` (h, w) is between 0 and 1.

    A pixel takes the colour of the nearest one that is wholly covered, or else the average around
    it weighted by alpha squared (errors of unblending grow with 1 / alpha), where over ``plate``
    that gives ``image`` within ``tolerance`` levels too.
    """
    partly = (alpha > 0) & (alpha < _SURE)
    result = colour.copy()
    if not partly.any():
        return result
    for other in (_averaged(alpha, colour), _nearest(alpha >= _SURE, colour)):
        if other is not None:
            shown = plate + alpha[..., None] * (other - plate)
            as_good = partly & (channel_max(np.abs(shown - image)) <= tolerance)
            result[as_good] = other[as_good]
    return result


def _averaged(alpha: F32, colour: F32) -> F32:
    weight = np.square(alpha)[..., None]
    both = cv2.GaussianBlur(np.dstack([colour * weight, weight]), (0, 0), _SPREAD)
    return np.asarray(both[..., :3] / np.maximum(both[..., 3:], 1e-6), np.float32)


def _nearest(sure: NDArray[np.bool_], colour: F32) -> F32 | None:
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
