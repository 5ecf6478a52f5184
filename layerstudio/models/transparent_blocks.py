"""The parts of LayerDiffuse's transparency decoder.

A UNet of residual blocks and attention without any notion of time. Module names are those of the
published checkpoints, so that these load key by key.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from layerstudio.models.attention import attention
from layerstudio.models.normalisation import normalised

NORM_EPSILON = 1e-5


class ResidualBlock(nn.Module):
    """(norm, SiLU, 3 x 3 convolution) twice, added to the input; He et al. 2016, pre-activation."""

    def __init__(self, in_channels: int, out_channels: int, groups: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, in_channels, NORM_EPSILON)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.norm2 = nn.GroupNorm(groups, out_channels, NORM_EPSILON)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        if in_channels != out_channels:
            self.conv_shortcut = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor, *, consume: bool = False) -> Tensor:
        """``consume``: nobody else needs ``x``, so its memory may be written over."""
        shortcut = self.conv_shortcut(x) if hasattr(self, "conv_shortcut") else x
        h = self.conv1(normalised(self.norm1, x, in_place=consume and shortcut is not x))
        h = self.conv2(normalised(self.norm2, h, in_place=True))
        return h.add_(shortcut)


class SpatialAttention(nn.Module):
    """Self-attention of all places of a feature map (B, C, H, W), added to the input."""

    def __init__(self, channels: int, head_dim: int, groups: int) -> None:
        super().__init__()
        self.head_dim = head_dim
        self.group_norm = nn.GroupNorm(groups, channels, NORM_EPSILON)
        self.to_q = nn.Linear(channels, channels)
        self.to_k = nn.Linear(channels, channels)
        self.to_v = nn.Linear(channels, channels)
        # A list of one, because the published key is `to_out.0`.
        self.to_out = nn.ModuleList([nn.Linear(channels, channels)])

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        tokens = normalised(self.group_norm, x, activate=False).flatten(2).transpose(1, 2)
        q, k, v = (
            project(tokens).unflatten(2, (-1, self.head_dim)).transpose(1, 2)
            for project in (self.to_q, self.to_k, self.to_v)
        )
        attended = attention(q, k, v).transpose(1, 2).flatten(2)
        return x + self.to_out[0](attended).transpose(1, 2).unflatten(2, (height, width))


class Downsampler(nn.Module):
    """Half the size by a strided 3 x 3 convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class Upsampler(nn.Module):
    """Twice the size by repeating pixels, then a 3 x 3 convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))


class Level(nn.Module):
    """Residual blocks of one size, each followed by attention where the level has any."""

    def __init__(
        self,
        in_channels: Sequence[int],
        channels: int,
        *,
        groups: int,
        head_dim: int | None,
    ) -> None:
        """One residual block for each of ``in_channels``; no attention without ``head_dim``."""
        super().__init__()
        self.resnets = nn.ModuleList(
            ResidualBlock(width, channels, groups) for width in in_channels
        )
        if head_dim is not None:
            self.attentions = nn.ModuleList(
                SpatialAttention(channels, head_dim, groups) for _ in in_channels
            )

    def step(self, index: int, x: Tensor, *, consume: bool = False) -> Tensor:
        """The ``index``-th residual block, and its attention if there is one."""
        x = self.resnets[index](x, consume=consume)
        return self.attentions[index](x) if hasattr(self, "attentions") else x


class DownLevel(Level):
    """A level of the encoder half; ``resample`` leads to the next, smaller one."""

    def __init__(
        self,
        in_channels: int,
        channels: int,
        *,
        layers: int,
        resample: bool,
        groups: int,
        head_dim: int | None,
    ) -> None:
        widths = [in_channels] + [channels] * (layers - 1)
        super().__init__(widths, channels, groups=groups, head_dim=head_dim)
        if resample:
            self.downsamplers = nn.ModuleList([Downsampler(channels)])

    def forward(self, x: Tensor, skips: list[Tensor]) -> Tensor:
        """Every intermediate result is appended to ``skips``."""
        for index in range(len(self.resnets)):
            x = self.step(index, x)
            skips.append(x)
        if hasattr(self, "downsamplers"):
            x = self.downsamplers[0](x)
            skips.append(x)
        return x


class UpLevel(Level):
    """A level of the decoder half; ``resample`` leads to the next, larger one."""

    def __init__(
        self,
        in_channels: Sequence[int],
        channels: int,
        *,
        resample: bool,
        groups: int,
        head_dim: int | None,
    ) -> None:
        """``in_channels``: of each residual block, the skip connection counted in."""
        super().__init__(in_channels, channels, groups=groups, head_dim=head_dim)
        if resample:
            self.upsamplers = nn.ModuleList([Upsampler(channels)])

    def forward(self, x: Tensor, skips: list[Tensor]) -> Tensor:
        """Takes one of ``skips`` from its end for every residual block."""
        for index in range(len(self.resnets)):
            x = self.step(index, torch.cat([x, skips.pop()], dim=1), consume=True)
        return self.upsamplers[0](x) if hasattr(self, "upsamplers") else x


class Middle(nn.Module):
    """Residual block, attention, residual block at the smallest size."""

    def __init__(self, channels: int, *, groups: int, head_dim: int) -> None:
        super().__init__()
        self.attentions = nn.ModuleList([SpatialAttention(channels, head_dim, groups)])
        self.resnets = nn.ModuleList(ResidualBlock(channels, channels, groups) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        return self.resnets[1](self.attentions[0](self.resnets[0](x)))
