"""The rows of a batch in which every picture is several frames, frames fastest.

Row ``k * frames + j`` is frame j of picture k; pictures are in the order of the prompts, and
those of one prompt follow each other, as in diffusers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from layerstudio.errors import InvalidRequest
from layerstudio.pipelines.prompts import PromptEmbeds, Texts, encode_sd15


def listed_texts(texts: Sequence[Texts | None]) -> list[list[str]]:
    """For each prompt its text for every frame.

    ``texts`` is one text for each frame, or a list with one for each prompt; one text is said of
    all. Raises ``InvalidRequest`` for lists of unequal lengths, and where no text is given.
    """
    counts = {len(text) for text in texts if text is not None and not isinstance(text, str)}
    if len(counts) > 1 or 0 in counts:
        raise InvalidRequest(
            f"There are {' and '.join(map(str, sorted(counts)))} prompts for the same pictures.",
            advice="Give one for all pictures, or one for each.",
        )
    count = max(counts, default=1)
    columns = []
    for text in texts:
        if text is None:
            raise InvalidRequest("There is no prompt.", advice="Say what to make.")
        columns.append([text] * count if isinstance(text, str) else list(text))
    return [list(row) for row in zip(*columns, strict=True)]


def row_embeds(
    pipeline: Any,
    texts: Sequence[Texts | None],
    negative_prompt: Texts | None,
    pictures_per_prompt: int,
    options: Mapping[str, Any],
) -> dict[str, Tensor | None]:
    """``prompt_embeds`` and ``negative_prompt_embeds`` (None without guidance) of every row.

    ``texts`` are each frame's, ``options`` diffusers'. Embeddings that the caller made are rows
    of frames already; both signs must be there then.

    Raises ``InvalidRequest`` for prompts, or embeddings, that do not go together.
    """
    frames = len(texts)
    guided = options["guidance_scale"] > 1 and pipeline.unet.config.time_cond_proj_dim is None
    if options.get("prompt_embeds") is not None:
        embeds = _given(options, frames, guided)
        if any(text is not None for text in texts) or negative_prompt is not None:
            raise InvalidRequest("Prompts are given as text or as embeddings, not as both.")
    elif options.get("negative_prompt_embeds") is not None:
        raise InvalidRequest("negative_prompt_embeds need prompt_embeds.")
    else:
        rows = listed_texts(texts)
        embeds = encode_sd15(
            pipeline,
            [text for row in rows for text in row],
            _negatives(negative_prompt, len(rows), frames),
            guided=guided,
            clip_skip=options.get("clip_skip"),
            lora_scale=lora_scale_of(options),
        )
    repeated = {
        name: _repeated(rows, pictures_per_prompt, frames)
        for name, rows in embeds.as_arguments().items()
    }
    return {"negative_prompt_embeds": None, **repeated}


def lora_scale_of(options: Mapping[str, Any]) -> float | None:
    """The strength of LoRAs for one call, where diffusers' users say it."""
    return (options.get("cross_attention_kwargs") or {}).get("scale")


def _given(options: Mapping[str, Any], frames: int, guided: bool) -> PromptEmbeds:
    positive, negative = options["prompt_embeds"], options.get("negative_prompt_embeds")
    shapes = [tuple(rows.shape) for rows in (positive, negative) if rows is not None]
    if guided and negative is None:
        raise InvalidRequest("With guidance, prompt_embeds need negative_prompt_embeds.")
    if len(set(shapes)) > 1 or positive.ndim != 3 or positive.shape[0] % frames:
        raise InvalidRequest(
            f"Embeddings of shape {' and '.join(map(str, shapes))} are no prompts of {frames}"
            " frames each.",
            advice="Give a row for every frame, frames fastest, and as many negative ones.",
        )
    return PromptEmbeds(positive, negative if guided else None)


def _negatives(prompt: Texts | None, count: int, frames: int) -> Texts | None:
    """One for every frame of the ``count`` prompts."""
    if prompt is None or isinstance(prompt, str):
        return prompt
    if len(prompt) != count:
        raise InvalidRequest(
            f"{len(prompt)} negative prompts belong to {count} prompts.",
            advice="Give one for all pictures, or one for each.",
        )
    return [text for text in prompt for _ in range(frames)]


def _repeated(rows: Tensor, times: int, frames: int) -> Tensor:
    """Each picture's rows ``times`` over, one picture after the other."""
    return rows.unflatten(0, (-1, frames)).repeat_interleave(times, dim=0).flatten(0, 1)


def frame_generators(
    generator: torch.Generator | Sequence[torch.Generator] | None, pictures: int, frames: int
) -> torch.Generator | list[torch.Generator] | None:
    """A generator for each row: a picture's frames draw from its own one after the other.

    So a batch draws what its pictures alone do. Raises ``InvalidRequest`` for another number of
    generators than ``pictures``.
    """
    if generator is None or (isinstance(generator, torch.Generator) and frames == 1):
        return generator
    own = [generator] * pictures if isinstance(generator, torch.Generator) else list(generator)
    if len(own) != pictures:
        raise InvalidRequest(
            f"{len(own)} generators for {pictures} pictures.", advice="Give one for each, or one."
        )
    return [one for one in own for _ in range(frames)]


def check_latents(latents: Tensor | None, shape: tuple[int, ...]) -> None:
    """Raises ``InvalidRequest`` unless ``latents`` have a row for each frame, padded size."""
    if latents is not None and tuple(latents.shape) != shape:
        raise InvalidRequest(
            f"Latents of shape {tuple(latents.shape)} are not {shape}.",
            advice="There is a row for every frame, and sides are multiples of 64 pixels.",
        )
