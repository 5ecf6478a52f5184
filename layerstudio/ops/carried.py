"""Values carried from where they are known to where they are not, smoothly and at once.

By pulling down and pushing up a pyramid (Gortler et al. 1996, "The Lumigraph", 3.4).
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32

_TINY = 1e-6


def carried(values: F32, weight: NDArray) -> F32:
    """``values`` (h, w, c) where ``weight`` (h, w) in [0, 1] is 1; where it is less, the mean of
    what is near and has weight makes up for what lacks. Zero where nothing has any."""
    weight = np.asarray(weight, np.float32)
    levels = [(np.asarray(values * weight[..., None], np.float32), weight)]
    while max(levels[-1][1].shape) > 1:
        levels.append((halved(levels[-1][0]), halved(levels[-1][1])))
    total, share = levels[-1]
    mean = total.sum(axis=(0, 1)) / max(float(share.sum()), _TINY)
    found = np.broadcast_to(mean, total.shape).astype(np.float32)
    for total, share in reversed(levels[:-1]):
        height, width = share.shape
        below = cv2.resize(found, (width, height), interpolation=cv2.INTER_LINEAR)
        below = np.asarray(cv2.blur(below, (3, 3)), np.float32).reshape(total.shape)
        found = np.asarray(total + (1 - share[..., None]) * below, np.float32)
    return found


def halved(x: F32) -> F32:
    """(h, w, ...) at half the size, rounded up, by means of four."""
    height, width = (x.shape[0] + 1) // 2, (x.shape[1] + 1) // 2
    small = cv2.resize(x, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32).reshape(height, width, *x.shape[2:])
