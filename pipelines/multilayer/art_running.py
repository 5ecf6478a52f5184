"""A resolved request for ``art`` carried out: laid out, sampled, put together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch

from layerstudio.document import BlendMode, Document, Layer, Provenance
from layerstudio.generate_request import GenerateRequest
from layerstudio.pipelines.base_models import Found
from layerstudio.pipelines.fitting import flattened
from layerstudio.pipelines.multilayer.art_design import designed
from layerstudio.pipelines.multilayer.art_existing import edited, read_existing
from layerstudio.pipelines.multilayer.art_order import BACKGROUND, COMPOSITE, ArtOrder
from layerstudio.pipelines.multilayer.engine import Ready, canvas_of, opened, tokens_of
from layerstudio.pipelines.multilayer.guidance import Guidance
from layerstudio.pipelines.runtime import Runtime
from layerstudio.pipelines.steps import seeded_generators, to_tensor
from layerstudio.progress import CancelToken, Progress, ProgressCallback

_PLANNED, _LOADED = 0.05, 0.1  # shares of a run


def run(
    base: Found,
    request: GenerateRequest,
    *,
    runtime: Runtime,
    progress: ProgressCallback,
    cancel: CancelToken,
) -> tuple[Document, ...]:
    """``request.count`` documents; each is what its own seed alone would make, to the bit.

    They are sampled one after the other: in one sequence, sums are formed in another order.
    """
    progress(Progress("layout", 0.0))
    orders = _orders(request, runtime, cancel)
    guidances = [_guidance(request, order) for order in orders]
    canvas = canvas_of(*orders[0].extent)
    tokens = max(tokens_of(order.boxes, canvas, list(order.prompts)) for order in orders)
    cancel.check()
    progress(Progress("loading", _PLANNED))
    documents = []
    with opened(base, canvas, tokens, runtime, loras=request.loras) as ready:
        progress(Progress(f"loaded: {ready.plan.runtime.reason}", _LOADED))
        for index, (order, guidance) in enumerate(zip(orders, guidances, strict=True)):
            watch = _part(progress, index, len(orders))
            made = _made(ready, base, request, order, guidance, watch, cancel)
            finished = order.finished(made)
            notes = (*finished.notes, *order.notes)
            documents.append(replace(finished, notes=notes, request=order.request))
    return tuple(documents)


def _orders(request: GenerateRequest, runtime: Runtime, cancel: CancelToken) -> list[ArtOrder]:
    stories = [
        replace(request, count=1, seed=(request.seed or 0) + index)
        for index in range(request.count)
    ]
    if request.document is None:
        return [designed(story, runtime, cancel) for story in stories]
    existing = read_existing(request)
    return [edited(story, existing) for story in stories]


def _guidance(request: GenerateRequest, order: ArtOrder) -> Guidance:
    assert request.guidance is not None and request.true_guidance is not None
    return Guidance(
        embedded=request.guidance,
        true=request.true_guidance,
        of_layers=order.guidance_of(request.layer_guidance),
    )


def _made(
    ready: Ready,
    base: Found,
    request: GenerateRequest,
    order: ArtOrder,
    guidance: Guidance,
    progress: ProgressCallback,
    cancel: CancelToken,
) -> Mapping[int, Layer]:
    """The network's layers by its numbers, named and signed."""
    assert request.steps is not None
    output = ready.pipeline(
        [order.prompt],
        [order.boxes],
        width=order.extent.width,
        height=order.extent.height,
        layer_prompts=[order.prompts],
        given=[_given(order)] if order.given else (),
        guidance=guidance,
        num_inference_steps=request.steps,
        generators=seeded_generators(order.seed, 1),
        progress=progress,
        cancel=cancel,
    )
    background, *foregrounds, composite = output.documents[0].layers
    layers = dict(enumerate((background, *foregrounds), BACKGROUND)) | {COMPOSITE: composite}
    assert len(foregrounds) == len(order.boxes), (len(foregrounds), len(order.boxes))
    return {
        number: replace(
            layer,
            name=order.names.get(number, layer.name),
            provenance=Provenance(
                method=request.method or "",
                seed=order.seed,
                prompt=order.prompts.get(number, order.prompt),
                weights=base.weights,
                revision=base.revision or None,
            ),
        )
        for number, layer in layers.items()
    }


def _given(order: ArtOrder) -> dict[int, torch.Tensor]:
    """(1, 4, H, W) in [0, 1] of each kept layer by itself, with its mask and opacity."""
    return {
        number: to_tensor(flattened([_by_itself(layer)], order.extent))
        for number, layer in order.given.items()
    }


def _by_itself(layer: Layer) -> Layer:
    return replace(layer, visible=True, blend=BlendMode.NORMAL, clipped=False)


def _part(progress: ProgressCallback, index: int, count: int) -> ProgressCallback:
    """Reports of one document as reports of the whole run."""
    title = "layers" + (f", {index + 1} of {count}" if count > 1 else "")

    def report(own: Progress) -> None:
        share = (index + min(own.fraction, 1.0)) / count
        fraction = _LOADED + (1 - _LOADED) * share
        progress(replace(own, stage=f"{title}: {own.stage}", fraction=fraction))

    return report
