"""Prompts of any length as what Stable Diffusion attends to; equal to diffusers' for short ones.

A long prompt is read in pieces of 75 tokens that are put side by side: the networks attend to
any number of tokens. The pooled embedding of SDXL, one vector for the whole picture, is the
first piece's: it is the end state of a text of trained length, and prompts name their subject
first; a mean over pieces would be a vector that no text has.

Every piece is read on its own, so that a prompt's embedding does not depend on the others.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from diffusers.utils.peft_utils import scale_lora_layers, unscale_lora_layers
from diffusers.utils.torch_utils import get_module_execution_device
from torch import Tensor

from layerstudio.errors import InvalidRequest
from layerstudio.models.memory import released
from layerstudio.pipelines.embedding_cache import EMBEDDINGS
from layerstudio.pipelines.prompt_chunks import Ids, empty_chunk, token_chunks

Pooled = Literal["projected", "unprojected"]
Texts = str | Sequence[str]


@dataclass(frozen=True)
class PromptEmbeds:
    """What diffusers' pipelines take instead of prompts, one row for each prompt.

    ``positive`` and ``negative`` are (b, 77 n, c) for n pieces; ``pooled`` and
    ``negative_pooled`` (b, c), for SDXL alone. Without guidance there is no negative.
    """

    positive: Tensor
    negative: Tensor | None = None
    pooled: Tensor | None = None
    negative_pooled: Tensor | None = None

    def as_arguments(self) -> dict[str, Tensor]:
        """By diffusers' names, without what is not there."""
        named = {
            "prompt_embeds": self.positive,
            "negative_prompt_embeds": self.negative,
            "pooled_prompt_embeds": self.pooled,
            "negative_pooled_prompt_embeds": self.negative_pooled,
        }
        return {name: value for name, value in named.items() if value is not None}


def encode_sdxl(
    pipeline: Any,
    prompt: Texts,
    negative_prompt: Texts | None = None,
    *,
    prompt_2: Texts | None = None,
    negative_prompt_2: Texts | None = None,
    guided: bool = True,
    clip_skip: int | None = None,
    lora_scale: float | None = None,
    pooled: Pooled = "projected",
) -> PromptEmbeds:
    """Prompts through both encoders of SDXL.

    The second encoder reads ``prompt_2`` and ``negative_prompt_2``, without them the same as the
    first. No negative prompt means zeros where the pipeline's config says so. ``clip_skip``
    concerns the positive prompt alone, as in diffusers. ``pooled="unprojected"`` is the second
    encoder's state before its projection, and an absent negative prompt an empty one: what
    LayerDiffuse's published script samples with.

    Raises ``InvalidRequest`` for a prompt that is too long, and for lists of unequal lengths.
    """
    zeros = (
        negative_prompt is None
        and pooled == "projected"
        and pipeline.config.force_zeros_for_empty_prompt
    )
    texts = _listed(prompt, None)
    negatives = _listed(negative_prompt or "", len(texts))
    second = _listed(prompt_2 or texts, len(texts))
    negatives_2 = _listed(negative_prompt_2 or negatives, len(texts))
    with ExitStack() as stay:
        device = get_module_execution_device(pipeline.unet)
        readers = _sdxl_readers(pipeline, pooled, _Visitors(device, stay))
        pairs = [(texts, negatives), (second, negatives_2)][-len(readers) :]
        if not guided or zeros:
            pairs = [(positives, []) for positives, _ in pairs]
        found = _read(pipeline, readers, pairs, clip_skip, lora_scale)
    if guided and zeros:
        assert found.pooled is not None
        zero, zero_pooled = torch.zeros_like(found.positive), torch.zeros_like(found.pooled)
        return PromptEmbeds(found.positive, zero, found.pooled, zero_pooled)
    return found


