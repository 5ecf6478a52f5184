"""Prompts and pictures as what the multi-layer transformer reads."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from diffusers.pipelines.flux.pipeline_flux import FluxPipeline
from torch import Tensor

from layerstudio.models.regions import Regions, patchify
from layerstudio.pipelines.embedding_cache import EMBEDDINGS
from layerstudio.pipelines.multilayer.sampling import Text
from layerstudio.pipelines.vae_steps import encode_mean, scaled


def encode_text(pipeline: Any, prompt: str, max_sequence_length: int) -> Text:
    """A prompt through CLIP (pooled) and T5 (every token), as FLUX reads it; kept for the next run.

    ``pipeline`` has FLUX's encoders and tokenizers by diffusers' names.
    """
    device = pipeline._execution_device
    encoders = (pipeline.text_encoder, pipeline.text_encoder_2)

    def encode() -> tuple[Any, Any]:
        names = ("vae", "text_encoder", "tokenizer", "text_encoder_2", "tokenizer_2", "scheduler")
        parts = {name: getattr(pipeline, name) for name in names}
        reader = FluxPipeline(**parts, transformer=None)  # pyright: ignore[reportArgumentType]
        tokens, pooled, _ = reader.encode_prompt(
            prompt, None, device=device, max_sequence_length=max_sequence_length
        )
        return tokens, pooled

    key = ("multilayer", prompt, max_sequence_length)
    tokens, pooled = EMBEDDINGS.get(encoders, key, encode, device=device)
    dtype = pipeline.transformer.dtype
    return Text(tokens.to(dtype), pooled.to(dtype))


@torch.no_grad()
def picture_condition(vae: Any, rgba: Tensor, regions: Regions) -> Tensor:
    """(count, 68): what CLD's adapter sees under every token.

    ``rgba`` (1, 4, H, W) straight in [0, 1]. The picture on mid grey as latents, and a mask of ones
    (published code: nothing is to be inpainted). The mean of the posterior, not a sample of it, so
    that one seed gives one result.
    """
    latents = _encoded(vae, rgba)
    mask = torch.ones_like(latents[:, :1])
    return regions.gather(patchify(torch.cat([latents, mask], dim=1))[0])


@torch.no_grad()
def given_tokens(
    vae: Any, given: Iterable[tuple[int, Tensor]], regions: Regions
) -> tuple[Tensor, Tensor]:
    """Clean tokens (count, 64), zero where nothing is given, and which are (count,) bool; float32
    on the CPU.

    ``given`` are layers' numbers with their pictures, whole canvases (1, 4, H, W) of straight RGBA
    in [0, 1]; they are taken and encoded one at a time.
    """
    layer = regions.ids[:, 0]
    tokens = torch.zeros(regions.count, 64)
    kept = torch.zeros(regions.count, dtype=torch.bool)
    for number, rgba in given:
        own = layer == number
        tokens[own] = regions.only(number).gather(patchify(_encoded(vae, rgba))[0]).float().cpu()
        kept |= own
    return tokens, kept


def _encoded(vae: Any, rgba: Tensor) -> Tensor:
    """(1, 16, H/8, W/8), scaled, of a picture on mid grey: (0.5 a + 0.5) c in ART's notation."""
    colour, alpha = rgba[:, :3], rgba[:, 3:]
    return scaled(vae, encode_mean(vae, 0.5 + (colour - 0.5) * alpha))
