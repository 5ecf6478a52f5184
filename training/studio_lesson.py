"""How the transformer of ``studio`` is trained: flow matching, predicting the layers."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from layerstudio.models.studio_codec import StudioCodec
from layerstudio.models.studio_network import FIRST, PATCH, StudioNetwork
from training.studio_posters import poster
from training.studio_scenes import Stock

# Noise levels are a logit-normal (Esser et al. 2024, arXiv:2403.03206), shifted to much noise:
# there it is decided what is drawn.
_MEAN, _DEVIATION = 0.6, 1.0
# The loss is that of the velocity, but no heavier than at this level: with little noise a token's
# values are passed through, and a network narrower than a token is bad at that.
_LEAST_LEVEL = 0.5
# Squared errors of latents weigh what they cost in pixels, tempered: with power 2 it would be just
# that, and with 0 the colour of a square of 8 pixels would weigh no more than its finest grain.
_POWER = 1.5
# What is seen need not be found, so its errors are small; it is what takes pictures apart.
_SEEN_WEIGHT = 2.0
_NOISY = 0.8  # level from which errors of what is not seen are logged


class StudioLesson:
    """``codec`` is the one that made the tokens of ``stock``."""

    def __init__(self, stock: Stock, codec: StudioCodec, seed: int) -> None:
        self._stock, self._seed = stock, seed
        self._costs = costs(codec).repeat_interleave(PATCH**2)

    def losses(self, network: Any, step: int, count: int) -> dict[str, Tensor]:
        own: StudioNetwork = network
        rng = np.random.default_rng([self._seed, step])
        posters = [poster(self._stock, rng) for _ in range(count)]
        device = own.words.weight.device
        sheet = own.lay_out([one.places for one in posters])
        true, seen = (
            torch.cat([getattr(one, name) for one in posters]).to(device)
            for name in ("tokens", "seen")
        )
        drawn = rng.normal(_MEAN, _DEVIATION, count).astype(np.float32)
        levels = torch.sigmoid(torch.from_numpy(drawn)).to(device)
        each = levels[sheet.documents][:, None]
        noise = torch.randn(true.shape).to(device)
        mixed = torch.where(sheet.given[:, None], true, (1 - each) * true + each * noise)
        with _attention(device):
            found = own(mixed, seen, levels, sheet).float()
        errors = ((found - true).square() * self._costs.to(device)).mean(1)
        wanted = ~sheet.given
        weights = wanted / each[:, 0].clamp(min=_LEAST_LEVEL).square()
        weights = torch.where(sheet.seen, _SEEN_WEIGHT, 1.0) * weights
        total = (errors * weights).sum() / wanted.sum().clamp(min=1)
        noisy = wanted & (each[:, 0] > _NOISY)
        found_by = {"": noisy & ~sheet.seen, "seen_": sheet.seen}
        parts = {"thing": sheet.packing.layers >= FIRST, "ground": sheet.packing.layers < FIRST}
        return {"total": total} | {
            f"{how}{what}": _mean(errors, where & of)
            for how, where in found_by.items()
            for what, of in parts.items()
        }


def costs(codec: StudioCodec) -> Tensor:
    """(channels,): what the squared error of a latent weighs; 1 on average over their variance.

    The codec's directions are orthonormal, so an error e of a latent is one of e * scale in pixels.
    Latents' variances grow with the scale squared, see ``StudioCodec.fit``.
    """
    scale = codec.scale.detach().float()
    return scale**_POWER / ((scale ** (2 + _POWER)).sum() / scale.square().sum())


def _attention(device: torch.device) -> AbstractContextManager[Any]:
    """The fused kernels of the CPU are slower than plain sums on so few tokens."""
    return sdpa_kernel(SDPBackend.MATH) if device.type == "cpu" else nullcontext()


def _mean(values: Tensor, where: Tensor) -> Tensor:
    return (values * where).sum() / where.sum().clamp(min=1)
