"""A plan carried out: what the machine really has, and a diffusers pipeline set up on it."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from layerstudio.errors import InvalidRequest
from layerstudio.machine import free_memory, own_memory
from layerstudio.models.attention import chosen, use_backend
from layerstudio.models.memory import bytes_on, empty_cache, largest_leaf, parameter_count
from layerstudio.models.sizes import FAMILIES, Family, FamilySizes, Network
from layerstudio.pipelines.preflight import TILE, Free, Plan
from layerstudio.pipelines.runtime import Runtime

_ENCODERS = ("text_encoder", "text_encoder_2")
_DENOISERS = ("unet", "transformer")
# Every head of the three families' denoisers has a size that each backend takes.
_HEAD_DIM = 64


def free_now(runtime: Runtime | None = None) -> Free:
    """What the run's device and main memory have free now, and the attention that runs there.

    Raises ``InvalidRequest`` for a device or an attention backend that this machine does not have.
    """
    runtime = runtime or Runtime()
    device = _device(runtime.device)
    empty_cache()
    half = torch.float16 if device.type == "cuda" else torch.float32
    choice = chosen(runtime.attention, device=device, dtype=half, head_dim=_HEAD_DIM)
    on_device = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else None
    return Free(
        device=str(device),
        device_bytes=on_device,
        host_bytes=free_memory(),
        attention=choice.backend,
    )


def sizes_of(pipe: Any, family: Family) -> FamilySizes:
    """The sizes of the networks that a pipeline really holds, for ``Needs.sizes``; what running
    them takes is the family's."""
    published = FAMILIES[family]
    return FamilySizes(
        encoders=tuple(
            _network(module) for name in _ENCODERS if (module := getattr(pipe, name, None))
        ),
        denoiser=_network(_denoiser(pipe)),
        vae=_network(pipe.vae),
        encode_values=published.encode_values,
        denoise_values=published.denoise_values,
        pixels_per_position=published.pixels_per_position,
        text_positions=published.text_positions,
        half=published.half,
        is_vae_upcast=bool(pipe.vae.config.force_upcast),
        # Weights that are mapped from their file count as free: the kernel can drop them.
        held_in_memory=min(bytes_on("cpu", *_networks(pipe)), own_memory()),
        held_on_device=bytes_on("cuda", *_networks(pipe)),
    )


def apply(plan: Plan, pipe: Any) -> None:
    """Set a diffusers pipeline up as planned: precision, place, decoding and attention."""
    chosen_runtime = plan.runtime
    device = torch.device(chosen_runtime.device)
    pipe.remove_all_hooks()  # of an earlier plan's offloading
    _cast(pipe, getattr(torch, chosen_runtime.dtype))
    _set_tiling(getattr(pipe, "vae", None), chosen_runtime.vae_tiling)
    for module in _networks(pipe):
        use_backend(module, chosen_runtime.attention, device=device)
    if chosen_runtime.offload == "model":
        pipe.enable_model_cpu_offload(device=device)
    elif chosen_runtime.offload == "sequential":
        pipe.enable_sequential_cpu_offload(device=device)
    else:
        pipe.to(device)


def first_dtype(family: Family, runtime: Runtime) -> torch.dtype:
    """What weights are read in before the plan decides; mostly what it decides."""
    if runtime.dtype != "auto":
        return getattr(torch, runtime.dtype)
    on_cpu = runtime.device == "cpu" or not torch.cuda.is_available()
    return torch.float32 if on_cpu else getattr(torch, FAMILIES[family].half)


def _cast(pipe: Any, dtype: torch.dtype) -> None:
    """By PyTorch's own method: diffusers' warns of modules to keep in float32 where are none."""
    in_float32 = [getattr(pipe, name) for name in getattr(pipe, "components_in_float32", ())]
    for module in _networks(pipe):
        keeps = any(module is kept for kept in in_float32)
        nn.Module.to(module, dtype=torch.float32 if keeps else dtype)


def _networks(pipe: Any) -> list[nn.Module]:
    return [part for part in pipe.components.values() if isinstance(part, nn.Module)]


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise InvalidRequest(
            f"There is no kind of device “{name}”.", advice="Use auto, cpu, cuda or cuda:1."
        ) from None
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device.type == "cuda" and (device.index or 0) >= count:
        raise InvalidRequest(
            f"There is no “{name}”: PyTorch finds {count or 'no'} NVIDIA GPU{'s' * (count != 1)}.",
            advice="Use cpu, or see `layerstudio doctor`.",
        )
    return device


def _denoiser(pipe: Any) -> nn.Module:
    return next(module for name in _DENOISERS if (module := getattr(pipe, name, None)))


def _network(module: nn.Module) -> Network:
    return Network(parameter_count(module), largest_leaf(module))


def _set_tiling(vae: Any, tiling: bool) -> None:
    """Tiles are made smaller than diffusers' own, which are as large as what the model was trained
    at: for SDXL that is a whole picture. Autoencoders of other kinds keep their own."""
    if not hasattr(vae, "enable_tiling"):
        return
    (vae.enable_tiling if tiling else vae.disable_tiling)()
    if tiling and hasattr(vae, "tile_latent_min_size"):
        scale = 2 ** (len(vae.config.block_out_channels) - 1)
        vae.tile_sample_min_size, vae.tile_latent_min_size = TILE, TILE // scale
