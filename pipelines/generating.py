"""One generation from request to documents: what happens before and after every method."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from layerstudio.document import Document, Provenance
from layerstudio.errors import InvalidRequest
from layerstudio.generate_request import (
    INPUT_ROLES,
    GenerateRequest,
    InputDocument,
    InputPicture,
    InputRole,
)
from layerstudio.io.limits import DEFAULT_LIMITS, Limits
from layerstudio.io.picture import PictureSource, read_picture
from layerstudio.picture import Picture
from layerstudio.pipelines.fingerprints import fingerprints_of, remarks
from layerstudio.pipelines.methods import DEFAULT_GENERATE, card_of, load_generator
from layerstudio.pipelines.needs import missing
from layerstudio.pipelines.recording import signed, title_of
from layerstudio.pipelines.runtime import Runtime
from layerstudio.pipelines.studio.fallback import NOTE, understands
from layerstudio.progress import CancelToken, Progress, ProgressCallback, ignore_progress
from layerstudio.settings import resolve


def generate(
    request: GenerateRequest,
    pictures: Mapping[InputRole, PictureSource] | None = None,
    *,
    runtime: Runtime | None = None,
    limits: Limits | None = None,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
) -> tuple[Document, ...]:
    """Read, check, run the method of ``request``, and record what made each document.

    ``pictures`` replace the inputs of ``request`` that have the same role; the others are read
    from their paths. Each document remembers the request that makes it alone: ``count`` 1 and its
    own seed. Raises ``UnreadableFile``, ``InvalidRequest`` (also for an input that is no longer
    the picture whose hash was recorded), ``MissingWeights``, ``MismatchedWeights``,
    ``NumericalFailure``, ``OutOfMemory``, ``Cancelled``.
    """
    progress = progress or ignore_progress
    cancel = cancel or CancelToken()
    cancel.check()
    found = _read(request, pictures or {}, limits or DEFAULT_LIMITS)
    wanted = request.method or _default(request)
    method = load_generator(wanted)
    settings = resolve(method.card.settings, request.settings, method.card.id)
    described = replace(request, inputs=_described(found), settings=settings)
    resolved = method.resolve(described, found)
    resolved = replace(resolved, fingerprints=fingerprints_of(resolved))
    cancel.check()
    documents = method.run(
        resolved, found, runtime=runtime or Runtime(), progress=progress, cancel=cancel
    )
    cancel.check()
    stands_in = () if request.method or wanted == DEFAULT_GENERATE else (NOTE,)
    assert len(documents) == resolved.count, (len(documents), resolved.count)
    finished = tuple(
        _recorded(
            replace(document, notes=(*document.notes, *remarks(request, resolved), *stands_in)),
            replace(resolved, count=1, seed=(resolved.seed or 0) + index),
        )
        for index, document in enumerate(documents)
    )
    progress(Progress("done", 1.0))
    return finished


def _default(request: GenerateRequest) -> str:
    """The default method, or the built-in model where that one's weights are not here and the
    model knows every word."""
    if missing(card_of(DEFAULT_GENERATE, "generate").needs) and understands(request):
        return "studio"
    return DEFAULT_GENERATE


def require_same(picture: Picture, sha256: str, what: str) -> None:
    """Raise ``InvalidRequest`` unless ``picture`` is the one with that hash ("" fits any)."""
    if sha256 and picture.sha256 != sha256:
        raise InvalidRequest(
            f"{what} is not the picture that this recipe was made with: its pixels differ.",
            advice="Give the picture as it was, or give another one explicitly.",
        )


def require_same_document(document: InputDocument, sha256: str) -> None:
    """Raise ``InvalidRequest`` unless that is the hash recorded ("" fits any)."""
    if document.sha256 and document.sha256 != sha256:
        raise InvalidRequest(
            f"{document.source!r} is not the document that this recipe was made with.",
            advice="Give the file as it was, or another one with sha256 left empty.",
        )


def _read(
    request: GenerateRequest, pictures: Mapping[InputRole, PictureSource], limits: Limits
) -> dict[InputRole, Picture]:
    for role in pictures:
        InputPicture(role=role)
    found: dict[InputRole, Picture] = {}
    for role in INPUT_ROLES:
        recorded = request.input(role)
        if role in pictures:
            found[role] = read_picture(pictures[role], limits)
        elif recorded is not None:
            found[role] = _read_recorded(recorded, limits)
    return found


def _read_recorded(recorded: InputPicture, limits: Limits) -> Picture:
    if not recorded.source:
        raise InvalidRequest(
            f"This recipe starts from a picture ({recorded.role}) that was not a file.",
            advice="Give the same picture again.",
        )
    picture = read_picture(recorded.source, limits)
    require_same(picture, recorded.sha256, repr(recorded.source))
    return picture


def _described(pictures: Mapping[InputRole, Picture]) -> tuple[InputPicture, ...]:
    return tuple(
        InputPicture(role=role, source=picture.source or "", sha256=picture.sha256)
        for role, picture in pictures.items()
    )


def _recorded(document: Document, request: GenerateRequest) -> Document:
    made_by = Provenance(method=request.method or "", seed=request.seed, prompt=request.prompt)
    """What a method settled only while it ran (a layout) is in its document's request already."""
    text = request.prompt or ", ".join(request.foregrounds)
    return replace(
        signed(document, lambda known: known or made_by),
        metadata={**title_of(None, text), **document.metadata},
        request=document.request or request.to_dict(),
    )
