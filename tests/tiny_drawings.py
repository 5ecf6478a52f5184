"""Drawings and wallpapers made here, to be packed for training."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from layerstudio.color import U8
from training.photographs import WALLPAPERS

NAMES = tuple(sorted(f"thing of nobody {i}.svg" for i in range(48)))
UNUSABLE = NAMES[3::7]


class Drawn:
    """Grained ellipses in colours of their own; a few names are no usable drawing."""

    title = "ellipses"

    def names(self) -> tuple[str, ...]:
        return NAMES

    def read(self, name: str) -> U8 | None:
        if name in UNUSABLE:
            return None
        rng = np.random.default_rng(list(name.encode()))
        canvas = np.zeros((131, 101, 4), np.uint8)
        colour = (*(int(v) for v in rng.integers(30, 220, 3)), 255)
        cv2.ellipse(canvas, (50, 65), (47, 61), 0, 0, 360, colour, -1, cv2.LINE_AA)
        canvas[..., :3] += rng.integers(0, 9, (131, 101, 3), dtype=np.uint8)
        return canvas


class Given:
    """Sprites that are given."""

    title = "given"

    def __init__(self, sprites: dict[str, U8]) -> None:
        self._sprites = sprites

    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self._sprites))

    def read(self, name: str) -> U8 | None:
        return self._sprites[name]


def write_wallpapers(root: Path) -> None:
    """Small pictures in the places below /usr/share of all wallpapers."""
    for item in WALLPAPERS:
        path = root / item.path
        path.parent.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(list(item.name.encode()))
        coarse = rng.integers(0, 256, (8, 11, 3), dtype=np.uint8)
        pixels = cv2.resize(coarse, (203, 151), interpolation=cv2.INTER_CUBIC)
        Image.fromarray(pixels ^ rng.integers(0, 4, pixels.shape, dtype=np.uint8)).save(path)
