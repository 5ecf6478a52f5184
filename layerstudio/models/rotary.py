"""Rotary position embedding in several axes, adjacent pairs rotated (Su et al. 2021; FLUX)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

THETA = 10_000.0


def rotary_tables(ids: Tensor, axes: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Cosine and sine, each (n, sum(axes) / 2) float32, for positions ``ids`` (n, len(axes)).

    Axis i turns ``axes[i]`` of a head's dimensions; angles are computed in float64, because
    positions times frequencies lose their low digits in float32.
    """
    angles = torch.cat([_angles(ids[:, i], size) for i, size in enumerate(axes)], dim=1)
    return angles.cos().float(), angles.sin().float()


def rotate(x: Tensor, tables: tuple[Tensor, Tensor]) -> Tensor:
    """``x`` (..., n, d), each pair (2i, 2i + 1) of the last axis turned by the tables' angle."""
    cos, sin = tables
    even, odd = x.float().unflatten(-1, (-1, 2)).unbind(-1)
    turned = torch.stack((even * cos - odd * sin, even * sin + odd * cos), dim=-1)
    return turned.flatten(-2).to(x.dtype)


def _angles(positions: Tensor, size: int) -> Tensor:
    exponents = torch.arange(0, size, 2, dtype=torch.float64, device=positions.device) / size
    return torch.outer(positions.double(), THETA**-exponents)
