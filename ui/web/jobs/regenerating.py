"""``regenerate``: the recipe of the document run again, by default with another seed."""

from __future__ import annotations

from layerstudio.errors import InvalidRequest
from layerstudio.generate_request import GenerateRequest, InputRole
from layerstudio.io.picture import PictureSource
from layerstudio.picture import Picture
from layerstudio.pipelines.rerunning import recipe_of, run_recipe
from layerstudio.progress import CancelToken, ProgressCallback
from layerstudio.requests import DecomposeRequest
from layerstudio.ui.web.bodies import Fields
from layerstudio.ui.web.errors_json import NotFound
from layerstudio.ui.web.jobs.context import Context
from layerstudio.ui.web.jobs.decomposing import check_decompose, decompose_measure
from layerstudio.ui.web.jobs.estimates import Measure
from layerstudio.ui.web.jobs.generating import check_generate, generate_measure
from layerstudio.ui.web.jobs.job import Job, JobResult
from layerstudio.ui.web.jobs.opening import picture_of
from layerstudio.ui.web.uploads import Upload

_MOST = 2**31 - 1  # a seed that every method and person can read


def start(context: Context, body: Fields) -> Job:
    """``seed`` is the new one, by default the next after the recorded one.

    Raises ``InvalidRequest`` for a document without a recipe, or whose pictures are not here.
    """
    body.only(("kind", "seed"))
    request = recipe_of(context.document)
    seed = body.seed()
    request = recipe_of(
        context.document, {"seed": ((request.seed or 0) + 1) % _MOST if seed is None else seed}
    )
    snapshot = context.studio.moment.snapshot
    assert snapshot is not None, "there is a document"
    source, name = snapshot.source, snapshot.name
    given = _inputs(context, request, source)

    def work(progress: ProgressCallback, cancel: CancelToken) -> JobResult:
        limits = context.options.limits
        pictures: dict[InputRole, PictureSource] = {
            role: one if isinstance(one, Picture) else picture_of(one, limits)
            for role, one in given.items()
        }
        (made, *_) = run_recipe(
            request,
            pictures,
            runtime=context.runtime,
            limits=limits,
            progress=progress,
            cancel=cancel,
        )
        cancel.check()
        context.studio.open(
            made,
            name=name,
            source=source,
            label=f"Made {name} again",
            label_key="history.regenerate",
        )
        return JobResult(document=True, notes=made.notes)

    return context.submit("regenerate", name, work, measure=_measure(request, source))


def _inputs(
    context: Context, request: DecomposeRequest | GenerateRequest, source: Picture | None
) -> dict[InputRole, Picture | Upload]:
    """What the recipe starts from. Its paths are not looked at: they may be another machine's."""
    if isinstance(request, DecomposeRequest):
        check_decompose(request)
        if source is None:
            raise _lacking("that it was made from")
        return {"image": source}
    check_generate(request)
    if request.document is not None:
        raise _lacking("whose layers it keeps")
    known = context.queue.of(context.session).inputs
    found: dict[InputRole, Picture | Upload] = {}
    for item in request.inputs:
        try:
            found[item.role] = context.session.uploads.get(known.get(item.sha256, ""))
        except NotFound:
            raise _lacking(f"that it started from ({item.role})") from None
    return found


def _lacking(what: str) -> InvalidRequest:
    return InvalidRequest(
        f"The picture {what} is not here any more.",
        advice="Load the recipe into the form and give the picture again.",
    )


def _measure(request: DecomposeRequest | GenerateRequest, source: Picture | None) -> Measure:
    if isinstance(request, GenerateRequest):
        return generate_measure(request)
    assert source is not None, "checked before"
    return decompose_measure(request, source.extent)
