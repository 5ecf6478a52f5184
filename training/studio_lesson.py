"""How the transformer of ``studio`` is trained: flow matching, predicting the layers."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from layerstudio.models.studio_network import StudioNetwork
from training.studio_scenes import Stock, poster

# Noise levels are a logit-normal (Esser et al. 2024, arXiv:2403.03206), shifted to much noise:
# there it is decided what is drawn.
_MEAN, _DEVIATION = 0.6, 1.0
# The loss is that of the velocity, but no heavier than at this level: with little noise a token's
# values are passed through, and a network narrower than a token is bad at that.
_LEAST_LEVEL = 0.5


class StudioLesson:
    def __init__(self, stock: Stock, seed: int) -> None:
        self._stock, self._seed = stock, seed

    def losses(self, network: Any, step: int, count: int) -> dict[str, Tensor]:
        own: StudioNetwork = network
        rng = np.random.default_rng([self._seed, step])
        posters = [poster(self._stock, rng) for _ in range(count)]
        device = own.words.weight.device
        sheet = own.lay_out([one.places for one in posters])
        true = torch.cat([one.tokens for one in posters]).to(device)
        drawn = rng.normal(_MEAN, _DEVIATION, count).astype(np.float32)
        levels = torch.sigmoid(torch.from_numpy(drawn)).to(device)
        each = levels[sheet.documents][:, None]
        noise = torch.randn(true.shape).to(device)
        mixed = torch.where(sheet.given[:, None], true, (1 - each) * true + each * noise)
        with _attention(device):
            found = own(mixed, levels, sheet).float()
        errors = (found - true).square().mean(1)
        wanted = ~sheet.given
        weights = wanted / each[:, 0].clamp(min=_LEAST_LEVEL).square()
        total = (errors * weights).sum() / wanted.sum().clamp(min=1)
        noisy = wanted & (each[:, 0] > 0.8)
        thing = noisy & (sheet.packing.layers > 1)
        ground = noisy & (sheet.packing.layers == 1)
        return {
            "total": total,
            "thing": _mean(errors, thing),
            "ground": _mean(errors, ground),
        }


def _attention(device: torch.device) -> AbstractContextManager[Any]:
    """The fused kernels of the CPU are slower than plain sums on so few tokens."""
    return sdpa_kernel(SDPBackend.MATH) if device.type == "cpu" else nullcontext()


def _mean(values: Tensor, where: Tensor) -> Tensor:
    return (values * where).sum() / where.sum().clamp(min=1)
