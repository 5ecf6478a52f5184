"""Pictures whose matte and foreground colours are known: hair, soft edges, glass on photographs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from layerstudio.color import F32, U8, to_float, to_u8
from layerstudio.geometry import Extent
from training.assets import Assets
from training.backgrounds import photograph

_FINER = 4  # pixels each way of which one of a stroke's edge is the mean
_HAIRS = 260


@dataclass(frozen=True, eq=False)
class MattingScene:
    """``picture`` (h, w, 3) is ``foreground`` (h, w, 3) by ``alpha`` (h, w) over another
    photograph; ``trimap`` leaves open what is neither, and a margin around it."""

    name: str
    picture: U8
    trimap: F32
    alpha: F32
    foreground: F32


def scenes(side: int, seed: int = 0) -> list[MattingScene]:
    """One of each kind, (side * 0.8, side) pixels."""
    extent = Extent(side, round(0.8 * side))
    shapes: dict[str, Callable[[Extent, np.random.Generator], F32]] = {
        "hair": hair,
        "soft edges": soft_edges,
        "glass": glass,
    }
    return [
        composed(name, shape(extent, np.random.default_rng(seed + index)), seed + 10 * index)
        for index, (name, shape) in enumerate(shapes.items())
    ]


def composed(name: str, alpha: F32, seed: int) -> MattingScene:
    """One photograph by ``alpha`` over another."""
    rng = np.random.default_rng(seed)
    assets = Assets.bundled()
    names = assets.photograph_names("train")
    own, other = rng.choice(len(names), 2, replace=False)
    extent = Extent.of(alpha)
    front, back = (
        to_float(photograph(assets.photograph(names[index]), extent, rng)[..., :3])
        for index in (own, other)
    )
    picture = to_u8(alpha[..., None] * front + (1 - alpha[..., None]) * back)
    return MattingScene(name, picture, trimap_of(alpha), alpha, front)


def trimap_of(alpha: F32) -> F32:
    """0, 1 and 0.5: what is open, widened by a sixtieth of the shorter side."""
    reach = max(3, min(alpha.shape) // 60)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    sure = cv2.erode((alpha >= 1).astype(np.uint8), kernel)
    possible = cv2.dilate((alpha > 0).astype(np.uint8), kernel)
    return np.where(sure, 1.0, np.where(possible, 0.5, 0.0)).astype(np.float32)


def hair(extent: Extent, rng: np.random.Generator) -> F32:
    """A head with strands a pixel wide and less."""
    width, height = (side * _FINER for side in extent)
    canvas = np.zeros((height, width), np.uint8)
    centre = np.array([width / 2, height / 2])
    radius = 0.24 * height
    cv2.circle(canvas, (int(centre[0]), int(centre[1])), int(radius), 255, -1)
    for angle in rng.uniform(0, 2 * np.pi, _HAIRS):
        along = np.linspace(0, 1, 30)
        turns = angle + rng.uniform(-1.2, 1.2) * along**2
        reach = radius * (0.9 + rng.uniform(0.2, 0.75) * along)
        points = centre + np.stack([np.cos(turns), np.sin(turns)], 1) * reach[:, None]
        thickness = int(rng.integers(2, _FINER + 4))
        cv2.polylines(canvas, [points.astype(np.int32)], False, 255, thickness)
    return _averaged(canvas, extent)


def soft_edges(extent: Extent, rng: np.random.Generator) -> F32:
    """Blobs out of focus, each by another amount."""
    alpha = np.zeros(extent.shape, np.float32)
    for blur in (1.0, 4.0, 10.0):
        blob = np.zeros(extent.shape, np.float32)
        centre = [int(rng.uniform(0.25, 0.75) * side) for side in extent]
        axes = [int(rng.uniform(0.12, 0.22) * extent.height) for _ in range(2)]
        cv2.ellipse(blob, centre, axes, float(rng.uniform(0, 180)), 0, 360, 1.0, -1)
        soft = cv2.GaussianBlur(blob, (0, 0), blur * extent.width / 512)
        alpha = np.maximum(alpha, soft)
    # A blur has no end; what is less than a level is not there.
    return np.clip((alpha - 1 / 255) / (1 - 2 / 255), 0, 1).astype(np.float32)


def glass(extent: Extent, rng: np.random.Generator) -> F32:
    """Discs that let 20 to 70 % through, in rims that do not."""
    width, height = (side * _FINER for side in extent)
    canvas = np.zeros((height, width), np.uint8)
    for x in (0.22, 0.5, 0.78):
        centre = (int(x * width), int(rng.uniform(0.35, 0.65) * height))
        radius = int(rng.uniform(0.14, 0.19) * height)
        level = int(255 * rng.uniform(0.3, 0.8))
        cv2.circle(canvas, centre, radius, level, -1)
        cv2.circle(canvas, centre, radius, 255, max(_FINER, radius // 3))
    return _averaged(canvas, extent)


def _averaged(canvas: U8, extent: Extent) -> F32:
    small = cv2.resize(canvas.astype(np.float32), tuple(extent), interpolation=cv2.INTER_AREA)
    return np.asarray(small / 255, np.float32)
