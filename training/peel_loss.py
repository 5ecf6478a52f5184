"""What ``peel`` is taught, and by which measure."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from training.peel_data import KINDS, Example

_BORDER_WEIGHT = 4.0  # of a square on a border, since few are
_NEARLY = 0.05  # of ``REACH``: an error in the way to the middle up to which it counts squared
_SHARES = {"kind": 0.7, "veil": 1.0, "shadow": 1.0, "border": 2.0, "upper": 0.6, "middle": 0.4}


def tensors(examples: list[Example]) -> dict[str, Tensor]:
    """Stacked float32, by the names of ``Example``."""
    names = ("inputs", "wanted", "weight")
    return {
        name: torch.from_numpy(
            np.stack([getattr(example, name) for example in examples]).astype(np.float32)
        )
        for name in names
    }


def losses(logits: Tensor, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """Cross entropies of (n, 10, h, w) logits, and the smooth L1 (Girshick 2015, arXiv:1504.08083)
    of the last two, the way to a drawing's middle; ``total`` is their weighted sum."""
    count = len(KINDS)
    wanted = batch["wanted"]
    all_, free, near, owned = batch["weight"].unbind(1)
    kind = -(F.log_softmax(logits[:, :count], dim=1) * wanted[:, :count]).sum(1)
    veil, shadow, border, upper = (
        F.binary_cross_entropy_with_logits(logits[:, n], wanted[:, n], reduction="none")
        for n in range(count, count + 4)
    )
    way, true_way = logits[:, count + 4 :], wanted[:, count + 4 :]
    middle = F.smooth_l1_loss(way, true_way, reduction="none", beta=_NEARLY).sum(1)
    crowded = free * (1 + (_BORDER_WEIGHT - 1) * wanted[:, count + 2])
    found = {
        "kind": (kind * all_).sum() / all_.sum(),
        "veil": (veil * all_).sum() / all_.sum(),
        "shadow": (shadow * all_).sum() / all_.sum(),
        "border": (border * crowded * all_).sum() / all_.sum(),
        "upper": (upper * near).sum() / (near.sum() + 1),
        "middle": (middle * owned).sum() / (owned.sum() + 1),
    }
    found["total"] = torch.stack([_SHARES[name] * value for name, value in found.items()]).sum()
    return found
