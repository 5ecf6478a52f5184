"""The small network of the method ``peel``: what each pixel of a design belongs to.

A U-Net (Ronneberger et al. 2015, arXiv:1505.04597) of residual blocks (He et al. 2016,
arXiv:1603.05027). It reads the picture at full size, because what tells a drawing from a photograph
is whether neighbours are exactly equal, which is lost when the picture is made smaller.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from layerstudio.color import F32, U8

INPUTS = 5
OUTPUTS = 8
STRIDE = 32  # sides of the input are multiples of it


@dataclass(frozen=True)
class PeelSize:
    """Channels at a half, a quarter, an eighth, ... of the size, and blocks at each from a quarter
    on, down and up again."""

    widths: tuple[int, int, int, int, int] = (24, 32, 64, 128, 192)
    down: tuple[int, int, int, int] = (1, 2, 3, 2)
    up: tuple[int, int, int] = (1, 1, 2)

    @classmethod
    def of(cls, shapes: Mapping[str, tuple[int, ...]]) -> Self:
        """Read off a checkpoint's shapes; raises ``KeyError`` where they are not this network's."""
        widths = [shapes["stem.0.weight"][0]]
        widths += [shapes[f"lower.{level}.0.weight"][0] for level in range(4)]
        return cls(
            tuple(widths),  # type: ignore[arg-type]
            tuple(_count(shapes, f"down.{level}.") for level in range(4)),  # type: ignore[arg-type]
            tuple(_count(shapes, f"up.{level}.") for level in range(3)),  # type: ignore[arg-type]
        )


def _count(shapes: Mapping[str, tuple[int, ...]], prefix: str) -> int:
    return len({key[len(prefix) :].split(".")[0] for key in shapes if key.startswith(prefix)})


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(torch.relu(self.norm(self.first(x))))


class PeelNetwork(nn.Module):
    """(n, 5, h, w) of ``network_input`` to (n, 8, h, w) logits, see ``Reading``."""

    def __init__(self, size: PeelSize = PeelSize()) -> None:  # noqa: B008
        super().__init__()
        self.size = size
        half, *widths = size.widths
        self.stem = nn.Sequential(
            nn.Conv2d(4 * INPUTS, half, 3, padding=1, bias=False), nn.BatchNorm2d(half), nn.ReLU()
        )
        self.lower = nn.ModuleList(
            nn.Sequential(nn.Conv2d(a, b, 2, stride=2, bias=False), nn.BatchNorm2d(b), nn.ReLU())
            for a, b in zip(size.widths, widths, strict=False)
        )
        self.down = nn.ModuleList(
            nn.Sequential(*(_Block(width) for _ in range(count)))
            for width, count in zip(widths, size.down, strict=True)
        )
        self.raise_ = nn.ModuleList(
            nn.Conv2d(widths[level + 1], widths[level], 1) for level in range(3)
        )
        self.up = nn.ModuleList(
            nn.Sequential(*(_Block(widths[level]) for _ in range(size.up[level])))
            for level in range(3)
        )
        self.last = nn.Conv2d(widths[0], half, 1)
        self.head = nn.Sequential(
            nn.Conv2d(half, half, 3, padding=1, bias=False),
            nn.BatchNorm2d(half),
            nn.ReLU(),
            nn.Conv2d(half, 4 * OUTPUTS, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        half = self.stem(nn.functional.pixel_unshuffle(x, 2))
        x = half
        kept = []
        for lower, blocks in zip(self.lower, self.down, strict=True):
            x = blocks(lower(x))
            kept.append(x)
        for level in (2, 1, 0):
            x = kept[level] + _doubled(self.raise_[level](x))
            x = self.up[level](x)
        x = self.head(half + _doubled(self.last(x)))
        return nn.functional.pixel_shuffle(x, 2)


def _doubled(x: Tensor) -> Tensor:
    return nn.functional.interpolate(x, scale_factor=2, mode="nearest")


def network_input(rgb: U8) -> F32:
    """(h, w, 3) to (5, h, w): colours in [-1, 1], and in [0, 1] the logarithms of the largest step
    to the right and lower neighbour and of the second difference, in which 0 differs from 1."""
    height, width = rgb.shape[:2]
    out = np.empty((INPUTS, height, width), np.float32)
    out[:3] = rgb.transpose(2, 0, 1) * np.float32(2 / 255) - 1
    signed = rgb.astype(np.int16)
    step = np.zeros((height, width), np.int16)
    step[:, :-1] = np.abs(signed[:, 1:] - signed[:, :-1]).max(axis=2)
    step[:-1] = np.maximum(step[:-1], np.abs(signed[1:] - signed[:-1]).max(axis=2))
    out[3] = np.log2(1 + step.astype(np.float32)) / 8
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
    second = np.abs(cv2.Laplacian(grey, cv2.CV_32F, borderType=cv2.BORDER_REFLECT_101))
    out[4] = np.log2(1 + second) / 10
    return out
