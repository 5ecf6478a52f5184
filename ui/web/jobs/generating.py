"""``generate``: layers made from text become the session's document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from layerstudio.errors import InvalidRequest
from layerstudio.generate_request import INPUT_ROLES, GenerateRequest, InputRole
from layerstudio.geometry import Extent
from layerstudio.io.picture import PictureSource
from layerstudio.pipelines.generating import generate
from layerstudio.pipelines.methods import DEFAULT_GENERATE, card_of
from layerstudio.pipelines.recording import title_of
from layerstudio.progress import CancelToken, ProgressCallback
from layerstudio.settings import resolve
from layerstudio.ui.web.bodies import Fields
from layerstudio.ui.web.jobs.context import Context
from layerstudio.ui.web.jobs.estimates import Measure
from layerstudio.ui.web.jobs.job import Job, JobResult
from layerstudio.ui.web.jobs.opening import picture_of
from layerstudio.ui.web.jobs.requests import generate_request
from layerstudio.ui.web.uploads import Upload

_USUAL = Extent(1024, 1024)  # what a run without a size is counted as


def start(context: Context, body: Fields) -> Job:
    """Raises ``InvalidRequest`` for a request that the method cannot fulfil, ``NotFound`` for an
    unknown upload."""
    body.only(("kind", "request", "inputs"))
    request = generate_request(body.any("request", {}), context.options)
    check_generate(request)
    uploads = _uploads(context, body.any("inputs", {}))
    title = title_of(None, request.prompt or ", ".join(request.foregrounds)).get("title", "picture")

    def work(progress: ProgressCallback, cancel: CancelToken) -> JobResult:
        limits = context.options.limits
        pictures: dict[InputRole, PictureSource] = {}
        for role, upload in uploads.items():
            picture = picture_of(upload, limits)
            context.queue.of(context.session).inputs[picture.sha256] = upload.id
            pictures[role] = picture
        documents = generate(
            request,
            pictures,
            runtime=context.runtime,
            limits=limits,
            progress=progress,
            cancel=cancel,
        )
        cancel.check()
        for number, document in enumerate(documents, 1):
            of = f" ({number} of {len(documents)})" if len(documents) > 1 else ""
            context.studio.open(
                document,
                name=title,
                source=None,
                label=f"Made {title}{of}",
                label_key="history.generate",
            )
        notes = dict.fromkeys(note for document in documents for note in document.notes)
        return JobResult(document=True, notes=tuple(notes))

    return context.submit("generate", title, work, measure=generate_measure(request))


def check_generate(request: GenerateRequest) -> None:
    """Raise ``InvalidRequest`` for an unknown method or setting, before anything waits."""
    card = card_of(request.method or DEFAULT_GENERATE, "generate")
    resolve(card.settings, request.settings, card.id)


def generate_measure(request: GenerateRequest) -> Measure:
    """What runs of this kind are compared by: method, mode, steps; size is megapixels of all."""
    method = request.method or DEFAULT_GENERATE
    card = card_of(method, "generate")
    mode = request.mode or next(iter(card.modes), "")
    pixels = (request.extent or _USUAL).pixel_count
    key = f"generate/{method}/{mode}/{request.steps or ''}"
    return Measure(key, pixels * request.count / 1e6)


def _uploads(context: Context, given: Any) -> dict[InputRole, Upload]:
    if not isinstance(given, Mapping):
        raise InvalidRequest("Inputs are uploads by role.")
    unknown = sorted(set(map(str, given)) - set(INPUT_ROLES))
    if unknown:
        raise InvalidRequest(
            f"There is no input {unknown[0][:40]!r}.", advice=f"Known: {', '.join(INPUT_ROLES)}."
        )
    return {
        role: context.session.uploads.get(str(given[role])) for role in INPUT_ROLES if role in given
    }
