"""Group normalisation and SiLU of large feature maps on a CPU."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

# Maps smaller than this (elements) stay in the cache, where PyTorch's own kernel is as fast.
_LARGE = 1 << 20
# What is squared at a time (elements): a temporary that stays in the cache of one core.
_BLOCK = 1 << 18


def normalised(norm: nn.GroupNorm, x: Tensor, *, in_place: bool = False) -> Tensor:
    """SiLU of ``norm`` of ``x`` (B, C, H, W); ``in_place``: ``x`` may be written over.

    Large float32 maps in channels-last memory on a CPU, outside autograd, take a way of their
    own: PyTorch's kernel for them sums all pixels in one float32 run, which at 512 x 512 costs
    1e-5 in what the decoder returns, and it never writes in place, though fresh memory is what
    takes most of its time.
    """
    if not _is_large_on_cpu(x):
        return F.silu(norm(x), inplace=True)
    batch, channels, height, width = x.shape
    rows = x.permute(0, 2, 3, 1).flatten(2)
    scale, shift = _affine(norm, rows, width)
    out = rows if in_place else torch.empty_like(rows)
    torch.addcmul(shift.repeat(1, 1, width), rows, scale.repeat(1, 1, width), out=out)
    F.silu(out, inplace=True)
    return out.view(batch, height, width, channels).permute(0, 3, 1, 2)


def _is_large_on_cpu(x: Tensor) -> bool:
    return (
        x.device.type == "cpu"
        and x.dtype == torch.float32
        and x.numel() >= _LARGE
        and not torch.is_grad_enabled()
        and x.is_contiguous(memory_format=torch.channels_last)
    )


def _affine(norm: nn.GroupNorm, rows: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """Factor and summand (B, 1, C) that normalise ``rows`` (B, H, W * C)."""
    batch, height, length = rows.shape
    step = max(1, _BLOCK // length)
    blocks = rows.split(step, dim=1)
    sums = torch.stack([block.sum(1) for block in blocks]).double().sum(0)
    squares = torch.stack([block.square().sum(1) for block in blocks]).double().sum(0)
    count = height * length // norm.num_groups
    mean, mean_square = (
        total.view(batch, width, norm.num_groups, -1).sum((1, 3)) / count
        for total in (sums, squares)
    )
    deviation = (mean_square - mean.square()).clamp_min(0).add(norm.eps).sqrt()
    scale = norm.weight / deviation.repeat_interleave(norm.num_channels // norm.num_groups, 1)
    shift = norm.bias - mean.repeat_interleave(norm.num_channels // norm.num_groups, 1) * scale
    return scale.float()[:, None], shift.float()[:, None]
