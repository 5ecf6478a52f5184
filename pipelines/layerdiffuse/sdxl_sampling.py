"""Ways of sampling SDXL to latents: by diffusers' own pipelines, or as the published script."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from diffusers.pipelines.controlnet.pipeline_controlnet_sd_xl import (
    StableDiffusionXLControlNetPipeline,
)
from diffusers.pipelines.controlnet.pipeline_controlnet_sd_xl_img2img import (
    StableDiffusionXLControlNetImg2ImgPipeline,
)
from diffusers.pipelines.stable_diffusion_xl.pipeline_stable_diffusion_xl import (
    StableDiffusionXLPipeline,
)
from diffusers.pipelines.stable_diffusion_xl.pipeline_stable_diffusion_xl_img2img import (
    StableDiffusionXLImg2ImgPipeline,
)
from diffusers.utils.torch_utils import randn_tensor
from torch import Tensor

from layerstudio.errors import InvalidRequest
from layerstudio.pipelines.layerdiffuse.karras import sample, sigmas_of_run
from layerstudio.pipelines.prompts import PromptEmbeds

# What a sampler need not have: prompts are encoded before, and their encoders sent away.
_ENCODERS = ("text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2")
AfterStep = Callable[[Any, int, Any, dict[str, Tensor]], dict[str, Tensor]]


def sampler_for(pipeline: StableDiffusionXLPipeline, *, varies: bool, controlled: bool) -> Any:
    """Diffusers' pipeline for image to image, ControlNet or both, made of ``pipeline``'s parts."""
    kind: Any = {
        (False, False): StableDiffusionXLPipeline,
        (True, False): StableDiffusionXLImg2ImgPipeline,
        (False, True): StableDiffusionXLControlNetPipeline,
        (True, True): StableDiffusionXLControlNetImg2ImgPipeline,
    }[varies, controlled]
    wanted = inspect.signature(kind.__init__).parameters
    parts = {name: part for name, part in pipeline.components.items() if name in wanted}
    sampler = kind(**{**parts, **dict.fromkeys(_ENCODERS)}, add_watermarker=False)
    sampler.set_progress_bar_config(**getattr(pipeline, "_progress_bar_config", {}))
    return sampler


def check_options(call: Any, options: Mapping[str, Any]) -> None:
    """Raises ``InvalidRequest`` for options that ``call``, a sampler's, does not have."""
    unknown = sorted(options.keys() - inspect.signature(call).parameters.keys())
    if unknown:
        raise InvalidRequest(f"This way of sampling SDXL takes no {', '.join(unknown)}.")


def steps_of(steps: int, strength: float) -> int:
    """How many of ``steps`` image to image runs, as diffusers counts."""
    return min(int(steps * strength), steps)


def sample_as_published(
    unet: Any,
    embeds: PromptEmbeds,
    shape: tuple[int, ...],
    *,
    start: Tensor | None,
    strength: float,
    steps: int,
    guidance: float,
    generator: Any,
    attention: dict[str, Any] | None,
    after_step: Callable[[Tensor, int, int], Tensor],
) -> Tensor:
    """Latents (b, 4, h, w), scaled, as LayerDiffuse's script samples them.

    Its own steps (``karras``), two calls of the UNet in each, the positive prompt's first, and
    (H, W, 0, 0, H, W) as size for both. ``start`` are scaled latents to vary by ``strength``.
    """
    device, dtype = embeds.positive.device, unet.dtype
    height, width = 8 * shape[-2], 8 * shape[-1]
    sizes = torch.tensor([[height, width, 0, 0, height, width]], dtype=dtype, device=device)
    sizes = sizes.expand(shape[0], -1)
    sigmas = sigmas_of_run(steps, 1.0 if start is None else strength)
    noise = randn_tensor(shape, generator=generator, device=device, dtype=dtype)
    first = noise * sigmas[0] if start is None else start.to(noise) + noise * sigmas[0]

    def answer(x: Tensor, timestep: int, states: Tensor | None, pooled: Tensor | None) -> Tensor:
        return unet(
            x,
            torch.tensor(timestep, device=device),
            encoder_hidden_states=states,
            added_cond_kwargs={"text_embeds": pooled, "time_ids": sizes},
            cross_attention_kwargs=attention,
            return_dict=False,
        )[0]

    def guided(x: Tensor, timestep: int) -> Tensor:
        positive = answer(x, timestep, embeds.positive, embeds.pooled)
        negative = answer(x, timestep, embeds.negative, embeds.negative_pooled)
        return negative + guidance * (positive - negative)

    return sample(guided, first, sigmas, after_step)
