"""What a patch adds to one weight: read and multiplied out only when asked for.

``Change.delta(device)`` is float32 and as large as the weight; ``shape`` is known before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

Shape = tuple[int, ...]
Tensors = Mapping[str, Tensor]


class Change(Protocol):
    """Something to be added to a weight."""

    @property
    def shape(self) -> Shape: ...

    def delta(self, device: torch.device) -> Tensor:
        """Float32 tensor of ``shape``, on ``device``."""
        ...


@dataclass(frozen=True, eq=False)
class FullChange:
    """The difference itself, as stored under ``key``."""

    tensors: Tensors
    key: str
    shape: Shape

    def delta(self, device: torch.device) -> Tensor:
        return _read(self.tensors, self.key, device)


@dataclass(frozen=True, eq=False)
class LowRankChange:
    """``scale * up @ down`` with up (out, r, ...) and down (r, in, ...), LoRA (arXiv 2106.09685).

    ``scale`` is alpha / r where the file holds an alpha (a single number), else 1. Convolutions
    have their kernel in ``down``, or in ``mid`` (r, r, kh, kw) between two 1 x 1 factors, the
    Tucker form of LyCORIS (arXiv 2309.14859).
    """

    tensors: Tensors
    up: str
    down: str
    shape: Shape
    alpha: str | float | None = None
    mid: str | None = None

    def delta(self, device: torch.device) -> Tensor:
        up = _read(self.tensors, self.up, device).flatten(1)
        down = _read(self.tensors, self.down, device).flatten(1)
        rank = down.shape[0]
        if self.mid is None:
            product = up @ down
        else:
            mid = _read(self.tensors, self.mid, device)
            product = torch.einsum("or,rskl,si->oikl", up, mid, down)
        return product.reshape(self.shape).mul_(self._scale(rank))

    def _scale(self, rank: int) -> float:
        if isinstance(self.alpha, str):
            return float(self.tensors[self.alpha]) / rank
        return 1.0 if self.alpha is None else self.alpha / rank


def low_rank_shape(up: Shape, down: Shape, mid: Shape | None) -> Shape | None:
    """The weight's shape; None where the factors do not belong together."""
    if len(up) < 2 or len(down) < 2:
        return None
    if mid is None:
        kernel, ranks = down[2:], (up[1], down[0])
        matches = ranks[0] == ranks[1] and all(size == 1 for size in up[2:])
    else:
        kernel = mid[2:]
        matches = len(mid) == 4 and (up[1], down[0]) == (mid[0], mid[1])
        matches = matches and all(size == 1 for size in (*up[2:], *down[2:]))
    return (up[0], down[1], *kernel) if matches else None


def _read(tensors: Tensors, key: str, device: torch.device) -> Tensor:
    return tensors[key].to(device).float()
