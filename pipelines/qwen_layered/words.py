"""Text for the layered transformer: embeddings of prompts, and captions of pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import StoppingCriteria, StoppingCriteriaList

from layerstudio.pipelines.embedding_cache import EMBEDDINGS
from layerstudio.pipelines.qwen_layered.published import CAPTION_TOKENS

Watch = Callable[[float], None]  # the share of the most words so far; may raise ``Cancelled``


@dataclass(frozen=True)
class Words:
    """Embeddings (b, n, c) of prompts, and which of them count (b, n), None where all do."""

    embeds: Tensor
    mask: Tensor | None = None

    @classmethod
    def given(cls, embeds: Tensor | None, mask: Tensor | None) -> Words | None:
        """Embeddings made elsewhere, if there are any."""
        return None if embeds is None else cls(embeds, mask)

    @classmethod
    def of(cls, rows: Sequence[Tensor]) -> Words:
        """Prompts (n, c) of any lengths, padded to the longest."""
        lengths = torch.tensor([len(row) for row in rows], device=rows[0].device)
        embeds = pad_sequence(list(rows), batch_first=True)
        places = torch.arange(embeds.shape[1], device=embeds.device)
        mask = places < lengths[:, None]
        return cls(embeds, None if bool(mask.all()) else mask)

    def repeated(self, times: int) -> Words:
        """Each prompt ``times`` times in a row."""
        mask = None if self.mask is None else self.mask.repeat_interleave(times, 0)
        return Words(self.embeds.repeat_interleave(times, 0), mask)

    def to(self, device: torch.device, dtype: torch.dtype) -> Words:
        mask = None if self.mask is None else self.mask.to(device)
        return Words(self.embeds.to(device, dtype), mask)


def encoded(pipeline: Any, prompt: str, length: int) -> Tensor:
    """(n, c) of one prompt, at most ``length`` tokens; from the cache where it was encoded before.

    The negative prompt is the same in nearly every run.
    """

    def encode() -> tuple[Tensor]:
        embeds, _ = pipeline._get_qwen_prompt_embeds([prompt], pipeline._execution_device)
        return (embeds[0, :length],)

    key = ("qwen-layered", prompt, length)
    device = pipeline._execution_device
    return EMBEDDINGS.get([pipeline.text_encoder], key, encode, device=device)[0]


def caption(
    pipeline: Any, picture: Image.Image, *, english: bool, watch: Watch = lambda share: None
) -> str:
    """What the text encoder says of ``picture`` (RGBA), in English or Chinese, greedily.

    The published template and length; what is transparent is seen as white.
    """
    template = pipeline.image_caption_prompt_en if english else pipeline.image_caption_prompt_cn
    inputs = pipeline.vl_processor(
        text=template, images=_on_white(picture), padding=True, return_tensors="pt"
    ).to(pipeline._execution_device)
    given = inputs.input_ids.shape[1]
    ids = pipeline.text_encoder.generate(
        **inputs,
        max_new_tokens=CAPTION_TOKENS,
        do_sample=False,
        temperature=None,
        top_p=None,
        top_k=None,
        stopping_criteria=StoppingCriteriaList([_Watched(watch, given)]),
    )
    texts = pipeline.vl_processor.batch_decode(
        ids[:, given:], skip_special_tokens=True, clean_up_tokenization_spaces=False
    )
    return texts[0].strip()


class _Watched(StoppingCriteria):
    """Stops nothing; is asked after every word, which is when a run can be cancelled."""

    def __init__(self, watch: Watch, given: int) -> None:
        self._watch = watch
        self._given = given

    def __call__(self, input_ids: Tensor, scores: Any, **kwargs: Any) -> Any:
        self._watch((input_ids.shape[1] - self._given) / CAPTION_TOKENS)
        return torch.zeros(input_ids.shape[0], dtype=torch.bool, device=input_ids.device)


def _on_white(picture: Image.Image) -> Image.Image:
    white = Image.new("RGBA", picture.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, picture).convert("RGB")
