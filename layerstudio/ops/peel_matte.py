"""Mattes as networks give them, made to say what they mean."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32

Mask = NDArray[np.bool_]

# A sigmoid comes close to 0 and 1 and never there; LayerD unblends from 0.95 on as if it were 1.
BARE, SOLID = 0.02, 0.95
_FAINT = 0.1  # alpha that a piece has to reach somewhere
_SPECK = 12.0  # pixels' worth of alpha


def snapped(alpha: NDArray[np.floating]) -> F32:
    """``alpha`` (h, w) with 0 and 1 where it comes close to them."""
    result = np.clip(alpha, 0, 1).astype(np.float32)
    result[result < BARE] = 0
    result[result >= SOLID] = 1
    return result


def without_specks(alpha: F32) -> F32:
    """Without connected pieces that are faint all over, or hardly a dozen pixels: no picture needs
    a layer for them, and every peel finds some."""
    count, found = cv2.connectedComponents((alpha > 0).astype(np.uint8))
    labels = np.asarray(found, np.int32)
    if count == 1:
        return alpha
    sums = np.bincount(labels.ravel(), alpha.ravel(), count)
    most = np.zeros(count, np.float32)
    np.maximum.at(most, labels.ravel(), alpha.ravel())
    kept = (sums >= _SPECK) & (most >= _FAINT)
    return np.where(kept[labels], alpha, 0).astype(np.float32)


def without_dips(alpha: F32, reach: int) -> F32:
    """1 where a thing is solid nearby and nothing within ``reach`` pixels is bare: what looks
    translucent in the middle of a solid thing is the network's doubt."""
    partly = (alpha > 0) & (alpha < 1)
    doubt = partly & near(alpha >= 1, reach) & ~near(alpha <= 0, reach)
    return np.where(doubt, 1, alpha).astype(np.float32)


def soft(alpha: F32, reach: int) -> Mask:
    """Pixels whose alpha is meant to be between 0 and 1: no edge of a solid thing is near."""
    partly = (alpha > 0) & (alpha < 1)
    return partly & ~(near(alpha >= 1, reach) & near(alpha <= 0, reach))


def near(mask: Mask, reach: int) -> Mask:
    """Pixels within a square of ``2 reach + 1`` around a pixel of ``mask``."""
    side = 2 * reach + 1
    return cv2.dilate(mask.astype(np.uint8), np.ones((side, side), np.uint8)) > 0
