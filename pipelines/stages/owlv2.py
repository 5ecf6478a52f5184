"""OWLv2 by transformers: words to boxes (Minderer et al., arXiv:2306.09683)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import AutoTokenizer, Owlv2ForObjectDetection, Owlv2ImageProcessor

from layerstudio.color import U8
from layerstudio.errors import InvalidRequest
from layerstudio.geometry import Extent
from layerstudio.pipelines.runtime import Runtime
from layerstudio.pipelines.stages.bounded import bounded
from layerstudio.pipelines.stages.boxes import corners_of, proposals
from layerstudio.pipelines.stages.contracts import Proposal
from layerstudio.pipelines.stages.placing import Place, place_for
from layerstudio.pipelines.stages.published import (
    load_network,
    load_processor,
    parameters_in,
    published_folder,
)
from layerstudio.progress import CancelToken

# transformers' own default (Owlv2Processor.post_process_grounded_object_detection): its scores
# are low where Grounding DINO's are high.
THRESHOLD = 0.1

_AT_ONCE = 32  # prompts; the picture is compared with each


class Owlv2:
    def __init__(self, network: Any, pictures: Any, words: Any, place: Place) -> None:
        self._network = network
        self._pictures = pictures
        self._words = words
        self._place = place

    @classmethod
    def open(cls, name: str, runtime: Runtime) -> Owlv2:
        """Of a registry id, a folder or a hub id; errors as of ``published_folder``."""
        folder = published_folder(name, {"owlv2"}, "detector")
        place = place_for("OWLv2", parameters_in(folder), runtime)
        network = load_network(Owlv2ForObjectDetection, folder, "detector", dtype=place.dtype)
        pictures = load_processor(Owlv2ImageProcessor, folder, "detector")
        words = load_processor(AutoTokenizer, folder, "detector")
        return cls(network.to(place.device), pictures, words, place)

    def detect(self, rgb: U8, prompts: Sequence[str], cancel: CancelToken) -> tuple[Proposal, ...]:
        """What of ``prompts`` is seen where, each labelled by the prompt as it was given."""
        extent = Extent.of(rgb)
        cancel.check()
        # The library blurs a picture before it shrinks it, by a kernel as wide as it shrinks: what
        # is larger than twice its size would wait for that alone.
        smaller = bounded(rgb, largest_side=2 * self._network.config.vision_config.image_size)
        seen = self._pictures(images=smaller, return_tensors="pt")
        pixels = seen["pixel_values"].to(self._place.device, self._place.dtype)
        corners, scores, names = [], [], []
        for start in range(0, len(prompts), _AT_ONCE):
            cancel.check()
            boxes, sure, which = self._found(pixels, prompts[start : start + _AT_ONCE])
            # A picture lies in the corner of a square as wide as its longer side.
            corners.append(boxes * extent.longest_side)
            scores.append(sure)
            names += [prompts[start + index] for index in which.tolist()]
        if not names:
            return ()
        return proposals(torch.cat(corners), torch.cat(scores), names, extent)

    def _found(self, pixels: Tensor, prompts: Sequence[str]) -> tuple[Tensor, Tensor, Tensor]:
        """Boxes (n, 4) as shares of the square, their scores, and the prompts they fit best."""
        words = self._words(
            [_named(prompt) for prompt in prompts],
            padding="max_length",
            truncation=True,
            max_length=self._network.config.text_config.max_position_embeddings,
            return_tensors="pt",
        ).to(self._place.device)
        with torch.inference_mode():
            outputs = self._network(
                input_ids=words["input_ids"],
                pixel_values=pixels,
                attention_mask=words["attention_mask"],
            )
        best, which = outputs.logits[0].float().cpu().max(dim=1)
        score = best.sigmoid()
        kept = score > THRESHOLD
        corners = corners_of(outputs.pred_boxes[0].float().cpu())
        return corners[kept], score[kept], which[kept]


def _named(prompt: str) -> str:
    """Without what the tokenizer makes nothing of; raises ``InvalidRequest`` for nothing."""
    words = " ".join(prompt.split())
    if not words:
        raise InvalidRequest(
            f"The prompt {prompt!r} names nothing.", advice='Say what to look for, as in "a cat".'
        )
    return words
