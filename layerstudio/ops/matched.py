"""What was made up for a hole brought to the colours around it, so that no seam is left.

A network's answer for the whole of a box is off by a little everywhere, also where the picture is
known. How far off it is at the hole's edge is carried into the hole as a membrane and taken away,
which is gradient domain pasting (Perez et al. 2003, "Poisson Image Editing").
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32, U8, to_float, to_u8
from layerstudio.ops.fill_smooth import fill_smooth

_RING = 3  # pixels around the hole that are compared
_MOST = 0.25  # of full scale: more is another thing there, not another tone


def matched(rgb: U8, made: U8, holes: NDArray[np.bool_]) -> U8:
    """``made`` (h, w, 3) within ``holes`` (h, w), toned to go on from ``rgb``; ``rgb`` elsewhere.

    Where nothing is known, it is ``made`` itself.
    """
    assert rgb.shape == made.shape == (*holes.shape, 3), (rgb.shape, made.shape, holes.shape)
    result = rgb.copy()
    result[holes] = made[holes]
    if holes.any() and not holes.all():
        off = fill_smooth(_off_around(rgb, made, holes), holes)
        result[holes] = to_u8(to_float(made[holes]) + off[holes])
    return result


def _off_around(rgb: U8, made: U8, holes: NDArray[np.bool_]) -> F32:
    """(h, w, 3): what ``made`` lacks where the picture is known, as the mean of a few pixels, so
    that texture that does not meet leaves no streaks."""
    off = np.clip(to_float(rgb) - to_float(made), -_MOST, _MOST)
    known = (~holes).astype(np.float32)
    window = (2 * _RING + 1,) * 2
    total = cv2.blur(off * known[..., None], window)
    share = cv2.blur(known, window)[..., None]
    return np.divide(total, share, out=np.zeros_like(total), where=share > 1e-6)
