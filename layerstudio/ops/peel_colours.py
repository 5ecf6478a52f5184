"""Colour and alpha of what is peeled off a plate, as LayerD computes them, bit for bit.

Source: the released code of arXiv 2509.25134. It works in float64 on whole pictures and cuts
results off to whole levels; pixels that are wholly covered or bare need no arithmetic.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from layerstudio.color import U8

F64 = NDArray[np.float64]
Mask = NDArray[np.bool_]

OPAQUE = 0.95  # alpha from which a pixel counts as wholly covered


def unblended(rgb: U8, plate: U8, alpha: F64) -> U8:
    """The foreground's colour ``(I - B (1 - a)) / a`` (h, w, 3), clipped and cut off to levels.

    ``alpha`` (h, w) is in [0, 1]; where it is 0, or at least 0.95, the colour is the picture's.
    """
    partly = (alpha > 0) & (alpha < OPAQUE)
    weight = alpha[partly][:, None]
    colour = (
        rgb[partly].astype(np.float64) - plate[partly].astype(np.float64) * (1 - weight)
    ) / weight
    foreground = rgb.copy()
    foreground[partly] = np.clip(colour, 0, 255).astype(np.uint8)
    return foreground


def projected_alpha(rgb: U8, plate: U8, colour: U8, inside: Mask) -> F64 | None:
    """Alpha (h, w) of one ``colour`` (3,) over ``plate`` in ``inside`` (h, w), 0 beyond.

    ``<F - B, I - B> / |F - B|^2`` clipped to [0, 1]; 1 where the plate has that very colour. None
    where it has it everywhere, so that nothing can be told.
    """
    axis = colour.astype(np.int64) - plate[inside]
    length = (axis * axis).sum(axis=1)
    if not length.any():
        return None
    along = (axis * (rgb[inside].astype(np.int64) - plate[inside])).sum(axis=1)
    values = np.ones(len(length), np.float64)
    np.divide(along, length, out=values, where=length > 0)
    alpha = np.zeros(inside.shape, np.float64)
    alpha[inside] = np.clip(values, 0, 1)
    return alpha


def truncated_alpha(alpha: F64) -> U8:
    """(h, w) in [0, 1] to levels, cut off instead of rounded."""
    return (alpha * 255).astype(np.uint8)