def encode_sd15(
    pipeline: Any,
    prompt: Texts,
    negative_prompt: Texts | None = None,
    *,
    guided: bool = True,
    clip_skip: int | None = None,
    lora_scale: float | None = None,
) -> PromptEmbeds:
    """Prompts through SD 1.5's encoder; all rows have as many pieces as the longest.

    ``clip_skip`` concerns the positive prompt alone, as in diffusers.

    Raises ``InvalidRequest`` for a prompt that is too long, and for lists of unequal lengths.
    """
    texts = _listed(prompt, None)
    negatives = _listed(negative_prompt or "", len(texts)) if guided else []
    readers = [_Sd15Reader(pipeline, pipeline.tokenizer, pipeline.text_encoder)]
    return _read(pipeline, readers, [(texts, negatives)], clip_skip, lora_scale)


def _listed(texts: Texts, count: int | None) -> list[str]:
    """``count`` texts: one is said of every picture."""
    if isinstance(texts, str):
        return [texts] * (count or 1)
    listed = list(texts)
    if count is not None and len(listed) != count:
        raise InvalidRequest(
            f"{len(listed)} prompts belong to {count}.",
            advice="Give one for all pictures, or one for each.",
        )
    return listed


class _Visitors:
    """Encoders that come to a device when the first text must be read, and leave in the end.

    For SDXL's, 1.6 GB in half precision; SD 1.5's is too small to be worth the way.
    """

    def __init__(self, device: torch.device, stay: ExitStack) -> None:
        self._device = device
        self._stay = stay
        self._here: list[Any] = []

    def bring(self, encoder: Any) -> None:
        if not any(encoder is one for one in self._here):
            self._here.append(encoder)
            self._stay.enter_context(released(encoder, device=self._device))


@dataclass(frozen=True)
class _Reader(ABC):
    """A text encoder with its tokenizer."""

    pipeline: Any
    tokenizer: Any
    encoder: Any
    visitors: _Visitors | None = None

    def chunks(self, text: str) -> list[Ids]:
        # Asked only where a learned word occurs: diffusers' lookup warns of every long text.
        if any(word in text for word in self.tokenizer.added_tokens_encoder):
            text = self.pipeline.maybe_convert_prompt(text, self.tokenizer)
        return token_chunks(self.tokenizer, text)

    def cached(self, ids: Ids, clip_skip: int | None, device: torch.device) -> tuple[Tensor, ...]:
        """``read`` once for each piece of text, so that negative prompts are not read again."""
        key = (type(self).__name__, ids, clip_skip)
        return EMBEDDINGS.get([self.encoder], key, lambda: self.read(ids, clip_skip), device=device)

    @abstractmethod
    def read(self, ids: Ids, clip_skip: int | None) -> tuple[Tensor, ...]:
        """States (77, c) of one piece, and its pooled (c,) where there is one."""

    def _run(self, ids: Ids, **options: Any) -> Any:
        if self.visitors:
            self.visitors.bring(self.encoder)
        device = get_module_execution_device(self.encoder)
        with torch.no_grad():
            return self.encoder(
                torch.tensor([ids], device=device), output_hidden_states=True, **options
            )


class _SdxlReader(_Reader):
    def read(self, ids: Ids, clip_skip: int | None) -> tuple[Tensor, ...]:
        output = self._run(ids)
        # SDXL attends to the layer before the last; clip_skip counts from there.
        states = output.hidden_states[-2 - (clip_skip or 0)][0]
        pooled = getattr(output, "text_embeds", None)
        return (states,) if pooled is None else (states, pooled[0])


class _UnprojectedReader(_SdxlReader):
    def read(self, ids: Ids, clip_skip: int | None) -> tuple[Tensor, ...]:
        seen: list[Tensor] = []
        # A hook, not a call of the inner model, so that offloading of the whole one goes on.
        hook = self.encoder.text_projection.register_forward_pre_hook(
            lambda _, inputs: seen.append(inputs[0])
        )
        try:
            states = super().read(ids, clip_skip)[0]
        finally:
            hook.remove()
        return states, seen[0][0]


