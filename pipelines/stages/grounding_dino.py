"""Grounding DINO by transformers: words to boxes (Liu et al., arXiv:2303.05499)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers import (
    AutoTokenizer,
    GroundingDinoForObjectDetection,
    GroundingDinoImageProcessor,
)

from layerstudio.color import U8
from layerstudio.errors import InvalidRequest
from layerstudio.geometry import Extent
from layerstudio.pipelines.runtime import Runtime
from layerstudio.pipelines.stages.bounded import bounded
from layerstudio.pipelines.stages.boxes import corners_of, proposals
from layerstudio.pipelines.stages.contracts import Proposal
from layerstudio.pipelines.stages.placing import place_for
from layerstudio.pipelines.stages.published import (
    load_network,
    load_processor,
    parameters_in,
    published_folder,
)
from layerstudio.progress import CancelToken

# A box is kept if its surest word is above the first; it is called what it fits best, if that is
# above the second. From the demonstration in the authors' README (BOX_TRESHOLD, TEXT_TRESHOLD).
BOX_THRESHOLD, TEXT_THRESHOLD = 0.35, 0.25

_SEPARATORS = re.compile(r"[.?]")  # end a phrase in the network's attention


class _Spoken(NamedTuple):
    """A text of several prompts, and which of its words belong to which prompt's index."""

    tokens: list[int]
    spans: list[tuple[int, int, int]]  # index, first token, one after the last


class GroundingDino:
    """float32 everywhere: its sampling positions lose objects in half precision."""

    def __init__(self, network: Any, pictures: Any, words: Any) -> None:
        self._network = network
        self._pictures = pictures
        self._words = words

    @classmethod
    def open(cls, name: str, runtime: Runtime) -> GroundingDino:
        """Of a registry id, a folder or a hub id; errors as of ``published_folder``."""
        folder = published_folder(name, {"grounding-dino"}, "detector")
        place = place_for("Grounding DINO", parameters_in(folder), runtime, half=torch.float32)
        network = load_network(GroundingDinoForObjectDetection, folder, "detector")
        pictures = load_processor(GroundingDinoImageProcessor, folder, "detector")
        words = load_processor(AutoTokenizer, folder, "detector")
        return cls(network.to(place.device), pictures, words)

    def detect(self, rgb: U8, prompts: Sequence[str], cancel: CancelToken) -> tuple[Proposal, ...]:
        """What of ``prompts`` is seen where, each labelled by the prompt as it was given."""
        extent = Extent.of(rgb)
        spoken = list(self._spoken(prompts))
        if not spoken:
            return ()
        cancel.check()
        seen = self._pictures(images=bounded(rgb), return_tensors="pt").to(self._network.device)
        corners, scores, names = [], [], []
        for text in spoken:
            cancel.check()
            boxes, sure, indices = self._found(seen, text)
            corners.append(boxes * torch.tensor([*extent, *extent]))
            scores.append(sure)
            names += [prompts[index] for index in indices.tolist()]
        return proposals(torch.cat(corners), torch.cat(scores), names, extent)

    def _found(self, seen: Any, text: _Spoken) -> tuple[Tensor, Tensor, Tensor]:
        """Boxes (n, 4) as shares of the picture's sides, their scores, and whose prompts they are.

        Labels come from where each prompt's words stand in the text, not from the words that a box
        answers to put together, which runs neighbouring prompts into each other.
        """
        tokens = torch.tensor([text.tokens], device=self._network.device)
        with torch.inference_mode():
            outputs = self._network(
                pixel_values=seen["pixel_values"],
                pixel_mask=seen["pixel_mask"],
                input_ids=tokens,
                token_type_ids=torch.zeros_like(tokens),
                attention_mask=torch.ones_like(tokens),
            )
        sure = outputs.logits[0].float().sigmoid().cpu()  # (boxes, words)
        fits = torch.stack([sure[:, first:end].amax(dim=1) for _, first, end in text.spans], dim=1)
        best, which = fits.max(dim=1)
        score = sure.amax(dim=1)
        kept = (score > BOX_THRESHOLD) & (best > TEXT_THRESHOLD)
        owners = torch.tensor([index for index, _, _ in text.spans])
        corners = corners_of(outputs.pred_boxes[0].float().cpu())
        return corners[kept], score[kept], owners[which[kept]]

    def _spoken(self, prompts: Sequence[str]) -> Iterator[_Spoken]:
        """Texts of as many prompts as the network reads at once, "a cat. a dog." as token ids."""
        most = self._network.config.max_text_len - 2  # without the marks around a text
        start, end = self._words.cls_token_id, self._words.sep_token_id
        dot = self._words.convert_tokens_to_ids(".")
        tokens, spans = [start], []
        for index, prompt in enumerate(prompts):
            words = self._words(plain(prompt), add_special_tokens=False)["input_ids"][: most - 1]
            if spans and len(tokens) + len(words) + 1 > most:
                yield _Spoken([*tokens, end], spans)
                tokens, spans = [start], []
            spans.append((index, len(tokens), len(tokens) + len(words)))
            tokens += [*words, dot]
        if spans:
            yield _Spoken([*tokens, end], spans)


def plain(prompt: str) -> str:
    """In small letters, without what would end a phrase; raises ``InvalidRequest`` if that leaves
    nothing."""
    words = " ".join(_SEPARATORS.sub(" ", prompt).lower().split())
    if not words:
        raise InvalidRequest(
            f"The prompt {prompt!r} names nothing.", advice='Say what to look for, as in "a cat".'
        )
    return words
