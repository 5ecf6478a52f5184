"""Modulated deformable convolution (Zhu et al. 2019, arXiv:1811.11168, eq. 1).

``sampled_convolution`` runs wherever PyTorch does; torchvision's compiled operator takes its
place on CUDA. On a CPU ours is the faster and the smaller one: torchvision's runs on one core and
keeps every sample of every tap (benchmarks/mattes.py measures both).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn


class DeformableConv2d(nn.Module):
    """A convolution that looks at places, and as much, as it finds in its input itself."""

    def __init__(self, channels: int, out_channels: int, kernel: int) -> None:
        super().__init__()
        padding = kernel // 2
        self.offset_conv = nn.Conv2d(channels, 2 * kernel**2, kernel, padding=padding)
        self.modulator_conv = nn.Conv2d(channels, kernel**2, kernel, padding=padding)
        self.regular_conv = nn.Conv2d(channels, out_channels, kernel, padding=padding, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) to (B, out_channels, H, W); weights of taps lie in 0..2."""
        offset = self.offset_conv(x)
        modulation = 2 * torch.sigmoid(self.modulator_conv(x))
        return deformable_convolution(x, offset, modulation, self.regular_conv.weight)


def deformable_convolution(x: Tensor, offset: Tensor, modulation: Tensor, weight: Tensor) -> Tensor:
    """``x`` (B, C, H, W) at H x W places, through ``weight`` (C', C, k, k), k odd, stride 1.

    ``offset`` (B, 2k², H, W) is in pixels, row before column, for each tap; ``modulation``
    (B, k², H, W) weighs the taps. Beyond the picture all is 0. Places are found in float32: in
    half precision they would be off by an eighth of a pixel 256 pixels from the corner.
    """
    run = _compiled if x.is_cuda and has_operator() else sampled_convolution
    result = run(x.float(), offset.float(), modulation.float(), weight.float())
    return result.to(x.dtype)


def sampled_convolution(x: Tensor, offset: Tensor, modulation: Tensor, weight: Tensor) -> Tensor:
    """``deformable_convolution`` by bilinear sampling, one row of taps at a time."""
    batch, channels, height, width = x.shape
    kernel = weight.shape[2]
    places = offset.reshape(batch, kernel, kernel, 2, height, width)
    weights = modulation.reshape(batch, 1, kernel, kernel * height, width)
    rows = torch.arange(height, device=x.device, dtype=x.dtype)[:, None]
    columns = torch.arange(width, device=x.device, dtype=x.dtype)
    across = (torch.arange(kernel, device=x.device) - kernel // 2)[:, None, None]
    total = None
    for tap in range(kernel):
        y = places[:, tap, :, 0] + (rows + (tap - kernel // 2))
        x_ = places[:, tap, :, 1] + (columns + across)
        # Pixels' centres, in grid_sample's -1..1 from edge to edge.
        grid = torch.stack([(2 * x_ + 1) / width - 1, (2 * y + 1) / height - 1], dim=-1)
        seen = F.grid_sample(x, grid.flatten(1, 2), align_corners=False)
        seen = seen.mul_(weights[:, :, tap]).reshape(batch, channels * kernel, -1)
        part = weight[:, :, tap].flatten(1) @ seen
        total = part if total is None else total.add_(part)
    assert total is not None
    return total.view(batch, -1, height, width)


def has_operator() -> bool:
    """Whether torchvision is here with its compiled operators."""
    try:
        from torchvision.extension import _has_ops
    except ImportError:
        return False
    return _has_ops()


def _compiled(x: Tensor, offset: Tensor, modulation: Tensor, weight: Tensor) -> Tensor:
    from torchvision.ops import deform_conv2d

    padding = weight.shape[2] // 2
    return deform_conv2d(x, offset, weight, padding=(padding, padding), mask=modulation)
