"""Denoising the tokens inside boxes: one loop for text to layers, picture to layers and edits.

What is kept is the packed tokens themselves, never a canvas: what lies outside the boxes is neither
embedded nor attended to nor projected. Several documents share a sequence, each with noise levels
of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import torch
from diffusers.utils.torch_utils import get_module_execution_device
from torch import Tensor

from layerstudio.models.memory import own_parameter
from layerstudio.models.multilayer_adapter import DEFAULT_SCALE, MultiLayerAdapter
from layerstudio.models.multilayer_dit import Conditions, MultiLayerTransformer, Residuals
from layerstudio.models.packing import Packing
from layerstudio.models.regions import Regions
from layerstudio.pipelines.multilayer.guidance import Guidance, combined, mixed

AfterStep = Callable[[Tensor, int, int], None]  # tokens (1, n, c), steps done, of how many


@dataclass(frozen=True)
class Text:
    """One prompt as FLUX reads it: ``tokens`` (1, length, c) of T5, ``pooled`` (1, d) of CLIP."""

    tokens: Tensor
    pooled: Tensor


@dataclass(frozen=True)
class Order:
    """One document to sample: its regions, its prompts, and what of it is given.

    ``layer_texts`` are prompts of single layers by number. ``given`` (count, c) are clean tokens,
    of which those are kept where ``kept`` (count,) is true. ``condition`` (count, c') is CLD's.
    """

    regions: Regions
    text: Text
    layer_texts: dict[int, Text] = field(default_factory=dict)
    given: Tensor | None = None
    kept: Tensor | None = None
    condition: Tensor | None = None


@dataclass(frozen=True)
class _Pass:
    """A sequence that the transformer runs on: documents, then single layers with own prompts."""

    packing: Packing
    text: Tensor
    pooled: Tensor
    documents: Tensor  # (rows,) the document of each row, for its noise level
    places: tuple[Tensor, ...]  # where the documents' tokens hold each single layer

    def conditions(self, levels: Tensor, guidance: float) -> Conditions:
        times = levels[self.documents]
        return Conditions(self.text, self.pooled, times, torch.full_like(times, guidance))

    def widened(self, tokens: Tensor) -> Tensor:
        """The documents' tokens (1, n, c), and after them those of the single layers again."""
        return torch.cat([tokens, *(tokens[:, place] for place in self.places)], dim=1)


class Sampler:
    """Euler steps of flow matching from noise (level 1) to layers (level 0).

    ``levels`` (documents, steps + 1) are those of ``schedule.noise_levels``. ``empty`` is the
    empty prompt. Kept tokens are clean from the first step on where the transformer was trained
    so (``clean_tokens``); else they follow the noise like all others and are right at the end.
    """

    def __init__(
        self,
        transformer: MultiLayerTransformer,
        orders: Sequence[Order],
        empty: Text,
        levels: Tensor,
        guidance: Guidance,
        *,
        adapter: MultiLayerAdapter | None = None,
        adapter_scale: float = DEFAULT_SCALE,
    ) -> None:
        self._transformer = transformer
        self._guidance = guidance
        self._adapter = adapter
        self._adapter_scale = adapter_scale
        self._device = get_module_execution_device(transformer)
        self._layer_pe = own_parameter(transformer, "layer_pe") if adapter else None
        self._levels = levels.to(self._device)
        self._kept = _kept(orders, self._device)
        self._given = _given(orders, self._kept)
        self._condition = _condition(orders)
        bare = [replace(order, layer_texts={}) for order in orders]
        self._alone = self._planned(bare)
        self._positive = self._planned(orders)
        emptied = [replace(order, text=empty) for order in bare]
        self._negative = self._planned(emptied) if guidance.is_free else None

    @torch.inference_mode()
    def run(self, noise: Tensor, after_step: AfterStep | None = None) -> Tensor:
        """``noise`` (1, n, c), all documents' tokens one after another, to layers."""
        tokens = noise
        steps = self._levels.shape[1] - 1
        for index in range(steps):
            now, following = self._levels[:, index], self._levels[:, index + 1]
            tokens = self._with_given(tokens, noise, now)
            velocity = self._velocity(tokens, now)
            step = self._per_token(following - now)
            tokens = (tokens.float() + step * velocity.float()).to(noise.dtype)
            if after_step is not None:
                after_step(tokens, index + 1, steps)
        return self._with_given(tokens, noise, torch.zeros_like(self._levels[:, 0]))

    def _velocity(self, tokens: Tensor, levels: Tensor) -> Tensor:
        residuals = self._residuals(tokens, levels)
        positive = self._predicted(self._positive, tokens, levels, residuals)
        if self._negative is None:
            return positive
        negative = self._predicted(self._negative, tokens, levels, residuals)
        scale = self._guidance.scale(self._alone.packing, levels)
        return combined(positive, negative, scale)

    def _predicted(
        self, plan: _Pass, tokens: Tensor, levels: Tensor, residuals: Residuals | None
    ) -> Tensor:
        answer = self._transformer(
            plan.widened(tokens),
            plan.packing,
            plan.conditions(levels, self._guidance.embedded),
            residuals and residuals.mapped(plan.widened),
        )
        sizes = [tokens.shape[1], *(len(place) for place in plan.places)]
        whole, *regional = answer.split(sizes, dim=1)
        return mixed(whole, regional, plan.places, self._guidance.global_share)

    def _residuals(self, tokens: Tensor, levels: Tensor) -> Residuals | None:
        """The adapter reads the real prompts only; CLD uses its answer for the empty one too."""
        if self._adapter is None or self._condition is None or self._layer_pe is None:
            return None
        residuals = self._adapter(
            tokens,
            self._condition,
            self._layer_pe,
            self._alone.packing,
            self._alone.conditions(levels, self._guidance.embedded),
        )
        return residuals.mapped(lambda x: self._adapter_scale * x)

    def _with_given(self, tokens: Tensor, noise: Tensor, levels: Tensor) -> Tensor:
        """Kept tokens as they have to be at noise ``levels``."""
        if self._kept is None or self._given is None:
            return tokens
        held = self._given
        if not self._transformer.config["clean_tokens"]:
            level = self._per_token(levels).to(noise.dtype)
            held = level * noise + (1 - level) * held
        return torch.where(self._kept[:, None], held, tokens)

    def _per_token(self, values: Tensor) -> Tensor:
        """(documents,) to (1, n, 1)."""
        counts = torch.tensor(self._alone.packing.image_lengths, device=values.device)
        return values.repeat_interleave(counts)[None, :, None]

    def _planned(self, orders: Sequence[Order]) -> _Pass:
        device = self._device
        regions = [order.regions for order in orders]
        texts = [order.text for order in orders]
        rows = list(range(len(orders)))
        places: list[Tensor] = []
        start = 0
        for number, order in enumerate(orders):
            for layer, text in order.layer_texts.items():
                regions.append(order.regions.only(layer))
                texts.append(text)
                rows.append(number)
                place = torch.nonzero(order.regions.ids[:, 0] == layer)[:, 0] + start
                places.append(place.to(device))
            start += order.regions.count
        packing = self._transformer.pack(regions, [text.tokens.shape[1] for text in texts])
        plan = _Pass(
            packing,
            torch.cat([text.tokens for text in texts], dim=1),
            torch.cat([text.pooled for text in texts]),
            torch.tensor(rows, device=device),
            tuple(places),
        )
        if self._kept is None or not self._transformer.config["clean_tokens"]:
            return plan
        kept = plan.widened(self._kept[None])[0]
        return replace(plan, packing=packing.with_clean(kept))


def _kept(orders: Sequence[Order], device: torch.device) -> Tensor | None:
    """(n,) bool over all documents; None where nothing is kept."""
    if all(order.kept is None for order in orders):
        return None
    parts = [
        torch.zeros(order.regions.count, dtype=torch.bool) if order.kept is None else order.kept
        for order in orders
    ]
    return torch.cat([part.to(device) for part in parts])


def _given(orders: Sequence[Order], kept: Tensor | None) -> Tensor | None:
    """(1, n, c) clean tokens over all documents, zeros where a document has none."""
    if kept is None:
        return None
    known = next(order.given for order in orders if order.given is not None)
    parts = [
        known.new_zeros(order.regions.count, known.shape[1]) if order.given is None else order.given
        for order in orders
    ]
    return torch.cat(parts)[None]


def _condition(orders: Sequence[Order]) -> Tensor | None:
    """(1, n, c) over all documents: either every one has a picture behind it, or none."""
    conditions = [order.condition for order in orders if order.condition is not None]
    assert len(conditions) in (0, len(orders)), "pictures for some documents only"
    return torch.cat(conditions)[None] if conditions else None