class _Sd15Reader(_Reader):
    def read(self, ids: Ids, clip_skip: int | None) -> tuple[Tensor, ...]:
        output = self._run(ids, attention_mask=self._mask(ids))
        if clip_skip is None:
            return (output.last_hidden_state[0],)
        text_model = getattr(self.encoder, "text_model", self.encoder)
        with torch.no_grad():
            return (text_model.final_layer_norm(output.hidden_states[-1 - clip_skip])[0],)

    def _mask(self, ids: Ids) -> Tensor | None:
        """(1, 77): up to the end mark, for the few encoders that are to ignore the rest."""
        if not getattr(self.encoder.config, "use_attention_mask", False):
            return None
        length = ids.index(self.tokenizer.eos_token_id) + 1
        mask = torch.arange(len(ids)) < length
        return mask.long()[None].to(get_module_execution_device(self.encoder))


def _sdxl_readers(pipeline: Any, pooled: Pooled, visitors: _Visitors) -> list[_Reader]:
    """Both, or the second alone where a checkpoint has no first."""
    last = _SdxlReader if pooled == "projected" else _UnprojectedReader
    second = last(pipeline, pipeline.tokenizer_2, pipeline.text_encoder_2, visitors)
    if pipeline.text_encoder is None:
        return [second]
    return [_SdxlReader(pipeline, pipeline.tokenizer, pipeline.text_encoder, visitors), second]


def _read(
    pipeline: Any,
    readers: Sequence[_Reader],
    pairs: Sequence[tuple[list[str], list[str]]],
    clip_skip: int | None,
    lora_scale: float | None,
) -> PromptEmbeds:
    """The positive and negative texts of each reader, padded to one number of pieces."""
    positives = [[r.chunks(text) for text in p] for r, (p, _) in zip(readers, pairs, strict=True)]
    negatives = [[r.chunks(text) for text in n] for r, (_, n) in zip(readers, pairs, strict=True)]
    count = max(len(row) for rows in (*positives, *negatives) for row in rows)
    with _lora_scaled(pipeline, readers, lora_scale):
        positive, pooled = _joined(readers, positives, count, clip_skip)
        if not negatives[0]:
            return PromptEmbeds(positive, pooled=pooled)
        negative, negative_pooled = _joined(readers, negatives, count, None)
    return PromptEmbeds(positive, negative, pooled, negative_pooled)


def _joined(
    readers: Sequence[_Reader],
    texts: Sequence[list[list[Ids]]],
    count: int,
    clip_skip: int | None,
) -> tuple[Tensor, Tensor | None]:
    """(b, 77 count, c) of all readers side by side, and the last reader's pooled (b, c)."""
    columns, pooled = [], None
    device = get_module_execution_device(readers[-1].pipeline.unet)
    for reader, rows in zip(readers, texts, strict=True):
        filled = [[*row, *[empty_chunk(reader.tokenizer)] * (count - len(row))] for row in rows]
        read = {ids: reader.cached(ids, clip_skip, device) for row in filled for ids in row}
        columns.append(torch.stack([torch.cat([read[ids][0] for ids in row]) for row in filled]))
        firsts = [read[row[0]][1] for row in filled if len(read[row[0]]) > 1]
        pooled = torch.stack(firsts) if firsts else None
    return torch.cat(columns, dim=-1).to(readers[-1].encoder.dtype), pooled


@contextmanager
def _lora_scaled(pipeline: Any, readers: Sequence[_Reader], scale: float | None) -> Iterator[None]:
    """LoRAs of the encoders at ``scale``, and back."""
    if scale is None:
        yield
        return
    pipeline._lora_scale = scale
    for reader in readers:
        scale_lora_layers(reader.encoder, scale)
    try:
        yield
    finally:
        for reader in readers:
            unscale_lora_layers(reader.encoder, scale)
