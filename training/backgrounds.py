"""Backgrounds of designs: a plain colour, a gradient, a photograph."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from layerstudio.color import F32, U8, to_u8
from layerstudio.geometry import Extent

Rgb = tuple[float, float, float]


def plain(extent: Extent, color: Rgb) -> U8:
    """(h, w, 3) of one colour, given in [0, 1]."""
    return to_u8(np.broadcast_to(np.array(color, np.float32), (*extent.shape, 3)))


def gradient(extent: Extent, colors: Sequence[Rgb], rng: np.random.Generator) -> F32:
    """(h, w, 3) in [0, 1]: linear in any direction, or radial around a point, through ``colors``.

    Colours are interpolated in sRGB, as design programs and CSS do.
    """
    where = _radial(extent, rng) if rng.random() < 0.3 else _linear(extent, rng)
    stops = np.linspace(0, 1, len(colors))
    if len(colors) == 3:
        stops[1] = rng.uniform(0.35, 0.65)
    channels = [np.interp(where, stops, [color[c] for color in colors]) for c in range(3)]
    return np.stack(channels, axis=-1, dtype=np.float32)


def dithered(values: F32, rng: np.random.Generator) -> F32:
    """``values`` plus noise of one 8-bit step, which rounding then turns into a dither."""
    noise = rng.uniform(-0.5, 0.5, values.shape).astype(np.float32)
    return (values + noise / np.float32(255)).astype(np.float32)


def photograph(source: U8, extent: Extent, rng: np.random.Generator) -> U8:
    """A crop of ``source`` (h, w, 3) at ``extent``; often mirrored, dimmed or tinted."""
    crop = _crop(source, extent, rng)
    if rng.random() < 0.5:
        crop = crop[:, ::-1]
    shrinks = crop.shape[1] > extent.width
    resized = cv2.resize(
        crop,
        (extent.width, extent.height),
        interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC,
    )
    picture = resized.astype(np.float32) / 255
    if rng.random() < 0.3:
        tint = rng.uniform(0, 1, 3).astype(np.float32)
        picture += (tint - picture) * np.float32(rng.uniform(0.1, 0.35))
    if rng.random() < 0.5:
        picture = picture ** np.float32(rng.uniform(0.75, 1.5))
    return to_u8(picture)


def _crop(source: U8, extent: Extent, rng: np.random.Generator) -> U8:
    height, width = source.shape[:2]
    largest = min(width / extent.width, height / extent.height)
    scale = largest * rng.uniform(0.75, 1.0)
    crop_width = min(width, max(1, round(extent.width * scale)))
    crop_height = min(height, max(1, round(extent.height * scale)))
    x = int(rng.integers(0, width - crop_width + 1))
    y = int(rng.integers(0, height - crop_height + 1))
    return source[y : y + crop_height, x : x + crop_width]


def _linear(extent: Extent, rng: np.random.Generator) -> F32:
    """0 at one end of the canvas and 1 at the other, along a usual or any direction."""
    usual = rng.random() < 0.7
    angle = rng.integers(0, 8) * np.pi / 4 if usual else rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[: extent.height, : extent.width].astype(np.float32)
    along = x * np.float32(np.cos(angle)) + y * np.float32(np.sin(angle))
    low, high = along.min(), along.max()
    return ((along - low) / (high - low)).astype(np.float32)


def _radial(extent: Extent, rng: np.random.Generator) -> F32:
    """0 at a point near the middle, 1 in the farthest corner."""
    center = rng.uniform(0.3, 0.7, 2) * (extent.width, extent.height)
    y, x = np.mgrid[: extent.height, : extent.width].astype(np.float32)
    distance = np.hypot(x - np.float32(center[0]), y - np.float32(center[1]))
    return (distance / distance.max()).astype(np.float32)
