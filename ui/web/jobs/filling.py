"""``fill``: what is behind layers, made up in the layer below from what is around it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.ndimage import distance_transform_edt

from layerstudio.color import Pixels
from layerstudio.document import Document, Layer, NodePath
from layerstudio.edits import Edited
from layerstudio.edits.paths import normalised
from layerstudio.picture import Picture
from layerstudio.pipelines.stages.api_inpaint import inpaint
from layerstudio.pipelines.stages.contracts import Mask
from layerstudio.pipelines.stages.preferring import AUTO, preferred
from layerstudio.progress import CancelToken, ProgressCallback
from layerstudio.ui.web.bodies import Fields, path_of
from layerstudio.ui.web.jobs.behind import Hole, behind, hidden_by
from layerstudio.ui.web.jobs.context import Context, layer_at
from layerstudio.ui.web.jobs.estimates import Measure
from layerstudio.ui.web.jobs.job import Job, JobResult
from layerstudio.ui.web.jobs.placing import place_of

_SURROUNDINGS = 96  # pixels around what is filled that the completer looks at


def start(context: Context, body: Fields) -> Job:
    """``paths`` (or ``path``) are the layers in front; the next one below that goes on around them
    is filled.

    Raises ``InvalidRequest`` for a path to nothing and an unknown completer.
    """
    body.only(("kind", "path", "paths", "completer", "prompt", "seed"))
    document = context.document
    paths = normalised(document, _paths(body))
    completer = preferred("complete", body.text("completer")) if body.has("completer") else AUTO
    prompt, seed = body.text("prompt", ""), body.seed()
    title = document.at(paths[0]).name

    def work(progress: ProgressCallback, cancel: CancelToken) -> JobResult:
        hole, target = _target(document, paths)
        place = hole.bounds.padded(_SURROUNDINGS).intersection(target.bounds)
        region = place.relative_to(target.bounds).slices
        piece, mask = target.pixels[region], hole.within(place)
        made = inpaint(
            Picture(piece, icc_profile=document.icc_profile),
            _picture_of(mask),
            prompt=prompt,
            completer=completer,
            seed=seed,
            runtime=context.runtime,
            limits=context.options.limits,
            progress=progress,
            cancel=cancel,
        )
        filled = target.pixels.copy()
        filled[region] = _with_nearest_alpha(made.pixels, piece, mask)
        cancel.check()
        _apply(context, target, filled)
        return JobResult(document=True, notes=made.notes)

    size = sum(document.at(path).bounds.area for path in paths) / 1e6
    return context.submit("fill", title, work, measure=Measure(f"fill/{completer}", size))


def _paths(body: Fields) -> tuple[NodePath, ...]:
    return body.paths() if body.has("paths") else (path_of(body.text("path")),)


def _target(document: Document, paths: tuple[NodePath, ...]) -> tuple[Hole, Layer]:
    """Raises ``InvalidRequest`` where nothing lies below, or what does is locked."""
    hole = hidden_by(document, paths)
    return hole, layer_at(document, behind(document, paths, hole))


def _picture_of(mask: Mask) -> Picture:
    """White on black."""
    pixels = np.zeros((*mask.shape, 4), np.uint8)
    pixels[mask] = 255
    pixels[..., 3] = 255
    return Picture(pixels)


def _with_nearest_alpha(filled: Pixels, before: Pixels, mask: Mask) -> Pixels:
    """``filled`` with the alpha of what is nearest around: a layer that ends behind another stays
    as large as it was."""
    nearest = distance_transform_edt(mask, return_distances=False, return_indices=True)
    rows, columns = np.asarray(nearest)
    pixels = filled.copy()
    pixels[mask, 3] = before[rows, columns, 3][mask]
    return pixels


def _apply(context: Context, target: Layer, filled: Pixels) -> None:
    with context.studio.lock:
        now = context.document
        place = place_of(now, target)
        changed = replace(place.layer, pixels=filled)
        context.studio.apply(
            Edited(now.replaced(place.path, changed), context.studio.selection),
            label=f"Filled {target.name}",
            label_key="history.fill",
        )
