"""How the decoder of ``studio``'s autoencoder is trained; its encoder is fitted, not trained."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from layerstudio.models.studio_codec import StudioCodec
from training.studio_codec_data import CodecCrops

# Noise on latents while training keeps the decoder calm where the transformer errs.
_NOISE = 0.03
_SQUARED, _EDGES, _ALPHA = 8.0, 0.5, 1.5  # weights besides the absolute error of colour
_FITTED_ON = 12  # batches


def fitted(codec: StudioCodec, crops: CodecCrops) -> StudioCodec:
    codec.fit(torch.cat([crops.batch(-1 - k, 64) for k in range(_FITTED_ON)]))
    return codec


class CodecLesson:
    """The absolute and squared errors of pixels, and of their differences to neighbours."""

    def __init__(self, crops: CodecCrops) -> None:
        self._crops = crops

    def losses(self, network: Any, step: int, count: int) -> dict[str, Tensor]:
        own: StudioCodec = network
        true = self._crops.batch(step, count).to(own.mean.device)
        with torch.no_grad(), torch.autocast(true.device.type, enabled=False):
            latents = own.encode(true)
            noisy = latents + _NOISE * torch.randn_like(latents)
        found = own.decode(noisy.contiguous(memory_format=torch.channels_last)).float()
        errors = found - true
        weights = errors.new_tensor([1, 1, 1, _ALPHA])[:, None, None]
        squared = (errors.square() * weights).mean()
        total = (errors.abs() * weights).mean() + _SQUARED * squared
        for axis in (2, 3):
            total = total + _EDGES * (errors.diff(dim=axis).abs() * weights).mean()
        return {
            "total": total,
            "squared": errors[:, :3].square().mean(),
            "alpha": errors[:, 3].abs().mean() / 2,
        }
