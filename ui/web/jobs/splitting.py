"""``split``: a layer taken apart again, in its place."""

from __future__ import annotations

from dataclasses import fields, replace

from layerstudio.document import Group
from layerstudio.edits import Edited
from layerstudio.geometry import Extent
from layerstudio.pipelines.split import split
from layerstudio.progress import CancelToken, ProgressCallback
from layerstudio.ui.web.bodies import Fields, path_of
from layerstudio.ui.web.jobs.context import Context
from layerstudio.ui.web.jobs.decomposing import check_decompose, decompose_measure
from layerstudio.ui.web.jobs.job import Job, JobResult
from layerstudio.ui.web.jobs.placing import place_of
from layerstudio.ui.web.jobs.requests import decompose_request


def start(context: Context, body: Fields) -> Job:
    """Boxes and points of the request are in pixels from the layer's own corner.

    Raises ``InvalidRequest`` for a group, an empty or locked layer, or a request that makes no
    sense.
    """
    body.only(("kind", "path", "request"))
    path = path_of(body.text("path"))
    request = decompose_request(body.any("request", {}), context.options)
    check_decompose(request)
    document, layer = context.document, context.layer(path)
    options = {item.name: getattr(request, item.name) for item in fields(request)}

    def work(progress: ProgressCallback, cancel: CancelToken) -> JobResult:
        changed = split(
            document, path, runtime=context.runtime, progress=progress, cancel=cancel, **options
        )
        parts = changed.at(path)
        assert isinstance(parts, Group), path
        notes = changed.notes[len(document.notes) :]
        cancel.check()
        with context.studio.lock:
            now = context.document
            place = place_of(now, layer)
            group = replace(
                _like(parts, place.layer),
                children=tuple(child.moved(place.dx, place.dy) for child in parts.children),
            )
            context.studio.apply(
                Edited(now.replaced(place.path, group), (place.path,)),
                label=f"Split {layer.name}",
                label_key="history.split",
            )
        return JobResult(document=True, notes=notes)

    extent = Extent(layer.bounds.width, layer.bounds.height)
    return context.submit("split", layer.name, work, measure=decompose_measure(request, extent))


def _like(group: Group, layer: object) -> Group:
    """The group with what the layer is now called, and how it is shown now."""
    shared = ("name", "opacity", "blend", "visible", "locked", "clipped", "mask")
    return replace(group, **{name: getattr(layer, name) for name in shared})
