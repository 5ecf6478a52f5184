"""A picture taken apart by the multi-layer transformer with its adapter for pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from layerstudio.color import to_float
from layerstudio.document import Document, Layer, Provenance
from layerstudio.geometry import Extent
from layerstudio.ops.exact import make_exact
from layerstudio.picture import Picture
from layerstudio.pipelines.base_models import Found
from layerstudio.pipelines.enlarging import at_full_size, scaled
from layerstudio.pipelines.multilayer.cld_boxes import Places
from layerstudio.pipelines.multilayer.engine import canvas_of, opened, tokens_of
from layerstudio.pipelines.multilayer.published import SIDE, STEPS
from layerstudio.pipelines.resizing import fitted
from layerstudio.pipelines.runtime import Runtime
from layerstudio.pipelines.steps import seeded_generators
from layerstudio.progress import CancelToken, Progress, ProgressCallback
from layerstudio.requests import DecomposeRequest

_LOADED, _SAMPLED = 0.1, 0.9  # shares of a run
_SMALLEST = 16  # pixels of a working side: one token


def run(
    base: Found,
    request: DecomposeRequest,
    picture: Picture,
    places: Places,
    *,
    runtime: Runtime,
    progress: ProgressCallback,
    cancel: CancelToken,
) -> Document:
    """The document of ``picture``: background, and a layer for each box that holds something."""
    working = working_extent(picture.extent)
    boxes = [scaled(box, picture.extent, working) for box in places.boxes]
    canvas = canvas_of(*working)
    cancel.check()
    progress(Progress("loading", 0.0))

    def sampling(report: Progress) -> None:
        progress(replace(report, fraction=_LOADED + (_SAMPLED - _LOADED) * report.fraction))

    with opened(base, canvas, tokens_of(boxes, canvas), runtime, with_adapter=True) as ready:
        progress(Progress(f"loaded: {ready.plan.runtime.reason}", _LOADED))
        prompt = ", ".join(text.strip() for text in request.prompts if text.strip())
        made = ready.pipeline(
            [prompt],
            [boxes],
            width=working.width,
            height=working.height,
            images=[_condition(picture, working)],
            num_inference_steps=STEPS,
            generators=seeded_generators(request.seed or 0, 1),
            progress=sampling,
            cancel=cancel,
        ).documents[0]
    background, *foregrounds, _ = made.layers
    signature = Provenance("cld", prompt=prompt or None, weights=base.weights)
    named = [replace(background, name="Background", provenance=signature)] + [
        replace(layer, name=name, provenance=signature)
        for layer, name in zip(foregrounds, places.names, strict=True)
    ]
    layers, notes = _at_full_size(named, working, picture, cancel)
    if request.exact:
        progress(Progress("recomposition", 0.95))
        layers = make_exact(layers, picture.pixels)
    return Document(
        picture.extent,
        tuple(layer for layer in layers if not layer.is_empty) or tuple(layers[:1]),
        icc_profile=picture.icc_profile,
        dpi=picture.dpi,
        notes=(*places.notes, *notes),
    )


def working_extent(extent: Extent) -> Extent:
    """At most 1024 pixels on the longer side, what CLD was trained at, and at least one token on
    each; never larger than the picture but for that."""
    scale = min(1.0, SIDE / extent.longest_side)
    return Extent(*(max(_SMALLEST, round(side * scale)) for side in extent))


def _condition(picture: Picture, working: Extent) -> torch.Tensor:
    """(1, 4, h, w) in [0, 1], in the picture's own colours, as the layers are to be."""
    rgba = fitted(to_float(picture.pixels), working, "resize")
    return torch.from_numpy(np.ascontiguousarray(rgba)).movedim(-1, 0)[None]


def _at_full_size(
    layers: Sequence[Layer], working: Extent, picture: Picture, cancel: CancelToken
) -> tuple[Sequence[Layer], list[str]]:
    """All layers in which something shows, and a note for each in which nothing does."""
    kept, notes = [], []
    for layer in layers:
        cancel.check()
        large = at_full_size(layer, working, picture)
        if large.pixels[..., 3].any():
            kept.append(large.cropped_to_content())
        else:
            notes.append(f"Nothing was found in the box of {layer.name!r}.")
    return kept, notes
