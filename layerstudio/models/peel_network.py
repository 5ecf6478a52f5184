"""The small network of the method ``peel``: what each part of a design belongs to.

A U-Net (Ronneberger et al. 2015, arXiv:1505.04597) of residual blocks (He et al. 2016,
arXiv:1603.05027). It reads not pixels but what is measured on them in squares of 4 x 4, among that
how many neighbours are exactly equal: this tells a drawing from a photograph, and is lost when a
picture is made smaller. So it sees the whole picture and is fast; edges are left to the solvers.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from layerstudio.color import F32, U8

CELL = 4  # pixels of a square's side
FEATURES = 8
OUTPUTS = 8
STRIDE = 16  # squares: sides of the input are multiples of it
_LEVELS = 4


@dataclass(frozen=True)
class PeelSize:
    """Channels at an eighth, a sixteenth, ... of the picture's size, and blocks at each, down and
    up again."""

    widths: tuple[int, ...] = (56, 80, 128, 192)
    down: tuple[int, ...] = (2, 2, 3, 3)
    up: tuple[int, ...] = (2, 2, 2)

    @classmethod
    def of(cls, shapes: Mapping[str, tuple[int, ...]]) -> Self:
        """Read off a checkpoint's shapes; raises ``KeyError`` where they are not this network's."""
        widths = [shapes["stem.0.weight"][0]]
        widths += [shapes[f"lower.{level}.0.weight"][0] for level in range(_LEVELS - 1)]
        return cls(
            tuple(widths),
            tuple(_count(shapes, f"down.{level}.") for level in range(_LEVELS)),
            tuple(_count(shapes, f"up.{level}.") for level in range(_LEVELS - 1)),
        )


def _count(shapes: Mapping[str, tuple[int, ...]], prefix: str) -> int:
    return len({key[len(prefix) :].split(".")[0] for key in shapes if key.startswith(prefix)})


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.second = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.last = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.last(self.second(torch.relu(self.norm(self.first(x))))))


def _step(inputs: int, width: int, kernel: int, stride: int) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, width, kernel, stride, padding=kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(width), nn.ReLU())


class PeelNetwork(nn.Module):
    """(n, 8, h, w) of ``network_input`` to (n, 8, h, w) logits, a number for each square."""

    def __init__(self, size: PeelSize = PeelSize()) -> None:
        super().__init__()
        self.size = size
        widths = size.widths
        self.stem = _step(4 * FEATURES, widths[0], 3, 1)
        self.lower = nn.ModuleList(_step(a, b, 3, 2) for a, b in itertools.pairwise(widths))
        self.down = nn.ModuleList(
            nn.Sequential(*(_Block(width) for _ in range(count)))
            for width, count in zip(widths, size.down, strict=True)
        )
        self.higher = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in itertools.pairwise(widths))
        self.up = nn.ModuleList(
            nn.Sequential(*(_Block(width) for _ in range(count)))
            for width, count in zip(widths, size.up, strict=False)
        )
        self.head = nn.Conv2d(widths[0], 4 * OUTPUTS, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.down[0](self.stem(nn.functional.pixel_unshuffle(x, 2)))
        kept = []
        for lower, blocks in zip(self.lower, list(self.down)[1:], strict=True):
            kept.append(x)
            x = blocks(lower(x))
        for level in reversed(range(len(kept))):
            higher = nn.functional.interpolate(self.higher[level](x), scale_factor=2.0)
            x = self.up[level](kept[level] + higher)
        return nn.functional.pixel_shuffle(self.head(x), 2)


def network_input(rgb: U8) -> F32:
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
