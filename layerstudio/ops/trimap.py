"""A band around a mask in which alpha is to be found out."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32

Mask = NDArray[np.bool_]

_UNSURE = 1.5  # pixels of the size at which the mask was found: how far its outline may be off
_SHARE = 0.012  # of the square root of the area: hair and blur grow with what they belong to
_MOST_SHARE = 0.06
_DOUBT = 2.0  # a mask of score 0 gets a band this much wider, and one of score 1 none
_INSIDE = 0.5  # of the band's half width: masks end inside of hair, and seldom outside of a thing
_CORE = 0.5  # of the local half-width that stays foreground, so that thin parts keep a core
_OPAQUE = 1.0  # pixels: a core thinner than this is no core


def band_radius(area: float, scale: float = 1.0, score: float = 1.0) -> float:
    """Half the width of the band, in pixels, for a mask of ``area`` pixels.

    ``scale`` is how many of them one pixel had where the mask was found; ``score`` in [0, 1] is
    how sure the mask is.
    """
    side = float(np.sqrt(max(area, 1.0)))
    wanted = _UNSURE * scale + _SHARE * side
    doubt = 1.0 + (_DOUBT - 1.0) * (1.0 - float(np.clip(score, 0.0, 1.0)))
    return float(max(1.0, min(wanted * doubt, max(_UNSURE * scale, _MOST_SHARE * side))))


def trimap_of(
    mask: Mask, radius: float, *, inside_share: float = _INSIDE, sure_outside: Mask | None = None
) -> F32:
    """(h, w): 1 inside of ``mask``, 0 outside, 0.5 from ``radius`` pixels outside of its outline to
    ``inside_share`` as many inside.

    Thin parts keep half of their width as foreground. ``sure_outside`` (h, w) is 0 whatever the
    band says, and what lies beside it keeps its 1: there another object hides this one.
    """
    inside = np.asarray(cv2.distanceTransform(_padded(mask), cv2.DIST_L2, 5), np.float32)[
        1:-1, 1:-1
    ]
    outside = cv2.distanceTransform((~mask).view(np.uint8), cv2.DIST_L2, 5)
    trimap = np.full(mask.shape, 0.5, np.float32)
    depth = np.minimum(inside_share * radius, _half_width(inside, radius) * (1 - _CORE))
    trimap[mask & (inside > np.maximum(depth, _OPAQUE))] = 1.0
    trimap[~mask & (outside > radius)] = 0.0
    if sure_outside is not None and sure_outside.any():
        away = cv2.distanceTransform((~sure_outside).view(np.uint8), cv2.DIST_L2, 5)
        trimap[mask & (away <= inside + 1.0)] = 1.0
        trimap[sure_outside] = 0.0
    return trimap


def _padded(mask: Mask) -> NDArray[np.uint8]:
    """The picture's border is no outline: what it cuts off goes on."""
    return np.pad(mask.view(np.uint8), 1, mode="edge")


def _half_width(inside: F32, radius: float) -> F32:
    """About half the width of the part of a mask that a pixel is in: the largest distance from the
    outline nearby; only widths up to four times the band matter."""
    reach = 2 * int(np.ceil(2 * radius)) + 1
    return np.asarray(cv2.dilate(inside, np.ones((reach, reach), np.uint8)), np.float32)
