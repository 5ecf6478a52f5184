"""What is measured on a picture in squares of 4 x 4 pixels, for a network that sees all of it.

How many neighbours are exactly equal tells a drawing from a photograph, and is lost when a picture
is made smaller; so squares are measured, not only averaged.
"""

from __future__ import annotations

import cv2
import numpy as np

from layerstudio.color import F32, U8

CELL = 4  # pixels of a square's side
FEATURES = 8


def square_features(rgb: U8) -> F32:
    """(h, w, 3), sides multiples of 4, to (8, h / 4, w / 4): the mean colour in [-1, 1]; the range
    of the channels; the share of pixels equal to their right and lower neighbours; mean and largest
    logarithm of that step; mean logarithm of the second difference; all in [0, 1]."""
    height, width = rgb.shape[:2]
    assert height % CELL == 0 and width % CELL == 0, rgb.shape
    signed = rgb.astype(np.int16)
    step = np.zeros((height, width), np.int16)
    step[:, :-1] = np.abs(signed[:, 1:] - signed[:, :-1]).max(axis=2)
    step[:-1] = np.maximum(step[:-1], np.abs(signed[1:] - signed[:-1]).max(axis=2))
    log_step = (np.log2(1 + step.astype(np.float32)) / 8).astype(np.float32)
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
    second = np.abs(cv2.Laplacian(grey, cv2.CV_32F, borderType=cv2.BORDER_REFLECT_101))
    squares = rgb.reshape(height // CELL, CELL, width // CELL, CELL, 3)
    spread = squares.max(axis=(1, 3)).astype(np.float32) - squares.min(axis=(1, 3))
    out = np.empty((FEATURES, height // CELL, width // CELL), np.float32)
    out[:3] = means(rgb.astype(np.float32)).transpose(2, 0, 1) * np.float32(2 / 255) - 1
    out[3] = spread.max(axis=2) / 255
    out[4] = means((step == 0).astype(np.float32))
    out[5] = means(log_step)
    out[6] = most(log_step)
    out[7] = means((np.log2(1 + second) / 10).astype(np.float32))
    return out


def means(values: F32) -> F32:
    """(h, w) or (h, w, c) by squares."""
    height, width = values.shape[:2]
    size = (width // CELL, height // CELL)
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA), np.float32)


def most(values: F32) -> F32:
    """(h, w) by squares."""
    height, width = values.shape
    return values.reshape(height // CELL, CELL, width // CELL, CELL).max(axis=(1, 3))
