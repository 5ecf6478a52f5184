"""``matte``: the outline of a layer found anew, with soft edges and the colours of its own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from layerstudio.color import to_depth
from layerstudio.composite import composite_pixels
from layerstudio.document import BlendMode, Document, Layer, NodePath
from layerstudio.edits import Edited
from layerstudio.errors import InvalidRequest
from layerstudio.geometry import Bounds
from layerstudio.picture import Picture
from layerstudio.pipelines.stages.api_matte import MatteStages, matte
from layerstudio.pipelines.stages.given_masks import Shown
from layerstudio.pipelines.stages.preferring import AUTO, preferred
from layerstudio.progress import CancelToken, ProgressCallback
from layerstudio.requests import box_of
from layerstudio.ui.web.bodies import Fields, path_of
from layerstudio.ui.web.jobs.context import Context
from layerstudio.ui.web.jobs.estimates import Measure
from layerstudio.ui.web.jobs.job import Job, JobResult
from layerstudio.ui.web.jobs.placing import place_of

_LEAST_MARGIN = 32  # pixels of surroundings, without which no outline can be told
_MARGIN_SHARE = 0.25  # of the layer's longer side
# Mean difference (of 255) between a layer's opaque pixels and the picture below which the layer
# counts as a piece of it that lies where it was.
_LIKE_SOURCE = 3.0


def start(context: Context, body: Fields) -> Job:
    """``box`` (canvas pixels) says where the object is, instead of the layer's present outline.

    Raises ``InvalidRequest`` for a group, an empty or locked layer, and an unknown matter.
    """
    body.only(("kind", "path", "matter", "box"))
    path = path_of(body.text("path"))
    matter = preferred("matte", body.text("matter")) if body.has("matter") else AUTO
    document, layer = context.document, context.layer(path)
    box = box_of(body.items("box")) if body.has("box") else None
    around = _around(layer.bounds if box is None else box, document)
    source = context.studio.source

    def work(progress: ProgressCallback, cancel: CancelToken) -> JobResult:
        made = matte(
            _seen(document, path, layer, source, around),
            _shown(layer, box, around),
            MatteStages(matter=matter),
            runtime=context.runtime,
            limits=context.options.limits,
            progress=progress,
            cancel=cancel,
        )
        if not made.layers:
            raise InvalidRequest(
                f"Nothing was found that stands in front in {layer.name!r}.",
                advice="Draw a box around the object, or choose another matte.",
            )
        cancel.check()
        _apply(context, layer, made.layers[-1].moved(around.x, around.y))
        return JobResult(document=True)

    measure = Measure(f"matte/{matter}", around.area / 1e6)
    return context.submit("matte", layer.name, work, measure=measure)


def _around(place: Bounds, document: Document) -> Bounds:
    """A place with surroundings, on the canvas; raises ``InvalidRequest`` off the canvas."""
    margin = max(_LEAST_MARGIN, round(_MARGIN_SHARE * max(place.extent)))
    around = place.padded(margin).clamped(document.extent)
    if place.clamped(document.extent).is_empty:
        raise InvalidRequest("The layer does not show on the canvas.")
    return around


def _seen(
    document: Document, path: NodePath, layer: Layer, source: Picture | None, around: Bounds
) -> Picture:
    """What the layer was cut from: the document's own picture while the layer lies where it was
    in it, else the layers up to this one, which is shown as it is by itself."""
    if source is not None and source.extent == document.extent and _lies_in(layer, source):
        pixels = source.pixels[around.slices]
    else:
        plain = replace(layer, visible=True, opacity=1.0, blend=BlendMode.NORMAL, clipped=False)
        pixels = composite_pixels(_up_to(document.replaced(path, plain), path), around)
    return Picture(pixels, icc_profile=document.icc_profile, dpi=document.dpi)


def _lies_in(layer: Layer, source: Picture) -> bool:
    """Whether the opaque pixels of a layer are those of the picture at the same place."""
    common = layer.bounds.clamped(source.extent)
    if common.is_empty:
        return False
    own = to_depth(layer.pixels[common.relative_to(layer.bounds).slices], np.uint8)
    there = to_depth(source.pixels[common.slices], np.uint8)
    opaque = own[..., 3] == 255
    if not opaque.any():
        return False
    difference = np.abs(own[opaque, :3].astype(np.int16) - there[opaque, :3])
    return float(difference.mean()) < _LIKE_SOURCE


def _up_to(document: Document, path: NodePath) -> Document:
    """The document without what lies above a layer."""
    above = [other for other, _ in document.walk() if other > path and len(other) <= len(path)]
    for other in sorted(above, reverse=True):
        document = document.removed(other)
    return document


def _shown(layer: Layer, box: Bounds | None, around: Bounds) -> Shown:
    if box is not None:
        return Shown(box=box.relative_to(around).clamped(around.extent))
    mask = np.zeros((*around.extent.shape, 4), np.uint8)
    mask[..., 3] = 255
    common = layer.bounds.intersection(around)
    alpha = to_depth(layer.pixels[common.relative_to(layer.bounds).slices], np.uint8)[..., 3]
    mask[(*common.relative_to(around).slices, slice(0, 3))] = alpha[..., None]
    if mask[..., 0].min() > 127:
        raise InvalidRequest(
            f"The layer {layer.name!r} covers all of the canvas, so that nothing says what is in"
            " front.",
            advice="Draw a box around the object.",
        )
    return Shown(mask=Picture(mask))


def _apply(context: Context, layer: Layer, found: Layer) -> None:
    with context.studio.lock:
        now = context.document
        place = place_of(now, layer)
        changed = replace(
            place.layer,
            bounds=found.bounds.moved(place.dx, place.dy),
            pixels=found.pixels,
        )
        context.studio.apply(
            Edited(now.replaced(place.path, changed), (place.path,)),
            label=f"Matte of {layer.name}",
            label_key="history.matte",
        )
