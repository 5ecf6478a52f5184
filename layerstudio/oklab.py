"""OKLab of sRGB: Ottosson 2020, "A perceptual color space for image processing"."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32, full_scale, to_depth

_TO_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
_FROM_CONES, _FROM_LAB = np.linalg.inv(_TO_CONES), np.linalg.inv(_TO_LAB)


def oklab(colours: F32) -> F32:
    """sRGB (n, 3) in [0, 1] to L, a and b (n, 3)."""
    return np.asarray(np.cbrt(_linear(colours) @ _TO_CONES.T) @ _TO_LAB.T, np.float32)


def to_oklab(planes: NDArray) -> F32:
    """(3, ...) uint8 or uint16 sRGB to L in [0, 1], a and b."""
    scale = full_scale(planes.dtype)
    linear = _linear(np.linspace(0, 1, scale + 1)).astype(np.float32)[planes]
    return _mixed(_TO_LAB, np.cbrt(_mixed(_TO_CONES, linear)))


def from_oklab(lab: F32, dtype: np.dtype) -> NDArray:
    """(3, ...) L, a, b to sRGB of ``dtype``; each channel that it cannot show is clipped."""
    cones = _mixed(_FROM_LAB, lab)
    linear = _mixed(_FROM_CONES, cones * cones * cones)
    return to_depth(_encoded(np.clip(linear, 0, 1)), dtype)


def _mixed(matrix: NDArray, planes: F32) -> F32:
    mixed = matrix.astype(np.float32) @ planes.reshape(3, -1)
    return mixed.reshape(planes.shape)


def _linear(encoded: NDArray) -> NDArray:
    """IEC 61966-2-1: sRGB's encoding to linear light, both in [0, 1]."""
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def _encoded(linear: F32) -> F32:
    """IEC 61966-2-1: the other way."""
    curved = 1.055 * linear ** np.float32(1 / 2.4) - np.float32(0.055)
    return np.where(linear <= 0.0031308, 12.92 * linear, curved).astype(np.float32)
