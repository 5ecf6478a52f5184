"""Flow matching on packed tokens, some of which are given."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from layerstudio.models.multilayer_dit import Conditions, MultiLayerTransformer
from layerstudio.models.packing import Packing
from training.multilayer_batches import Batch

# ART and CLD train with the embedded guidance at 1 (published code); sampling raises it.
EMBEDDED_GUIDANCE = 1.0


class Loss(NamedTuple):
    """``value`` () to be minimised; ``by_document`` (documents,) each one's own, detached."""

    value: Tensor
    by_document: Tensor


def packing_of(network: MultiLayerTransformer, batch: Batch) -> Packing:
    """Clean tokens get rows of their own only where there are some: they cost memory."""
    packing = network.pack(batch.regions, batch.text_lengths)
    return packing.with_clean(batch.clean) if bool(batch.clean.any()) else packing


def noisy(batch: Batch) -> Tensor:
    """x_t = (1 - t) x_0 + t noise (Lipman et al. 2023; rectified flow), and x_0 where clean."""
    times = _per_token(batch.times, batch)
    mixed = (1 - times) * batch.tokens + times * batch.noise
    return torch.where(batch.clean[:, None], batch.tokens, mixed)


def flow_loss(model: Any, packing: Packing, batch: Batch) -> Loss:
    """The squared error of the velocity noise - x_0, a weighted mean over tokens to be made.

    Only tokens inside boxes exist, so this is the box-masked loss of ART and CLD. ``model`` is the
    transformer, or what accelerate made of it.
    """
    guidance = torch.full_like(batch.times, EMBEDDED_GUIDANCE)
    conditions = Conditions(batch.text, batch.pooled, batch.times, guidance)
    velocity = model(noisy(batch), packing, conditions)
    target = batch.noise - batch.tokens
    errors = (velocity.float() - target).square().mean(-1)[0]
    weights = batch.weight * ~batch.clean
    value = (errors * weights).sum() / weights.sum().clamp(min=1e-6)
    parts = zip((errors * weights).split(batch.counts), weights.split(batch.counts), strict=True)
    by_document = [error.sum() / weight.sum().clamp(min=1e-6) for error, weight in parts]
    return Loss(value, torch.stack(by_document).detach())


def _per_token(values: Tensor, batch: Batch) -> Tensor:
    """(documents,) to (1, n, 1)."""
    counts = torch.tensor(batch.counts, device=values.device)
    return values.repeat_interleave(counts)[None, :, None]
