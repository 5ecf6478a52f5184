"""What layers cannot show, as one layer more, so that they themselves stay as they are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32, Pixels, channel_max, full_scale
from layerstudio.document import BlendMode
from layerstudio.ops.unblend import least_alpha, unblend_colour

# Differences left alone, in levels of 8 bits. Composites of 8-bit pictures are rounded, so that
# less than 1.5 is one level at most; 16-bit ones have to keep to a level as they are.
_LEFT_8_BIT = 1.45
_LEFT_16_BIT = 0.95


def remainder(shown: F32, picture: Pixels, mode: BlendMode) -> Pixels:
    """(h, w, 4) of a layer that, over ``shown`` (h, w, 3) in [0, 1], shows the colour of
    ``picture`` (h, w, 4) within 1/255. It is transparent wherever ``shown`` is near enough.

    LINEAR_LIGHT adds the difference and nothing else: whatever colour somebody gives to what lies
    beneath keeps it. NORMAL, for programs that have no other modes, covers with the least alpha
    with which any colour makes up the difference; that is much where ``shown`` is nearly black or
    white.
    """
    assert mode in (BlendMode.LINEAR_LIGHT, BlendMode.NORMAL), mode
    full = full_scale(picture.dtype)
    result = np.zeros_like(picture)
    wanted = picture[..., :3] * np.float32(255.0 / full)
    beneath = shown * np.float32(255.0)
    left = _LEFT_8_BIT if full == 255 else _LEFT_16_BIT
    off = (channel_max(np.abs(wanted - beneath)) > left) & (picture[..., 3] > 0)
    if off.any():
        solve = _added if mode is BlendMode.LINEAR_LIGHT else _covering
        result[off] = solve(wanted[off], beneath[off], full)
    return result


def _added(wanted: F32, beneath: F32, full: int) -> NDArray[np.float32]:
    """Linear light is ``b + 2 s - 1``, so that rounding s costs up to one level."""
    colour = np.rint((wanted - beneath + np.float32(255.0)) * np.float32(full / 510.0))
    return np.column_stack([colour, np.full(len(colour), full, np.float32)])


def _covering(wanted: F32, beneath: F32, full: int) -> NDArray[np.float32]:
    """Alpha is rounded up: a hair less may leave the gamut."""
    levels = np.ceil(least_alpha(wanted, beneath) * full - 1e-3)
    colour = unblend_colour(wanted, (levels / full).astype(np.float32), beneath)
    return np.column_stack([np.rint(colour * np.float32(full / 255.0)), levels])
