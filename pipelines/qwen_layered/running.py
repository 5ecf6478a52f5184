"""A picture taken apart by Qwen-Image-Layered, from the request to the document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from layerstudio.color import to_depth
from layerstudio.document import Document, Layer, Provenance
from layerstudio.geometry import Extent
from layerstudio.ops.exact import make_exact
from layerstudio.picture import Picture
from layerstudio.pipelines.enlarging import at_full_size, snapped
from layerstudio.pipelines.output import LayerStackOutput
from layerstudio.pipelines.qwen_layered import published
from layerstudio.pipelines.qwen_layered.buckets import bucket
from layerstudio.pipelines.qwen_layered.engine import free_for_us, opened
from layerstudio.pipelines.qwen_layered.memory import Plan, plan
from layerstudio.pipelines.qwen_layered.naming import named
from layerstudio.pipelines.qwen_layered.previews import previewer
from layerstudio.pipelines.qwen_layered.sources import Source
from layerstudio.pipelines.qwen_layered.texts import Text, text_for
from layerstudio.pipelines.qwen_layered.tidying import tidied, without_empty
from layerstudio.pipelines.runtime import Runtime
from layerstudio.pipelines.steps import StepWatcher, seeded_generators
from layerstudio.progress import CancelToken, Progress, ProgressCallback
from layerstudio.requests import DecomposeRequest

_READ, _CAPTIONED, _LOADED, _SAMPLED, _DECODED = 0.01, 0.12, 0.2, 0.9, 0.95  # shares of a run


@dataclass(frozen=True)
class Job:
    """What stays the same through a run: ``layers`` is the number asked of the network."""

    request: DecomposeRequest
    picture: Picture
    layers: int
    runtime: Runtime
    progress: ProgressCallback
    cancel: CancelToken

    def step(self, stage: str, fraction: float) -> None:
        self.cancel.check()
        self.progress(Progress(stage, fraction))


def run(source: Source, job: Job) -> Document:
    """The document of the picture; raises as the parts do."""
    settings = job.request.settings
    side = published.SIDES.get(settings.text("resolution"), published.RECOMMENDED_SIDE)
    working = bucket(job.picture.extent, side)
    chosen = plan(
        source, working, job.layers, free_for_us(job.runtime), job.runtime,
        weights=settings.text("weights"), encoder=settings.text("encoder"),
    )  # fmt: skip
    job.step(f"planned: {chosen.reason}", 0.0)
    image = Image.fromarray(np.ascontiguousarray(to_depth(job.picture.pixels, np.uint8)))
    text = _text(chosen, image, job)
    made = _sampled(chosen, text, image, side, job)
    layers, notes = _chosen(made, job)
    signature = Provenance(
        "qwen-layered",
        prompt=text.prompt or None,
        weights=source.weights,
        revision=source.revision or None,
    )
    layers = [replace(layer, provenance=signature) for layer in named(layers, working)]
    if text.is_caption:
        notes.append("The prompt was written by the model's own captioner.")
    return Document(
        job.picture.extent,
        _finished(layers, working, job),
        icc_profile=job.picture.icc_profile,
        dpi=job.picture.dpi,
        notes=(*notes, chosen.layout.remark),
        metadata={"caption": text.prompt} if text.is_caption else {},
    )


def _text(chosen: Plan, image: Image.Image, job: Job) -> Text:
    request, settings = job.request, job.request.settings
    job.step("reading the text encoder", _READ)
    prompt = ", ".join(text.strip() for text in request.prompts if text.strip())
    working = chosen.layout.working
    return text_for(
        chosen,
        job.runtime,
        prompt,
        lambda: image.resize((working.width, working.height), Image.Resampling.LANCZOS),
        request.source_sha256 or "",
        english=settings.flag("use_en_prompt"),
        guided=settings.number("guidance") > 1,
        watch=lambda share: job.step("captioning", _READ + (_CAPTIONED - _READ) * share),
    )


def _sampled(chosen: Plan, text: Text, image: Image.Image, side: int, job: Job) -> Sequence[Layer]:
    """Layers at the working size; frame 0, the network's copy of the picture, is none of them."""
    settings = job.request.settings
    job.step("reading the transformer", _CAPTIONED)
    negative = text.negative
    with opened(chosen, job.runtime, "layers") as pipeline:
        job.step("loaded", _LOADED)
        # Offloaded, the autoencoder would push the transformer off the GPU at every step.
        is_shown = job.runtime.previews and chosen.layout.placement != "offloaded"
        watcher = StepWatcher(
            progress=job.progress,
            cancel=job.cancel,
            span=(_LOADED, _SAMPLED),
            preview=previewer(pipeline, chosen.layout.working, job.layers) if is_shown else None,
        )
        made = pipeline(
            image,
            prompt_embeds=text.positive.embeds,
            prompt_embeds_mask=text.positive.mask,
            negative_prompt_embeds=None if negative is None else negative.embeds,
            negative_prompt_embeds_mask=None if negative is None else negative.mask,
            true_cfg_scale=settings.number("guidance"),
            layers=job.layers,
            num_inference_steps=settings.whole("steps"),
            generator=seeded_generators(job.request.seed or 0, 1),
            callback_on_step_end=watcher,
            resolution=side,
            cfg_normalize=settings.flag("cfg_normalize"),
            cancel=job.cancel,
        )
    job.step("decoded", _DECODED)
    assert isinstance(made, LayerStackOutput)
    return made.documents[0].layers


def _chosen(layers: Sequence[Layer], job: Job) -> tuple[list[Layer], list[str]]:
    """Those that hold something, and a note where that are fewer than were asked for."""
    if job.request.layers == "auto":
        kept = tidied(layers)
        why = "an estimate from the picture"
    else:
        kept = without_empty(layers)
        why = "as wanted"
    if len(kept) == len(layers):
        return kept, []
    rest = "hold something of their own" if len(kept) != 1 else "holds something of its own"
    return kept, [f"{len(layers)} layers were asked of the network, {why}; {len(kept)} {rest}."]


def _finished(layers: Sequence[Layer], working: Extent, job: Job) -> tuple[Layer, ...]:
    """At the picture's size; where ``exact``, with its own pixels where they are in full view."""
    large = []
    for layer in layers:
        job.step("enlarging", _DECODED)
        large.append(at_full_size(layer, working, job.picture).cropped_to_content())
    if job.request.exact:
        large = list(snapped(large, job.picture))
        job.step("recomposition", 0.98)
        large = list(make_exact(large, job.picture.pixels))
    return tuple(layer for layer in large if not layer.is_empty) or tuple(large[:1])
