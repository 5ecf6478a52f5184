"""The recipe found in a file, run again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from layerstudio.document import Document
from layerstudio.errors import InvalidRequest
from layerstudio.generate_request import GenerateRequest, InputRole
from layerstudio.io.files import open_document
from layerstudio.io.limits import DEFAULT_LIMITS, Limits
from layerstudio.io.picture import PictureSource, read_picture
from layerstudio.pipelines.api import decompose
from layerstudio.pipelines.generating import generate, require_same
from layerstudio.pipelines.runtime import Runtime
from layerstudio.progress import CancelToken, ProgressCallback
from layerstudio.requests import DecomposeRequest

_KINDS = {kind.task: kind for kind in (DecomposeRequest, GenerateRequest)}


def again(
    made: Document | str | Path,
    *,
    pictures: Mapping[InputRole, PictureSource] | None = None,
    runtime: Runtime | None = None,
    limits: Limits | None = None,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
    **changes: Any,
) -> tuple[Document, ...]:
    """What the recipe of ``made`` makes: the same picture, or another where ``changes`` say so.

    ``made`` is a document or the path of a layered file, ``changes`` are fields of its request.
    Pictures are read from the recorded paths, or from the same path beside the file, unless
    ``pictures`` gives them (``"image"`` is what a decomposition started from). Raises
    ``InvalidRequest`` for a document without a recipe and for a picture that changed, and
    whatever ``decompose`` and ``generate`` raise.
    """
    return run_recipe(
        recipe_of(made, changes),
        pictures,
        runtime=runtime,
        limits=limits,
        progress=progress,
        cancel=cancel,
    )


def run_recipe(
    request: DecomposeRequest | GenerateRequest,
    pictures: Mapping[InputRole, PictureSource] | None = None,
    *,
    runtime: Runtime | None = None,
    limits: Limits | None = None,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
) -> tuple[Document, ...]:
    """What a request of any task makes; see ``again``."""
    if isinstance(request, GenerateRequest):
        return generate(
            request, pictures, runtime=runtime, limits=limits, progress=progress, cancel=cancel
        )
    given = (pictures or {}).get("image")
    picture = _source_of(request, limits or DEFAULT_LIMITS) if given is None else given
    return (
        decompose(
            picture, request, runtime=runtime, limits=limits, progress=progress, cancel=cancel
        ),
    )


def recipe_of(
    made: Document | str | Path, changes: Mapping[str, Any] | None = None
) -> DecomposeRequest | GenerateRequest:
    """The request recorded in a document or layered file, with ``changes`` to its fields.

    Relative paths in it that lead nowhere from here are taken from the file's folder if they
    lead somewhere from there. Raises ``InvalidRequest`` where there is none that can be read.
    """
    document = made if isinstance(made, Document) else open_document(made)
    if document.request is None:
        what = "The document" if isinstance(made, Document) else repr(str(made))
        raise InvalidRequest(f"{what} does not say how it was made: it has no recipe.")
    kind = _KINDS.get(str(document.request.get("task")))
    if kind is None:
        raise InvalidRequest(f"There is no way to run a {document.request.get('task')!r} again.")
    fields = _changed(document.request, changes or {})
    request = kind.from_dict(fields)
    return request if isinstance(made, Document) else _found_beside(request, Path(made).parent)


def _changed(recorded: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Settings are changed one by one; those of another method are let go."""
    fields = {**recorded, **changes}
    before, given = recorded.get("settings"), changes.get("settings", {})
    if not isinstance(before, Mapping) or not isinstance(given, Mapping):
        return fields  # which the request judges
    is_same = fields.get("method") == recorded.get("method")
    return {**fields, "settings": {**before, **given} if is_same else dict(given)}


def _source_of(request: DecomposeRequest, limits: Limits) -> PictureSource:
    if not request.source:
        raise InvalidRequest(
            "This recipe starts from a picture that was not a file.",
            advice="Give the same picture again.",
        )
    picture = read_picture(request.source, limits)
    require_same(picture, request.source_sha256 or "", repr(request.source))
    return picture


def _found_beside(
    request: DecomposeRequest | GenerateRequest, folder: Path
) -> DecomposeRequest | GenerateRequest:
    if isinstance(request, DecomposeRequest):
        return replace(request, source=_found(request.source or "", folder))
    inputs = tuple(replace(item, source=_found(item.source, folder)) for item in request.inputs)
    document = request.document
    if document is not None:
        document = replace(document, source=_found(document.source, folder))
    return replace(request, inputs=inputs, document=document)


def _found(source: str, folder: Path) -> str:
    if not source or Path(source).exists() or not (folder / source).exists():
        return source
    return str(folder / source)
