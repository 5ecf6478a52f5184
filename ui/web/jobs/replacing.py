"""``replace``: something else, made from a prompt, in the place of a layer."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from layerstudio.color import Pixels, premultiply, to_depth, to_float, unpremultiply
from layerstudio.composite import composite_pixels
from layerstudio.document import Document, Layer, Provenance
from layerstudio.edits import Edited
from layerstudio.errors import InvalidRequest
from layerstudio.generate_request import MAX_SIDE, MIN_SIDE, GenerateRequest
from layerstudio.geometry import Bounds, Extent
from layerstudio.pipelines.generating import generate
from layerstudio.pipelines.methods import DEFAULT_GENERATE, load_generator
from layerstudio.pipelines.needs import require
from layerstudio.progress import CancelToken, ProgressCallback
from layerstudio.ui.web.bodies import Fields, path_of
from layerstudio.ui.web.jobs.context import Context
from layerstudio.ui.web.jobs.generating import check_generate, generate_measure
from layerstudio.ui.web.jobs.job import Job, JobResult
from layerstudio.ui.web.jobs.placing import place_of
from layerstudio.ui.web.jobs.requests import generate_request

_MULTIPLE = 64  # pixels: what the generators' sizes are multiples of


def start(context: Context, body: Fields) -> Job:
    """What is made keeps its proportions and lies in the middle of the layer's box.

    Raises ``InvalidRequest`` without a prompt, and for a group and an empty or locked layer.
    """
    body.only(("kind", "path", "prompt", "method", "seed", "request"))
    path = path_of(body.text("path"))
    layer = context.layer(path)
    prompt = body.text("prompt").strip()
    if not prompt:
        raise InvalidRequest("Say what is to be there instead.")
    given = {
        "prompt": prompt,
        "method": body.text("method", None),
        "seed": body.seed(),
    }
    request = generate_request({**body.mapping("request", {}), **given}, context.options)
    check_generate(request)
    request = _shaped(request, layer.bounds.extent)

    def work(progress: ProgressCallback, cancel: CancelToken) -> JobResult:
        shaped = _shaped(request, layer.bounds.extent)
        (made,) = generate(shaped, runtime=context.runtime, progress=progress, cancel=cancel)
        cancel.check()
        _apply(context, layer, made, prompt)
        return JobResult(document=True, notes=made.notes)

    return context.submit("replace", layer.name, work, measure=generate_measure(request))


def _shaped(request: GenerateRequest, box: Extent) -> GenerateRequest:
    """With a size of the box's proportions and of as many pixels as the method's usual one.

    Raises ``MissingWeights`` where the method has none yet.
    """
    method = load_generator(request.method or DEFAULT_GENERATE)
    if request.extent is not None:
        return request
    if request.base is None:
        require(method.card.needs, f"The method {method.card.id!r}")
    usual = method.resolve(replace(request, method=method.card.id), {}).extent
    assert usual is not None, method.card.id
    scale = (usual.pixel_count / box.pixel_count) ** 0.5
    sides = (_side(length * scale, usual) for length in box)
    return replace(request, extent=Extent(*sides))


def _side(length: float, usual: Extent) -> int:
    """A multiple that generators take, at most twice the usual: strips become less narrow."""
    step = _MULTIPLE if min(usual) >= _MULTIPLE else MIN_SIDE
    least, most = max(min(usual) // 2, MIN_SIDE), min(2 * max(usual), MAX_SIDE)
    return max(round(min(max(length, least), most) / step), 1) * step


def _apply(context: Context, layer: Layer, made: Document, prompt: str) -> None:
    pixels = _content(made)
    recipe = made.request or {}
    provenance = Provenance(str(recipe.get("method", "")), recipe.get("seed"), prompt)
    with context.studio.lock:
        now = context.document
        place = place_of(now, layer)
        bounds = fitted(Extent.of(pixels), place.layer.bounds)
        changed = replace(
            place.layer,
            name=prompt[:40],
            bounds=bounds,
            pixels=resized(pixels, bounds.extent),
            mask=None,
            text=None,
            provenance=provenance,
        )
        context.studio.apply(
            Edited(now.replaced(place.path, changed), (place.path,)),
            label=f"Replaced {layer.name}",
            label_key="history.replace",
        )


def _content(made: Document) -> Pixels:
    """What a generation shows, without what is empty around it."""
    pixels = composite_pixels(made)
    content = Bounds.of_mask(pixels[..., 3] > 0)
    if content.is_empty:
        raise InvalidRequest("What was made is empty.", advice="Try another seed or prompt.")
    return pixels[content.slices]


def fitted(extent: Extent, box: Bounds) -> Bounds:
    """The largest rectangle of an extent's proportions in the middle of a box, at least a pixel."""
    scale = min(box.width / extent.width, box.height / extent.height)
    width = min(max(round(extent.width * scale), 1), box.width)
    height = min(max(round(extent.height * scale), 1), box.height)
    return Bounds(
        box.x + (box.width - width) // 2, box.y + (box.height - height) // 2, width, height
    )


def resized(pixels: Pixels, extent: Extent) -> Pixels:
    """(h, w, 4) of ``extent``, colour weighed by alpha: no fringes."""
    if Extent.of(pixels) == extent:
        return pixels
    shrinks = extent.width < pixels.shape[1]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    premul = cv2.resize(premultiply(to_float(pixels)), tuple(extent), interpolation=how)
    straight = unpremultiply(np.clip(premul, 0.0, 1.0).astype(np.float32))
    return to_depth(np.clip(straight, 0.0, 1.0), pixels.dtype)
