"""What a call of the pipeline is given, checked and brought into one form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from diffusers.image_processor import VaeImageProcessor
from PIL import Image
from torch import Tensor

from layerstudio.errors import InvalidRequest
from layerstudio.generate_request import MAX_STEPS
from layerstudio.geometry import Extent
from layerstudio.pipelines.qwen_layered.buckets import bucket
from layerstudio.pipelines.qwen_layered.counting import check_layers
from layerstudio.pipelines.qwen_layered.published import MULTIPLE
from layerstudio.pipelines.qwen_layered.words import Words
from layerstudio.pipelines.steps import check_output_type

Texts = str | Sequence[str] | None
Pictures = Image.Image | np.ndarray | Tensor | Sequence[Image.Image]

_FEWEST_STEPS = 2  # the shift that ends the schedule divides by zero for one
_LONGEST_TEXT = 1024  # tokens: as diffusers' own pipeline


def check_call(
    pipeline: Any, layers: int, steps: int, resolution: int, output_type: str, text_tokens: int
) -> None:
    """Raises ``InvalidRequest`` before anything is computed."""
    check_output_type(output_type)
    check_layers(layers)
    if not _FEWEST_STEPS <= steps <= MAX_STEPS:
        raise InvalidRequest(f"The number of steps must be 2 to {MAX_STEPS:,}, not {steps}.")
    if not MULTIPLE <= resolution <= 2048:
        raise InvalidRequest(
            f"The resolution must be {MULTIPLE} to 2,048, not {resolution}.",
            advice="The network was trained at 640 and 1024.",
        )
    if not 1 <= text_tokens <= _LONGEST_TEXT:
        raise InvalidRequest(f"A prompt has 1 to {_LONGEST_TEXT:,} tokens, not {text_tokens}.")
    if pipeline.transformer is None or pipeline.vae is None:
        raise InvalidRequest("This pipeline was loaded for text only.")


def check_generators(generators: Sequence[torch.Generator], count: int) -> None:
    """Raises ``InvalidRequest`` unless there is one for each result."""
    if len(generators) != count:
        raise InvalidRequest(f"{len(generators)} generators for {count} results.")


def listed(image: Pictures) -> list[Image.Image]:
    """The pictures of a batch as RGBA images; those without alpha are opaque."""
    if isinstance(image, Tensor):
        batch = image if image.ndim == 4 else image[None]
        image = VaeImageProcessor.pt_to_numpy(batch)
    if isinstance(image, np.ndarray):
        image = VaeImageProcessor.numpy_to_pil(image)
    pictures = [image] if isinstance(image, Image.Image) else list(image)
    if not pictures:
        raise InvalidRequest("There is no picture.", advice="Give one or more.")
    return [picture.convert("RGBA") for picture in pictures]


def one_for_each(
    pictures: list[Image.Image], prompt: Texts, given: Words | None
) -> tuple[list[Image.Image], list[str]]:
    """As many pictures as prompts: where there is one of either it is shared.

    Raises ``InvalidRequest`` for any other difference.
    """
    prompts = [prompt or ""] if prompt is None or isinstance(prompt, str) else list(prompt)
    count = len(prompts) if given is None else len(given.embeds)
    if len(pictures) == 1:
        pictures = pictures * count
    if count == 1 and given is None:
        prompts = prompts * len(pictures)
        count = len(pictures)
    if len(pictures) != count:
        raise InvalidRequest(f"{len(pictures)} pictures with {count} prompts.")
    return pictures, prompts


def shared_bucket(pictures: Sequence[Image.Image], resolution: int) -> Extent:
    """The working size of a batch; raises ``InvalidRequest`` for one of several proportions."""
    sizes = {bucket(Extent(*picture.size), resolution) for picture in pictures}
    if len(sizes) > 1:
        raise InvalidRequest(
            "The pictures of one batch have different proportions.",
            advice="Run them one by one, or those of the same proportions together.",
        )
    return sizes.pop()
