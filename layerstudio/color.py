"""Conversions at the edges of the arithmetic.

Inside, colour and alpha are float32 in [0, 1]; documents hold integers with straight alpha.
Integers are made by rounding, never by truncation, so a round trip changes nothing.
Arrays that hold premultiplied colour are named ``*_premul``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]
U16 = NDArray[np.uint16]
Pixels = NDArray[np.uint8] | NDArray[np.uint16]

# Rec. 601 luma, the weights that PDF's and W3C's non-separable blend modes use
# (W3C Compositing and Blending Level 1, 10.1 "Lum").
LUMA = np.array([0.3, 0.59, 0.11], dtype=np.float32)


def full_scale(dtype: np.dtype | type) -> int:
    """255 for uint8, 65535 for uint16."""
    dtype = np.dtype(dtype)
    assert dtype in (np.dtype(np.uint8), np.dtype(np.uint16)), dtype
    return 255 if dtype == np.dtype(np.uint8) else 65535


def to_float(pixels: NDArray) -> F32:
    """uint8 or uint16 to float32 in [0, 1]; float input is returned as float32 unchanged."""
    if pixels.dtype.kind == "f":
        return pixels.astype(np.float32, copy=False)
    return pixels * np.float32(1.0 / full_scale(pixels.dtype))


def to_u8(values: NDArray) -> U8:
    """float in [0, 1] to uint8 by rounding; values outside are clipped."""
    return _to_int(values, np.uint8)


def to_u16(values: NDArray) -> U16:
    """float in [0, 1] to uint16 by rounding; values outside are clipped."""
    return _to_int(values, np.uint16)


def to_depth(pixels: NDArray, dtype: np.dtype | type) -> Pixels:
    """uint8, uint16 or float pixels as integers of ``dtype``; 8 and 16 bits map 0..1 to 0..1."""
    dtype = np.dtype(dtype)
    if pixels.dtype == dtype:
        return pixels
    if pixels.dtype == np.uint8 and dtype == np.uint16:
        return pixels.astype(np.uint16) * np.uint16(257)
    if pixels.dtype == np.uint16 and dtype == np.uint8:
        # (v + 128) // 257 is round(v / 257) without leaving 32-bit integers.
        return ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return _to_int(pixels, dtype)


def _to_int(values: NDArray, dtype) -> NDArray:
    scale = full_scale(dtype)
    scaled = np.multiply(values, np.float32(scale), dtype=np.float32)
    np.rint(scaled, out=scaled)
    return np.clip(scaled, 0, scale, out=scaled).astype(dtype)


def premultiply(rgba: F32) -> F32:
    """Straight ``(..., 4)`` to premultiplied."""
    premul = rgba.copy()
    premul[..., :3] *= premul[..., 3:]
    return premul


def unpremultiply(rgba_premul: F32) -> F32:
    """Premultiplied ``(..., 4)`` to straight; colour under alpha 0 becomes 0."""
    straight = rgba_premul.copy()
    alpha = straight[..., 3:]
    np.divide(straight[..., :3], alpha, out=straight[..., :3], where=alpha > 0)
    straight[..., :3][alpha[..., 0] <= 0] = 0
    return straight


def channel_max(values: NDArray) -> NDArray:
    """The largest of the three channels of ``(h, w, 3)``; many times faster than ``max(axis=2)``,
    which numpy runs as one tiny reduction a pixel."""
    return np.maximum(np.maximum(values[..., 0], values[..., 1]), values[..., 2])
