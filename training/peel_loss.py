"""What ``peel`` is taught, and by which measure."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from training.peel_data import KINDS, Example, Truth

_BORDER_WEIGHT = 4.0  # of a pixel on a border, since few are
_SHARES = {"kind": 1.0, "veil": 0.5, "shadow": 1.0, "border": 0.5, "upper": 0.1}


def tensors(examples: list[Example]) -> dict[str, Tensor]:
    """Stacked; truth by the names of ``Truth``."""
    batch: dict[str, Any] = {"inputs": np.stack([example.inputs for example in examples])}
    for name in Truth.__dataclass_fields__:
        batch[name] = np.stack([getattr(example.truth, name) for example in examples])
    return {name: torch.from_numpy(values) for name, values in batch.items()}


def losses(logits: Tensor, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """Cross entropies of (n, 8, h, w) logits; ``total`` is their weighted sum."""
    count = len(KINDS)
    veil, shadow, border, upper = logits[:, count:].unbind(1)
    bce = F.binary_cross_entropy_with_logits
    on_border = batch["border"].float()
    weight = (1 + (_BORDER_WEIGHT - 1) * on_border) * (~batch["lettered"]).float()
    near = batch["near"].float()
    sides = bce(upper, batch["upper"].float(), reduction="none") * near
    found = {
        "kind": F.cross_entropy(logits[:, :count], batch["kind"].long()),
        "veil": bce(veil, batch["veil"].float()),
        "shadow": bce(shadow, batch["shadow"]),
        "border": bce(border, on_border, weight),
        "upper": sides.sum() / (near.sum() + 1),
    }
    found["total"] = torch.stack([_SHARES[name] * value for name, value in found.items()]).sum()
    return found
