"""Swin Transformer (Liu et al. 2021, arXiv:2103.14030) as a backbone of dense prediction.

Keys are those of the authors' segmentation code, which BiRefNet's checkpoints are made of. Tokens
are (B, rows, columns, channels) throughout.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from layerstudio.models.attention import attention

PATCH = 4  # pixels of a token's side at the first stage
STAGES = 4
_MLP_RATIO = 4
# Added between tokens that are neighbours only because the picture was rolled, as published.
_APART = -100.0
# The hidden layer of an MLP is four times its tokens: it is made for so many at once.
_MLP_TOKENS = 2**14


@dataclass(frozen=True)
class SwinSize:
    """Channels of the first stage, blocks and heads of each stage, tokens of a window's side."""

    width: int
    depths: tuple[int, ...]
    heads: tuple[int, ...]
    window: int

    @classmethod
    def of(cls, shapes: Mapping[str, tuple[int, ...]]) -> Self:
        """Read off a checkpoint's shapes; raises ``KeyError`` where they are no Swin's."""
        stages = [_stage(shapes, index) for index in range(STAGES)]
        offsets = shapes["layers.0.blocks.0.attn.relative_position_bias_table"][0]
        return cls(
            width=shapes["patch_embed.proj.weight"][0],
            depths=tuple(depth for depth, _ in stages),
            heads=tuple(heads for _, heads in stages),
            window=(math.isqrt(offsets) + 1) // 2,
        )

    @property
    def channels(self) -> tuple[int, ...]:
        """Of the features of each stage, the finest first."""
        return tuple(self.width * 2**index for index in range(len(self.depths)))


SWIN_T = SwinSize(96, (2, 2, 6, 2), (3, 6, 12, 24), 7)
SWIN_L = SwinSize(192, (2, 2, 18, 2), (6, 12, 24, 48), 12)


class Swin(nn.Module):
    """Features of all stages: sides of 1/4, 1/8, 1/16 and 1/32 of the picture's, rounded up."""

    def __init__(self, size: SwinSize) -> None:
        super().__init__()
        self.patch_embed = _PatchEmbed(size.width)
        last = len(size.depths) - 1
        self.layers = nn.ModuleList(
            _Stage(channels, size.depths[i], size.heads[i], size.window, merges=i < last)
            for i, channels in enumerate(size.channels)
        )
        for index, channels in enumerate(size.channels):
            self.add_module(f"norm{index}", nn.LayerNorm(channels))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, H, W) to one (B, channels, rows, columns) per stage, the finest first."""
        x = self.patch_embed(x)
        features = []
        for index, stage in enumerate(self.layers):
            x = stage(x)
            features.append(self.get_submodule(f"norm{index}")(x).permute(0, 3, 1, 2))
            if index < len(self.layers) - 1:
                x = stage.get_submodule("downsample")(x)
        return tuple(features)


class _PatchEmbed(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, PATCH, stride=PATCH)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(x, (0, -x.shape[3] % PATCH, 0, -x.shape[2] % PATCH))
        return self.norm(self.proj(x).permute(0, 2, 3, 1))


class _Stage(nn.Module):
    def __init__(self, width: int, depth: int, heads: int, window: int, *, merges: bool) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            _Block(width, heads, window, shift=window // 2 if index % 2 else 0)
            for index in range(depth)
        )
        self.downsample = _PatchMerging(width) if merges else None

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return x


class _PatchMerging(nn.Module):
    """Four neighbouring tokens become one of twice the channels."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.reduction = nn.Linear(4 * width, 2 * width, bias=False)
        self.norm = nn.LayerNorm(4 * width)

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(x, (0, 0, 0, x.shape[2] % 2, 0, x.shape[1] % 2))
        corners = [x[:, row::2, column::2] for column in (0, 1) for row in (0, 1)]
        return self.reduction(self.norm(torch.cat(corners, dim=3)))


