"""Fast Fourier convolution (Chi et al. 2020, NeurIPS 33), the form that LaMa uses.

Channels are two groups: local ones, which convolutions see, and global ones, which are mixed by
frequency too, so that each place knows the whole picture. Here they lie in one tensor, the local
ones first: what both give to one group is one convolution then, padded once. Keys are LaMa's.
For inference: norms go by their running statistics, folded into the convolutions before them.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn


class Widths(NamedTuple):
    """Channels of the two groups."""

    near: int
    everywhere: int = 0


class FourierConvolution(nn.Module):
    """Convolution, norm and ReLU of both groups: (B, sum of ``ins``, H, W) to that of ``outs``."""

    def __init__(
        self, ins: Widths, outs: Widths, kernel: int, *, stride: int = 1, padding: int = 0
    ) -> None:
        super().__init__()
        self.ins, self.stride, self.padding = ins, stride, padding
        self.ffc = _Paths(ins, outs, kernel)
        self.bn_l = nn.BatchNorm2d(outs.near)
        self.bn_g = nn.BatchNorm2d(outs.everywhere) if outs.everywhere else None

    def forward(self, x: Tensor) -> Tensor:
        wide = F.pad(x, (self.padding,) * 4, mode="reflect") if self.padding else x
        weight, bias = folded(self.ffc.to_near(), self.bn_l)
        near = F.conv2d(wide, weight, bias, stride=self.stride)
        if self.bn_g is None or self.ffc.convl2g is None:
            return near.relu_()
        weight, bias = folded(self.ffc.convl2g.weight, self.bn_g)
        everywhere = F.conv2d(wide[:, : self.ins.near], weight, bias, stride=self.stride)
        if self.ffc.convg2g is not None:
            everywhere += self.ffc.convg2g(x[:, self.ins.near :], self.bn_g)
        return torch.cat([near, everywhere], dim=1).relu_()


class FourierBlock(nn.Module):
    """Two convolutions beside the identity."""

    def __init__(self, widths: Widths) -> None:
        super().__init__()
        self.conv1 = FourierConvolution(widths, widths, 3, padding=1)
        self.conv2 = FourierConvolution(widths, widths, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2(self.conv1(x)).add_(x)


class _Paths(nn.Module):
    """The weights from each group to each group."""

    def __init__(self, ins: Widths, outs: Widths, kernel: int) -> None:
        super().__init__()
        self.convl2l = _convolution(ins.near, outs.near, kernel)
        both_ways = ins.everywhere and outs.everywhere
        self.convl2g = _convolution(ins.near, outs.everywhere, kernel) if outs.everywhere else None
        self.convg2l = _convolution(ins.everywhere, outs.near, kernel) if ins.everywhere else None
        self.convg2g = _SpectralTransform(ins.everywhere, outs.everywhere) if both_ways else None

    def to_near(self) -> Tensor:
        if self.convg2l is None:
            return self.convl2l.weight
        return torch.cat([self.convl2l.weight, self.convg2l.weight], dim=1)


class _SpectralTransform(nn.Module):
    def __init__(self, channels: int, out_channels: int) -> None:
        super().__init__()
        half = out_channels // 2
        self.conv1 = nn.Sequential(_convolution(channels, half, 1), nn.BatchNorm2d(half))
        self.fu = _FourierUnit(half)
        self.conv2 = _convolution(half, out_channels, 1)

    def forward(self, x: Tensor, norm: nn.BatchNorm2d) -> Tensor:
        """With the scale of the ``norm`` that follows, whose shift is added elsewhere."""
        x = _normalised(x, *self.conv1)
        weight, _ = folded(self.conv2.weight, norm)
        return F.conv2d(self.fu(x).add_(x), weight)


class _FourierUnit(nn.Module):
    """A 1 x 1 convolution over frequencies, real and imaginary parts as channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv_layer = _convolution(2 * channels, 2 * channels, 1)
        self.bn = nn.BatchNorm2d(2 * channels)

    def forward(self, x: Tensor) -> Tensor:
        """In float32 where it is a transform: half precision has it for powers of two only."""
        height, width = x.shape[2:]
        spectrum = torch.fft.rfft2(x.float(), norm="ortho")
        parts = torch.view_as_real(spectrum).movedim(4, 2).flatten(1, 2).to(x.dtype)
        mixed = _normalised(parts, self.conv_layer, self.bn).unflatten(1, (-1, 2)).movedim(2, 4)
        spectrum = torch.view_as_complex(mixed.float().contiguous())
        return torch.fft.irfft2(spectrum, s=(height, width), norm="ortho").to(x.dtype)


def folded(
    weight: Tensor, norm: nn.BatchNorm2d, bias: Tensor | None = None, *, axis: int = 0
) -> tuple[Tensor, Tensor]:
    """Weight and bias of a convolution that does the ``norm`` behind it as well.

    ``axis`` is that of the weight's output channels. Worked out at each call: it is nothing beside
    the convolution, and the parameters stay those of the checkpoint.
    """
    assert norm.running_mean is not None and norm.running_var is not None
    scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    shape = [1] * weight.ndim
    shape[axis] = -1
    mean = norm.running_mean if bias is None else norm.running_mean - bias
    return weight * scale.view(shape), norm.bias - mean * scale


def _normalised(x: Tensor, convolution: nn.Module, norm: nn.Module) -> Tensor:
    assert isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
    return F.conv2d(x, *folded(convolution.weight, norm)).relu_()


def _convolution(channels: int, out_channels: int, kernel: int) -> nn.Conv2d:
    return nn.Conv2d(channels, out_channels, kernel, bias=False)
