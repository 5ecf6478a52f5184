"""SAM 3 by transformers: every instance of what words name, and, by the part of it that follows
objects, what boxes and points mean (Carion et al., arXiv:2511.16719)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import AutoTokenizer, Sam3ImageProcessor, Sam3Model, Sam3TrackerModel

from layerstudio.color import U8
from layerstudio.errors import InvalidRequest
from layerstudio.geometry import Extent
from layerstudio.pipelines.runtime import Runtime
from layerstudio.pipelines.stages.bounded import bounded
from layerstudio.pipelines.stages.contracts import Segment
from layerstudio.pipelines.stages.mask_network import Frame
from layerstudio.pipelines.stages.overlaps import Outline, without_duplicates
from layerstudio.pipelines.stages.placing import Place, place_for
from layerstudio.pipelines.stages.published import (
    load_network,
    load_processor,
    parameters_in,
    published_folder,
)
from layerstudio.pipelines.stages.sam_published import PublishedSam
from layerstudio.progress import CancelToken

# ``confidence_threshold`` of the authors' own processor.
THRESHOLD = 0.5

_WORDS = 32  # tokens of a text, from transformers' Sam3Processor
_WHAT = "segmenter"


class Sam3:
    """``pointed`` answers boxes and points. Both parts look through the same eyes: the backbone,
    which is most of the weights, is in memory once."""

    def __init__(
        self, concepts: Any, tracker: Any, pictures: Any, words: Any, place: Place
    ) -> None:
        tracker.vision_encoder.backbone = concepts.vision_encoder.backbone
        self._concepts = concepts.to(place.device)
        self._concepts.vision_encoder.to(place.dtype)
        self.pointed = PublishedSam(tracker, pictures, place, padded=False)
        self._pictures = pictures
        self._words = words
        self._place = place

    @classmethod
    def open(cls, name: str, runtime: Runtime) -> Sam3:
        """Of a registry id, a folder or a hub id; errors as of ``published_folder``."""
        folder = published_folder(name, {"sam3_video"}, _WHAT)
        place = place_for("SAM 3", parameters_in(folder), runtime)
        concepts = load_network(Sam3Model, folder, _WHAT)
        tracker = load_network(Sam3TrackerModel, folder, _WHAT)
        side = concepts.config.image_size
        square = {"height": side, "width": side}
        pictures = load_processor(Sam3ImageProcessor, folder, _WHAT, size=square)
        words = load_processor(AutoTokenizer, folder, _WHAT)
        return cls(concepts, tracker, pictures, words, place)

    def named(self, rgb: U8, prompts: Sequence[str], cancel: CancelToken) -> tuple[Segment, ...]:
        """Every instance of what the prompts name, in their order, the surest of each first."""
        for prompt in prompts:
            if not prompt.strip():
                raise InvalidRequest(
                    f"The prompt {prompt!r} names nothing.",
                    advice='Say what to look for, as in "a cat".',
                )
        if not prompts:
            return ()
        cancel.check()
        seen = self._looked_at(rgb)
        frame = Frame(Extent.of(rgb))
        found: list[Segment] = []
        for prompt in prompts:
            cancel.check()
            found += self._instances(seen, prompt, frame, cancel)
        outlines = [Outline(one.bounds, one.mask, one.score) for one in found]
        return tuple(found[index] for index in sorted(without_duplicates(outlines)))

    def _looked_at(self, rgb: U8) -> Any:
        """What the vision encoder sees, in float32 for all that follows."""
        pixels = self._pictures(images=bounded(rgb), return_tensors="pt")["pixel_values"]
        with torch.inference_mode():
            seen = self._concepts.get_vision_features(
                pixels.to(self._place.device, self._place.dtype)
            )
        seen.fpn_hidden_states = tuple(level.float() for level in seen.fpn_hidden_states)
        seen.fpn_position_encoding = tuple(level.float() for level in seen.fpn_position_encoding)
        return seen

    def _instances(
        self, seen: Any, prompt: str, frame: Frame, cancel: CancelToken
    ) -> list[Segment]:
        words = self._words(
            [prompt], padding="max_length", truncation=True, max_length=_WORDS, return_tensors="pt"
        ).to(self._place.device)
        with torch.inference_mode():
            outputs = self._concepts(
                vision_embeds=seen,
                input_ids=words["input_ids"],
                attention_mask=words["attention_mask"],
            )
        scores = (outputs.pred_logits[0].sigmoid() * outputs.presence_logits[0].sigmoid()).cpu()
        found = []
        for index in scores.argsort(descending=True, stable=True).tolist():
            if scores[index] <= THRESHOLD:
                break
            cancel.check()
            # Likelihoods are enlarged, not logits, as in the library's own processor.
            likely = outputs.pred_masks[0, index].float().sigmoid().cpu()
            bounds, mask = frame.mask(likely - 0.5)
            if not bounds.is_empty:
                found.append(Segment(bounds, mask, prompt, float(scores[index])))
        return found