class _Block(nn.Module):
    def __init__(self, width: int, heads: int, window: int, *, shift: int) -> None:
        super().__init__()
        self.window, self.shift = window, shift
        self.norm1 = nn.LayerNorm(width)
        self.attn = _WindowAttention(width, heads, window)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = _Mlp(width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self._attended(self.norm1(x))
        return x + self.mlp(self.norm2(x))

    def _attended(self, x: Tensor) -> Tensor:
        """Tokens that fill up the last windows are zeros that take part, as published."""
        _, rows, columns, _ = x.shape
        x = F.pad(x, (0, 0, 0, -columns % self.window, 0, -rows % self.window))
        if self.shift:
            x = x.roll((-self.shift, -self.shift), dims=(1, 2))
        x = joined(self.attn(windows_of(x, self.window), self.shift), self.window)
        if self.shift:
            x = x.roll((self.shift, self.shift), dims=(1, 2))
        return x[:, :rows, :columns]


class _Mlp(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, _MLP_RATIO * width)
        self.fc2 = nn.Linear(_MLP_RATIO * width, width)

    def forward(self, x: Tensor) -> Tensor:
        pieces = x.reshape(-1, x.shape[-1]).split(_MLP_TOKENS)
        return torch.cat([self.fc2(F.gelu(self.fc1(piece))) for piece in pieces]).view(x.shape)


class _WindowAttention(nn.Module):
    """Attention inside windows, with a learned bias for each offset between two tokens."""

    relative_position_index: Tensor

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads, self.window = heads, window
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        self.register_buffer("relative_position_index", offset_index(window))
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor, shift: int) -> Tensor:
        """(B, window rows, window columns, tokens, channels), rolled by ``shift`` tokens.

        Rolling brings strangers together in the last row and column of windows only. There are
        four kinds of windows, each with one bias; a bias per window would be larger than the
        tokens.
        """
        qkv = self.qkv(x)
        bias = self.relative_position_bias_table[self.relative_position_index].permute(2, 0, 1)
        if not shift:
            return self.proj(self._attend(qkv, bias))
        attended = torch.empty_like(x)
        strangers = strangers_of_roll(self.window, shift, x.device)
        for last_row, rows in enumerate((slice(-1), slice(-1, None))):
            for last_column, columns in enumerate((slice(-1), slice(-1, None))):
                some = qkv[:, rows, columns]
                if some.numel():
                    masked = bias + _APART * strangers[last_row, last_column].to(bias)
                    attended[:, rows, columns] = self._attend(some, masked)
        return self.proj(attended)

    def _attend(self, qkv: Tensor, bias: Tensor) -> Tensor:
        *batch, tokens, channels = qkv.shape
        split = qkv.reshape(-1, tokens, 3, self.heads, channels // (3 * self.heads))
        q, k, v = split.permute(2, 0, 3, 1, 4)
        return attention(q, k, v, bias=bias[None]).transpose(1, 2).reshape(*batch, tokens, -1)


def windows_of(x: Tensor, window: int) -> Tensor:
    """(B, H, W, C), sides multiples of ``window``, to (B, H / window, W / window, window², C)."""
    batch, rows, columns, channels = x.shape
    x = x.view(batch, rows // window, window, columns // window, window, channels)
    return x.transpose(2, 3).flatten(3, 4)


def joined(x: Tensor, window: int) -> Tensor:
    """``windows_of`` undone."""
    batch, rows, columns, _, channels = x.shape
    x = x.view(batch, rows, columns, window, window, channels).transpose(2, 3)
    return x.reshape(batch, rows * window, columns * window, channels)


def offset_index(window: int) -> Tensor:
    """(window², window²), int64: the row of the table of biases for two tokens of a window."""
    at = torch.arange(window)
    apart = at[:, None] - at[None, :] + window - 1  # in one axis, from 0
    index = apart[:, None, :, None] * (2 * window - 1) + apart[None, :, None, :]
    return index.reshape(window**2, window**2)


def strangers_of_roll(window: int, shift: int, device: torch.device) -> Tensor:
    """(2, 2, window², window²), bool: which tokens of a rolled window are no neighbours.

    The first two axes say whether it is a window of the last row, and of the last column.
    """
    came_round = torch.arange(window, device=device) >= window - shift
    sides = torch.stack([torch.zeros_like(came_round), came_round])  # ordinary, last
    shape = (2, 2, window, window)
    part = sides[:, None, :, None].expand(shape) * 2 + sides[None, :, None, :].expand(shape)
    part = part.reshape(2, 2, -1)
    return part[..., :, None] != part[..., None, :]


def _stage(shapes: Mapping[str, tuple[int, ...]], index: int) -> tuple[int, int]:
    """Blocks and heads."""
    found = (re.match(rf"layers\.{index}\.blocks\.(\d+)\.", key) for key in shapes)
    depth = len({match[1] for match in found if match})
    return depth, shapes[f"layers.{index}.blocks.0.attn.relative_position_bias_table"][1]
