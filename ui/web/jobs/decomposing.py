"""``decompose``: a picture taken apart becomes the session's document."""

from __future__ import annotations

import numpy as np

from layerstudio.color import to_depth
from layerstudio.errors import InvalidRequest
from layerstudio.geometry import Extent
from layerstudio.picture import Picture
from layerstudio.pipelines.api import decompose
from layerstudio.pipelines.methods import DEFAULT_DECOMPOSE, card_of
from layerstudio.progress import CancelToken, Progress, ProgressCallback
from layerstudio.requests import DecomposeRequest
from layerstudio.settings import resolve
from layerstudio.ui.web.bodies import Fields
from layerstudio.ui.web.jobs.context import Context
from layerstudio.ui.web.jobs.estimates import Measure
from layerstudio.ui.web.jobs.job import Job, JobResult, small
from layerstudio.ui.web.jobs.opening import picture_of, stem_of
from layerstudio.ui.web.jobs.requests import decompose_request

OWN_SOURCE = "source"  # instead of an upload: the picture that the document was made from


def start(context: Context, body: Fields) -> Job:
    """Raises ``InvalidRequest`` for a request that the method cannot fulfil, ``NotFound`` for an
    unknown upload."""
    body.only(("kind", "upload", "request"))
    request = decompose_request(body.any("request", {}), context.options)
    check_decompose(request)
    named = body.text("upload")
    if named == OWN_SOURCE:
        own = context.studio.source
        if own is None:
            raise InvalidRequest(
                "The document was not made from a picture.", advice="Choose a picture."
            )
        picture, name, extent = own, own.source or "picture", own.extent
    else:
        upload = context.session.uploads.get(named)
        picture, name, extent = upload, upload.name, upload.extent
    request.check_against(extent)

    def work(progress: ProgressCallback, cancel: CancelToken) -> JobResult:
        progress(Progress("reading", 0.0))
        given = picture
        read = given if isinstance(given, Picture) else picture_of(given, context.options.limits)
        shown = small(
            np.asarray(to_depth(read.pixels, np.uint8), np.uint8)
        )  # until the method shows more
        progress(Progress("reading", 0.0, shown))
        document = decompose(
            read,
            request,
            runtime=context.runtime,
            limits=context.options.limits,
            progress=progress,
            cancel=cancel,
        )
        cancel.check()
        context.studio.open(
            document,
            name=stem_of(name),
            source=read,
            label=f"Took {name} apart",
            label_key="history.decompose",
        )
        return JobResult(document=True, notes=document.notes)

    return context.submit("decompose", name, work, measure=decompose_measure(request, extent))


def check_decompose(request: DecomposeRequest) -> None:
    """Raise ``InvalidRequest`` for an unknown method or setting, before anything waits."""
    card = card_of(request.method or DEFAULT_DECOMPOSE, "decompose")
    resolve(card.settings, request.settings, card.id)


def decompose_measure(request: DecomposeRequest, extent: Extent) -> Measure:
    """What runs of this kind are compared by."""
    return Measure(f"decompose/{request.method or DEFAULT_DECOMPOSE}", extent.pixel_count / 1e6)
