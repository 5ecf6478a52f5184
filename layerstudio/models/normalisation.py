"""Group normalisation and SiLU, exact and without fresh memory on a CPU."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

# What is squared at a time (elements): a temporary that stays in the cache of one core.
_BLOCK = 1 << 18


def normalised(
    norm: nn.GroupNorm, x: Tensor, *, activate: bool = True, in_place: bool = False
) -> Tensor:
    """``norm`` of ``x`` (B, C, H, W), then SiLU; ``in_place``: ``x`` may be written over.

    Float32 in channels-last memory on a CPU, outside autograd, takes a way of its own: PyTorch's
    kernel for it adds up values and squares in one float32 run each, which costs up to 1e-4 in a
    network's answer, and never writes in place, though fresh memory is what takes most of its time.
    """
    if not _is_rows_on_cpu(x) or norm.weight.is_meta:  # offloaded until the module is called
        return F.silu(norm(x), inplace=True) if activate else norm(x)
    batch, channels, height, width = x.shape
    rows = x.permute(0, 2, 3, 1).flatten(2)
    scale, shift = _affine(norm, rows, width)
    out = rows if in_place else torch.empty_like(rows)
    torch.addcmul(shift.repeat(1, 1, width), rows, scale.repeat(1, 1, width), out=out)
    if activate:
        F.silu(out, inplace=True)
    return out.view(batch, height, width, channels).permute(0, 3, 1, 2)


def _is_rows_on_cpu(x: Tensor) -> bool:
    return (
        x.device.type == "cpu"
        and x.dtype == torch.float32
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
