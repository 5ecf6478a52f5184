"""Antialiased panels: their alpha, their colour, and the soft shadow of any silhouette."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np

from layerstudio.color import F32

Kind = Literal["rectangle", "rounded", "ellipse", "pill", "ribbon", "polygon"]

SHADOW_BLURS = (0.5, 2.2)  # hundredths of the shorter side
SHADOW_OPACITIES = (0.2, 0.6)
_OVERSAMPLING = 8  # 64 levels of coverage, below what 8 bits of a thin edge show


def panel_alpha(kind: Kind, width: float, height: float, rng: np.random.Generator) -> F32:
    """Coverage of a shape of ``width`` x ``height`` pixels, with a margin of one pixel around."""
    if kind in ("ribbon", "polygon"):
        return _polygon_alpha(_outline(kind, width, height, rng), width, height)
    if kind == "ellipse":
        return _ellipse_alpha(width, height)
    radius = {"rectangle": 0.0, "pill": min(width, height) / 2}.get(
        kind, min(width, height) * rng.uniform(0.06, 0.3)
    )
    return rounded_alpha(width, height, radius)


def inset_alpha(alpha: F32, margin: float) -> F32:
    """The shape shrunk by ``margin`` pixels on every side, for the fill inside a border."""
    distance = cv2.distanceTransform((alpha > 0.5).astype(np.uint8), cv2.DIST_L2, 5)
    return np.clip(distance - np.float32(margin), 0, 1) * alpha


def rounded_alpha(width: float, height: float, radius: float) -> F32:
    """Coverage by the signed distance to a rectangle with rounded corners."""
    x, y = _grid(width, height)
    qx = np.abs(x) - np.float32(width / 2 - radius)
    qy = np.abs(y) - np.float32(height / 2 - radius)
    outside = np.hypot(np.maximum(qx, 0), np.maximum(qy, 0))
    distance = outside + np.minimum(np.maximum(qx, qy), 0) - np.float32(radius)
    return np.clip(0.5 - distance, 0, 1)


def shadow_alpha(silhouette: F32, sigma: float, strength: float) -> tuple[F32, int]:
    """A blurred silhouette and the margin that the blur added on every side."""
    margin = int(np.ceil(3 * sigma)) + 1
    padded = np.pad(silhouette, margin)
    blurred = cv2.GaussianBlur(padded, (0, 0), sigma, borderType=cv2.BORDER_CONSTANT)
    return blurred * np.float32(strength), margin


def shadow_offset(sigma: float, rng: np.random.Generator) -> tuple[int, int]:
    """Pixels across and down by which light from above moves a shadow of such a blur."""
    dx, dy = np.rint(rng.uniform((-0.5, 0.3), (1.5, 1.8)) * sigma)
    return int(dx), int(dy)


def _grid(width: float, height: float) -> tuple[F32, F32]:
    """Pixel centres relative to the middle of the shape."""
    columns, rows = int(np.ceil(width)) + 2, int(np.ceil(height)) + 2
    y, x = np.mgrid[:rows, :columns].astype(np.float32)
    return x - np.float32((columns - 1) / 2), y - np.float32((rows - 1) / 2)


def _ellipse_alpha(width: float, height: float) -> F32:
    """Coverage by the first-order distance f / |grad f| to the ellipse."""
    x, y = _grid(width, height)
    a, b = np.float32(width / 2), np.float32(height / 2)
    level = np.hypot(x / a, y / b)
    slope = np.hypot(x / a**2, y / b**2) / np.maximum(level, 1e-6)
    distance = (level - 1) / np.maximum(slope, 1e-6)
    return np.clip(0.5 - distance, 0, 1).astype(np.float32)


def _outline(kind: Kind, width: float, height: float, rng: np.random.Generator) -> F32:
    if kind == "ribbon":
        notch = 0.5 * height * rng.uniform(0.5, 1)
        points = [
            (0, 0), (width, 0), (width - notch, height / 2), (width, height), (0, height),
            (notch, height / 2),
        ]  # fmt: skip
        return np.array(points, np.float32)
    corners = int(rng.integers(5, 9))
    angles = np.arange(corners) * 2 * np.pi / corners - np.pi / 2
    unit = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return ((unit + 1) / 2 * (width, height)).astype(np.float32)


def _polygon_alpha(points: F32, width: float, height: float) -> F32:
    columns, rows = int(np.ceil(width)) + 2, int(np.ceil(height)) + 2
    fine = np.zeros((rows * _OVERSAMPLING, columns * _OVERSAMPLING), np.uint8)
    cv2.fillPoly(fine, [np.rint((points + 1) * _OVERSAMPLING).astype(np.int32)], 255)
    coarse = cv2.resize(fine, (columns, rows), interpolation=cv2.INTER_AREA)
    return coarse.astype(np.float32) / np.float32(255)
