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

import torch
from torch import Tensor, nn

from layerstudio.ops.peel_forward import LEVELS, OUTPUTS
from layerstudio.ops.square_features import FEATURES


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
        widths += [shapes[f"lower.{level}.0.weight"][0] for level in range(LEVELS - 1)]
        return cls(
            tuple(widths),
            tuple(_count(shapes, f"down.{level}.") for level in range(LEVELS)),
            tuple(_count(shapes, f"up.{level}.") for level in range(LEVELS - 1)),
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
    """(n, 8, h, w) of ``square_features`` to (n, 10, h, w), numbers for each square: eight logits,
    and the way to the middle of the drawing that it belongs to, across and down, in ``REACH``.

    It is trained here; ``ops/peel_forward.py`` runs what it has learned.
    """

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
