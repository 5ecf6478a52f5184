"""The colour that LayerDiffuse's networks expect where a picture is transparent.

Source: ``pad_rgb`` of the published code of LayerDiffuse (Zhang and Agrawala 2024,
arXiv:2402.17113), which its checkpoints were trained with; so sizes are truncated and levels
resampled exactly as there.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]

# Each level of the pyramid is this much smaller than the one before (published constant).
SHRINK = 1.2


def pyramid_fill(rgba: F32) -> F32:
    """Colour (h, w, 3) in [0, 1] of straight ``rgba`` (h, w, 4) in [0, 1] laid over its own blur.

    Opaque pixels keep their colour. Others show, through what they lack in alpha, the mean colour
    of ever larger surroundings weighted by alpha. A picture without any visible pixel is black.
    """
    assert rgba.ndim == 3 and rgba.shape[2] == 4, rgba.shape
    assert rgba.dtype == np.float32, rgba.dtype
    alpha = rgba[..., 3:]
    if alpha.min() == 1:
        return rgba[..., :3].copy()
    levels = _pyramid(rgba[..., :3] * alpha, alpha)
    colour = _mean_colour(*levels[-1])
    for colour_premul, alpha in reversed(levels):
        height, width = alpha.shape[:2]
        below = cv2.resize(colour, (width, height), interpolation=cv2.INTER_LINEAR)
        colour = colour_premul + below * (1 - alpha)
    return colour


def _pyramid(colour_premul: F32, alpha: F32) -> list[tuple[F32, F32]]:
    """From the full size down to one pixel's height or width.

    Colour and alpha are resampled apart: OpenCV rounds four channels otherwise than three and one.
    """
    levels = [(colour_premul, alpha)]
    while min(levels[-1][1].shape[:2]) > 1:
        height, width = levels[-1][1].shape[:2]
        size = (int(width / SHRINK), int(height / SHRINK))
        colour, coverage = (
            np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), np.float32)
            for part in levels[-1]
        )
        levels.append((colour, coverage[..., None]))
    return levels


def _mean_colour(colour_premul: F32, alpha: F32) -> F32:
    """(1, 1, 3): the mean weighted by alpha; black where there is none."""
    total = colour_premul.sum(axis=(0, 1), keepdims=True)
    return total / alpha.sum(axis=(0, 1), keepdims=True).clip(1e-8)
