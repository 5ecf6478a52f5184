"""What the autoencoder of ``studio`` learns from: clip art, backgrounds, and both put together."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from layerstudio.color import U8, to_float
from layerstudio.models.studio_codec import on_grey
from training.assets import Assets
from training.splits import Split
from training.studio_grounds import COLOURS, GROUNDS, Floats, ground

_LONGEST = 176
_GROUNDS = 150
_SPRITES, _COMPOSITES = 0.65, 0.2  # shares of the crops; the rest are backgrounds


class CodecCrops:
    """Square crops of one split's clip art; the same seed and step give the same batch."""

    def __init__(self, assets: Assets, seed: int, side: int, split: Split = "train") -> None:
        self._seed, self._side = seed, side
        names = assets.sprite_names(split)
        read = (assets.sprite(name, _LONGEST) for name in names)
        self._sprites: list[U8] = [sprite for sprite in read if sprite is not None]
        rng = np.random.default_rng([seed, 7])
        kinds, colours = list(GROUNDS), list(COLOURS)
        self._grounds: list[Floats] = [
            ground(str(rng.choice(kinds)), str(rng.choice(colours)), 256, rng)
            for _ in range(_GROUNDS)
        ]

    def batch(self, step: int, count: int) -> Tensor:
        """(count, 4, side, side), colour on grey and alpha in [-1, 1]."""
        rng = np.random.default_rng([self._seed, step % 2**32])
        crops = np.stack([self._crop(rng) for _ in range(count)])
        return on_grey(torch.from_numpy(crops).movedim(-1, 1).contiguous())

    def _crop(self, rng: np.random.Generator) -> Floats:
        """(side, side, 4) straight, in [0, 1]."""
        what = rng.random()
        if what < _SPRITES:
            return self._sprite(rng)
        colour = self._ground(rng)
        if what < _SPRITES + _COMPOSITES:
            above = self._sprite(rng)
            colour = colour + (above[..., :3] - colour) * above[..., 3:]
        return np.dstack([colour, np.ones_like(colour[..., :1])])

    def _ground(self, rng: np.random.Generator) -> Floats:
        whole = self._grounds[int(rng.integers(len(self._grounds)))]
        y, x = rng.integers(0, whole.shape[0] - self._side + 1, 2)
        return whole[y : y + self._side, x : x + self._side]

    def _sprite(self, rng: np.random.Generator) -> Floats:
        sprite = self._sprites[int(rng.integers(len(self._sprites)))]
        scale = rng.uniform(0.5, 1.0)
        size = [max(8, round(n * scale)) for n in sprite.shape[1::-1]]
        straight = to_float(sprite)
        straight[..., :3] *= straight[..., 3:]
        small = cv2.resize(straight, size, interpolation=cv2.INTER_AREA)
        small[..., :3] /= np.maximum(small[..., 3:], np.float32(1e-4))
        if rng.random() < 0.5:
            small = small[:, ::-1]
        if rng.random() < 0.4:
            small = small[..., [*rng.permutation(3), 3]]
        return _placed(small.clip(0, 1), self._side, rng)


def _placed(sprite: Floats, side: int, rng: np.random.Generator) -> Floats:
    """A window of ``side`` onto ``sprite`` (h, w, 4), a little beyond it at times."""
    window = np.zeros((side, side, 4), np.float32)
    starts, ends = [], []
    for length in sprite.shape[:2]:
        low, high = min(0, length - side) - 8, max(0, length - side) + 8
        start = int(rng.integers(low, high + 1))
        starts.append(start)
        ends.append(min(length, start + side))
    top, left = (max(0, start) for start in starts)
    part = sprite[top : ends[0], left : ends[1]]
    y, x = top - starts[0], left - starts[1]
    window[y : y + part.shape[0], x : x + part.shape[1]] = part
    return window
