"""The preview of a loaded pipeline: by the family's small autoencoder, or fitted to its own VAE."""

from __future__ import annotations

from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny

from layerstudio.models.preview import Preview, TinyPreview, fit_preview
from layerstudio.models.sizes import Family
from layerstudio.pipelines.runtime import ResolvedRuntime
from layerstudio.weights.store import is_present, located

_TINY: dict[Family, str] = {"sdxl": "taesdxl", "sd15": "taesd", "flux": "taef1"}


def preview_for(pipeline: Any, family: Family, runtime: ResolvedRuntime) -> Preview | None:
    """None where the small autoencoder is not on this machine and the VAE is being offloaded:
    fitting to it would move it to and fro."""
    row = _TINY[family]
    if is_present(row):
        network: Any = AutoencoderTiny.from_pretrained(
            located(row), dtype=getattr(torch, runtime.dtype), local_files_only=True
        )
        return TinyPreview(network.to(runtime.device))
    if runtime.offload != "none":
        return None
    return fit_preview(
        pipeline.vae,
        getattr(pipeline, "transparency_encoder", None),  # diffusers' own pipelines have none
        getattr(pipeline, "transparency_decoder", None),
    )
