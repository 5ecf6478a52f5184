"""What a call of the SDXL pipeline asks for, checked and brought to one form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any

import torch
from torch import Tensor

from layerstudio.errors import InvalidRequest
from layerstudio.models.transparent_passes import Augment
from layerstudio.pipelines.layerdiffuse.modes import Mode
from layerstudio.pipelines.prompts import PromptEmbeds, Texts
from layerstudio.pipelines.resizing import ResizeMode
from layerstudio.pipelines.steps import check_output_type, seeded_generators

_EMBEDS = {
    "prompt_embeds": "positive",
    "negative_prompt_embeds": "negative",
    "pooled_prompt_embeds": "pooled",
    "negative_pooled_prompt_embeds": "negative_pooled",
}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a call says besides texts and pictures; ``InvalidRequest`` for the impossible."""

    steps: int
    guidance: float
    strength: float
    ending_step: float
    images_per_prompt: int
    augment: Augment
    resize_mode: ResizeMode
    parity: str | None
    output_type: str
    seed: int | None

    def __post_init__(self) -> None:
        check_output_type(self.output_type)
        counts = {"number of steps": self.steps, "number of images": self.images_per_prompt}
        for name, value in counts.items():
            if not isinstance(value, int) or value < 1:
                raise InvalidRequest(f"The {name} is 1 or more, not {value!r}.")
        for name, value in {"strength": self.strength, "ending step": self.ending_step}.items():
            if not 0 <= value <= 1:
                raise InvalidRequest(f"The {name} lies between 0 and 1, not at {value!r}.")
        if not isfinite(self.guidance):
            raise InvalidRequest(f"The guidance is a number, not {self.guidance!r}.")
        if self.augment not in (1, 2, 4, 8):
            raise InvalidRequest(f"The decoder runs 1, 2, 4 or 8 passes, not {self.augment!r}.")
        if self.parity not in (None, "cli"):
            raise InvalidRequest(f'Parity is "cli" or nothing, not {self.parity!r}.')


def check_published(mode: Mode, options: Mapping[str, Any], callback_inputs: Sequence[str]) -> None:
    """Raises ``InvalidRequest`` for what the published script cannot do."""
    if list(callback_inputs) != ["latents"]:
        raise InvalidRequest('With parity="cli" callbacks are given latents only.')
    if mode.conditions or not mode.transparent:
        raise InvalidRequest("The published script makes transparent pictures only.")
    known = {"generator", "cross_attention_kwargs", "prompt_2", "negative_prompt_2", "clip_skip"}
    beyond = sorted(options.keys() - known - _EMBEDS.keys())
    if beyond:
        raise InvalidRequest(f'With parity="cli" there is no {", ".join(beyond)}.')


def spread(
    prompt: Texts | None,
    negative_prompt: Texts | None,
    pictures: Sequence[Tensor],
    embeds: Tensor | None,
) -> list[str]:
    """``prompt`` as a list: one text is said of every picture that is given. Empty for ``embeds``.

    ``pictures`` are (b, c, h, w) each, ``embeds`` (b, tokens, c). Raises ``InvalidRequest`` for no
    prompt, and for numbers of pictures that do not go with that of the prompts.
    """
    given = max((len(batch) for batch in pictures), default=1)
    if embeds is not None and (prompt is not None or negative_prompt is not None):
        raise InvalidRequest("Prompts are given as text or as embeddings, not as both.")
    if embeds is None and (prompt is None or (not isinstance(prompt, str) and not prompt)):
        raise InvalidRequest("There is no prompt.", advice="Give prompt or prompt_embeds.")
    listed = [prompt] * given if isinstance(prompt, str) else list(prompt or [])
    count = len(listed) if embeds is None else len(embeds)
    if any(len(batch) not in (1, count) for batch in pictures):
        raise InvalidRequest(
            f"{given} pictures do not go with {count} prompts.",
            advice="Give one picture for all prompts, or one for each.",
        )
    return listed


def taken_embeds(options: dict[str, Any]) -> PromptEmbeds | None:
    """Embeddings among ``options``, which they are taken out of.

    Raises ``InvalidRequest`` where they are incomplete.
    """
    given = {ours: options.pop(theirs, None) for theirs, ours in _EMBEDS.items()}
    if all(value is None for value in given.values()):
        return None
    if given["positive"] is None or given["pooled"] is None:
        raise InvalidRequest("prompt_embeds and pooled_prompt_embeds are given together.")
    if (given["negative"] is None) != (given["negative_pooled"] is None):
        raise InvalidRequest(
            "negative_prompt_embeds and negative_pooled_prompt_embeds are given together."
        )
    return PromptEmbeds(**given)


def per_picture(embeds: PromptEmbeds, images_per_prompt: int, device: torch.device) -> PromptEmbeds:
    """A row for each picture, those of one prompt in a row, on ``device``."""

    def repeated(rows: Tensor | None) -> Tensor | None:
        return None if rows is None else rows.repeat_interleave(images_per_prompt, 0).to(device)

    positive = repeated(embeds.positive)
    assert positive is not None
    return replace(
        embeds,
        positive=positive,
        negative=repeated(embeds.negative),
        pooled=repeated(embeds.pooled),
        negative_pooled=repeated(embeds.negative_pooled),
    )


def rows_of(given: Tensor, pictures: int) -> Tensor:
    """(b, ...) for ``pictures``, a multiple of b: those of one prompt in a row."""
    return given.repeat_interleave(pictures // len(given), dim=0)


def generators(seed: int | None, generator: Any, pictures: int) -> Any:
    """What diffusers takes: of ``seed``, one for each picture, else what was given.

    Raises ``InvalidRequest`` for both, and for a list of another length than there are pictures.
    """
    if seed is not None and generator is not None:
        raise InvalidRequest("Give either a seed or generators.")
    if seed is not None:
        return seeded_generators(seed, pictures)
    if isinstance(generator, list | tuple) and len(generator) != pictures:
        raise InvalidRequest(
            f"{len(generator)} generators do not go with {pictures} pictures.",
            advice="Give one for each picture, or a single one.",
        )
    return generator


def check_latents(latents: Tensor | None, shape: tuple[int, ...]) -> None:
    """Raises ``InvalidRequest`` unless ``latents`` to begin with are of ``shape`` (b, 4, h, w)."""
    if latents is not None and tuple(latents.shape) != shape:
        raise InvalidRequest(
            f"Latents of shape {tuple(latents.shape)} are not {shape}.",
            advice="Their sides are an eighth of the next multiples of 64 pixels.",
        )
