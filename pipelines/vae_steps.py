"""Latents to pictures and back by a model's own VAE, at the scale that its networks see."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from diffusers.utils.torch_utils import get_module_execution_device
from torch import Tensor, nn


def scaled(vae: Any, latents: Tensor) -> Tensor:
    """What the VAE encodes (b, c, h, w) to what is diffused."""
    mean, deviation = _statistics(vae, latents)
    return (latents - mean) * vae.config.scaling_factor / deviation


def unscaled(vae: Any, latents: Tensor) -> Tensor:
    """What is diffused (b, c, h, w) to what the VAE and the transparency decoder take."""
    mean, deviation = _statistics(vae, latents)
    return latents / vae.config.scaling_factor * deviation + mean


def encode_mean(vae: Any, pictures: Tensor) -> Tensor:
    """(b, 3, H, W) in [0, 1] to unscaled latents (b, c, H/8, W/8): the mean, without its noise.

    The published code draws from the distribution; the mean makes a condition the same each time.
    """
    with _in_safe_precision(vae), torch.no_grad():
        return vae.encode(_on_vae(vae, pictures * 2 - 1)).latent_dist.mean


def decode_rgb(vae: Any, latents: Tensor) -> Tensor:
    """Scaled latents (b, c, h, w) to (b, 3, 8 h, 8 w) in [0, 1]."""
    with _in_safe_precision(vae), torch.no_grad():
        pictures = vae.decode(unscaled(vae, _on_vae(vae, latents)), return_dict=False)[0]
    return (pictures / 2 + 0.5).clamp(0, 1)


@contextmanager
def _in_safe_precision(vae: Any) -> Iterator[None]:
    """In float32 where the VAE is half precision and its config says that it overflows there."""
    if not (vae.dtype == torch.float16 and vae.config.force_upcast):
        yield
        return
    # PyTorch's own method: diffusers' warns of modules to keep in float32 where are none.
    nn.Module.to(vae, torch.float32)
    try:
        yield
    finally:
        nn.Module.to(vae, torch.float16)


def _on_vae(vae: Any, values: Tensor) -> Tensor:
    return values.to(get_module_execution_device(vae), vae.dtype)


def _statistics(vae: Any, latents: Tensor) -> tuple[Tensor | float, Tensor | float]:
    """Per channel where the VAE's config has them, else FLUX's one shift, else none."""
    mean = getattr(vae.config, "latents_mean", None)
    deviation = getattr(vae.config, "latents_std", None)
    if mean is None or deviation is None:
        return getattr(vae.config, "shift_factor", None) or 0.0, 1.0
    shape = (1, -1, 1, 1)
    as_latents = {"dtype": latents.dtype, "device": latents.device}
    return (
        torch.tensor(mean, **as_latents).view(shape),
        torch.tensor(deviation, **as_latents).view(shape),
    )
