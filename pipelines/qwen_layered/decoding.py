"""Layers out of their latents, as many at a time as memory has room for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from diffusers.utils.torch_utils import get_module_execution_device
from torch import Tensor

from layerstudio.machine import free_memory
from layerstudio.pipelines.qwen_layered.sizes import decode_values
from layerstudio.pipelines.steps import check_finite

_SHARE = 0.5  # of what is free: the estimate leaves out the kernels' workspaces


def statistics(vae: Any, like: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation of each latent channel, (1, c, 1, 1, 1)."""
    mean, deviation = (
        torch.tensor(values, device=like.device, dtype=like.dtype).view(1, -1, 1, 1, 1)
        for values in (vae.config.latents_mean, vae.config.latents_std)
    )
    return mean, deviation


def decode_layers(
    vae: Any, latents: Tensor, *, at_once: int | None = None, check: Callable[[], None]
) -> Tensor:
    """Normalised latents (n, c, 1, h, w) to straight RGBA (n, 4, 8 h, 8 w) in [0, 1] on the CPU.

    ``at_once`` frames share a batch; None takes as many as half of the free memory holds. The
    result is the same: frames do not see each other. ``check`` is called before each batch.
    Raises ``NumericalFailure``.
    """
    mean, deviation = statistics(vae, latents)
    frames = latents * deviation + mean
    at_once = at_once or frames_at_once(vae, frames)
    decoded = []
    for part in frames.split(at_once):
        check()
        like = part.to(get_module_execution_device(vae), vae.dtype)
        pictures = vae.decode(like, return_dict=False)[0].squeeze(2)
        check_finite(pictures, "decoded layers")
        decoded.append((pictures.float() / 2 + 0.5).clamp(0, 1).cpu())
    return torch.cat(decoded)


def frames_at_once(vae: Any, latents: Tensor) -> int:
    """How many frames of a size fit into half of what is free; one on a CPU, where a batch is no
    faster than its frames one by one."""
    device = get_module_execution_device(vae)
    if device.type != "cuda":
        return 1
    free = torch.cuda.mem_get_info(device)[0]
    height, width = latents.shape[-2:]
    each = decode_values(8 * width, 8 * height) * vae.dtype.itemsize
    return max(1, min(len(latents), int(_SHARE * min(free, free_memory() or free)) // each))
