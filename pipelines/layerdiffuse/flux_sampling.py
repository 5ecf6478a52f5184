"""Which of diffusers' FLUX pipelines samples, and what it is given."""

from __future__ import annotations

import inspect
from typing import Any, get_args

from diffusers.image_processor import VaeImageProcessor
from diffusers.pipelines.flux.pipeline_flux import FluxPipeline
from diffusers.pipelines.flux.pipeline_flux_controlnet import FluxControlNetPipeline
from diffusers.pipelines.flux.pipeline_flux_controlnet_image_to_image import (
    FluxControlNetImg2ImgPipeline,
)
from diffusers.pipelines.flux.pipeline_flux_img2img import FluxImg2ImgPipeline
from torch import Tensor

from layerstudio.errors import InvalidRequest
from layerstudio.models.transparent_passes import Augment
from layerstudio.pipelines.layerdiffuse.conditions import on_canvas
from layerstudio.pipelines.steps import Canvas

_TEXTS = ("prompt", "prompt_2", "negative_prompt", "negative_prompt_2")


class _ControlNetFromLatents(FluxControlNetImg2ImgPipeline):
    """Takes latents for ``image``, as ``FluxImg2ImgPipeline`` does by itself."""

    def _encode_vae_image(self, image: Tensor, generator: Any) -> Tensor:
        return image


def sampler_for(pipeline: Any, *, varies: bool, controlled: bool) -> Any:
    """diffusers' pipeline for image to image, ControlNet or both, of ``pipeline``'s components;
    ``pipeline`` itself for neither.

    Raises ``InvalidRequest`` without a ControlNet.
    """
    if not varies and not controlled:
        return pipeline
    if controlled and pipeline.controlnet is None:
        raise InvalidRequest(
            "A control_image needs a ControlNet.", advice="Load the pipeline with controlnet=."
        )
    kind: Any = {
        (True, False): FluxImg2ImgPipeline,
        (False, True): FluxControlNetPipeline,
        (True, True): _ControlNetFromLatents,
    }[varies, controlled]
    wanted = inspect.signature(kind.__init__).parameters
    sampler = kind(**{k: part for k, part in pipeline.components.items() if k in wanted})
    sampler.image_processor = VaeImageProcessor(
        vae_scale_factor=pipeline.vae_scale_factor * 2,
        vae_latent_channels=pipeline.vae.config.latent_channels,
    )
    sampler.set_progress_bar_config(**getattr(pipeline, "_progress_bar_config", {}))
    return sampler


def check_options(call: Any, options: dict[str, Any]) -> None:
    """Raises ``InvalidRequest`` for options that ``call``, a pipeline's, does not have."""
    unknown = sorted(options.keys() - inspect.signature(call).parameters.keys())
    if unknown:
        raise InvalidRequest(
            f"This way of sampling FLUX takes no {', '.join(unknown)}.",
            advice="Image to image with a ControlNet has no negative prompt and no IP-Adapter.",
        )


def spread_texts(options: dict[str, Any], pictures: int) -> tuple[dict[str, Any], int]:
    """``options`` with a list for every prompt, and how many prompts there are.

    One text is said of every picture that is given, and one negative text of every prompt:
    diffusers would sample fewer pictures, or fail.

    Raises ``InvalidRequest`` for no prompt, and for lists that do not go together.
    """
    embeds = options.get("prompt_embeds")
    texts = {name: options[name] for name in _TEXTS if options.get(name) is not None}
    if embeds is None and "prompt" not in texts:
        raise InvalidRequest("There is no prompt.", advice="Give prompt or prompt_embeds.")
    prompts = texts.get("prompt")
    many = isinstance(prompts, list | tuple)
    count = len(embeds) if embeds is not None else len(prompts) if many else max(pictures, 1)
    if pictures not in (0, 1, count):
        raise InvalidRequest(f"{pictures} pictures do not go with {count} prompts.")
    for name, text in texts.items():
        texts[name] = [text] * count if isinstance(text, str) else list(text)
        if len(texts[name]) != count or not count:
            raise InvalidRequest(f"{name} has {len(texts[name])} entries for {count} pictures.")
    return {**options, **texts}, count


def check_numbers(options: dict[str, Any], augment: int, count: int) -> None:
    """Raises ``InvalidRequest`` for an empty schedule or batch, and for what would be ignored."""
    strength = options["strength"]
    if not 0 < strength <= 1:
        raise InvalidRequest(f"The strength is above 0 and at most 1, not {strength!r}.")
    if augment not in get_args(Augment):
        raise InvalidRequest(f"The decoder runs 1, 2, 4 or 8 passes, not {augment!r}.")
    for name in ("num_inference_steps", "num_images_per_prompt"):
        if not isinstance(options[name], int) or options[name] < 1:
            raise InvalidRequest(f"{name} is 1 or more, not {options[name]!r}.")
    if options.get("negative_prompt") and options.get("true_cfg_scale", 1.0) <= 1:
        raise InvalidRequest(
            "FLUX heeds a negative prompt only with a true_cfg_scale above 1.",
            advice="Give one, which doubles the time, or leave the negative prompt out.",
        )
    generator, total = options.get("generator"), count * options["num_images_per_prompt"]
    if isinstance(generator, list) and len(generator) != total:
        raise InvalidRequest(f"{len(generator)} generators do not go with {total} pictures.")


def check_lengths(pipeline: FluxPipeline, options: dict[str, Any]) -> None:
    """Raises ``InvalidRequest`` for a prompt of which the network would read the start only."""
    limit = options.get("max_sequence_length", 512)
    for prompt in options.get("prompt_2") or options.get("prompt") or []:
        count = len(pipeline.tokenizer_2(prompt, truncation=False).input_ids)
        if count > limit:
            raise InvalidRequest(
                f"The prompt is {count:,} tokens long, and FLUX reads {limit} at most.",
                advice="Shorten it.",
            )


def control_pictures(control: Any, canvas: Canvas) -> Any:
    """A ControlNet's picture, or a list with one for each ControlNet, on the padded canvas.

    As arrays (b, H, W, 3) in [0, 1], which diffusers takes for pictures: tensors it takes for
    ready, in [-1, 1].
    """
    if isinstance(control, list | tuple):
        return [control_pictures(item, canvas) for item in control]
    return on_canvas(control, canvas)[:, :3].movedim(1, -1).contiguous().numpy()
