"""Editing over the wire: state, commands, history, selection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from layerstudio.edits import dotted
from layerstudio.errors import InvalidRequest
from layerstudio.io.limits import Limits
from layerstudio.ui.web.bodies import Fields, fields_of
from layerstudio.ui.web.commands import command
from layerstudio.ui.web.edit_limits import within
from layerstudio.ui.web.errors_json import StaleRevision, error_response
from layerstudio.ui.web.options import WebOptions
from layerstudio.ui.web.sessions import Session, current_session
from layerstudio.ui.web.studio import Change
from layerstudio.ui.web.views import document_view

router = APIRouter(prefix="/studio")
Own = Annotated[Session, Depends(current_session)]
_NO_STORE = {"Cache-Control": "no-store"}
_MERGE_LENGTH = 100


@router.get("/state")
def state(request: Request, session: Own) -> JSONResponse:
    """All that a page needs when it is loaded."""
    return JSONResponse(_state(request, session), headers=_NO_STORE)


@router.post("/edit")
async def edit(request: Request, session: Own) -> JSONResponse:
    """Apply one command to the document."""
    fields = await fields_of(request)
    fields.only(("revision", "command", "paths", "args", "merge"))
    options: WebOptions = request.app.state.options
    return await _answered(session, lambda: _edited(session, fields, options.limits))


@router.post("/undo")
async def undo(request: Request, session: Own) -> JSONResponse:
    await fields_of(request)
    return await _answered(session, session.studio.undo)


@router.post("/redo")
async def redo(request: Request, session: Own) -> JSONResponse:
    await fields_of(request)
    return await _answered(session, session.studio.redo)


@router.post("/history")
async def history(request: Request, session: Own) -> JSONResponse:
    """Show an entry of the history."""
    index = (await fields_of(request)).whole("index")
    return await _answered(session, lambda: session.studio.jump(index))


@router.post("/select")
async def select(request: Request, session: Own) -> dict[str, Any]:
    paths = (await fields_of(request)).paths()
    selection = await run_in_threadpool(session.studio.select, paths)
    return {"selection": [dotted(path) for path in selection]}


@router.post("/solo")
async def solo(request: Request, session: Own) -> JSONResponse:
    """Show nodes alone, or with no paths all again."""
    paths = (await fields_of(request)).paths()
    return await _answered(session, lambda: session.studio.solo(paths))


@router.post("/close")
async def close(request: Request, session: Own) -> dict[str, Any]:
    """Close the document and forget its history."""
    await fields_of(request)
    await run_in_threadpool(session.studio.close)
    return await run_in_threadpool(_state, request, session)


def _edited(session: Session, fields: Fields, limits: Limits) -> Change:
    row = command(fields.text("command"))
    arguments = fields.object("args", {})
    merge = fields.text("merge", None)
    if merge is not None and len(merge) > _MERGE_LENGTH:
        raise InvalidRequest(f"A merge key has at most {_MERGE_LENGTH} characters.")
    label = row.label_for(arguments)
    return session.studio.edit(
        within(row.bound(arguments), limits),
        fields.paths("paths", []),
        label=label.text,
        label_key=label.key,
        merge=merge,
        starts_again=row.starts_again,
        base_revision=fields.whole("revision"),
    )


async def _answered(session: Session, work: Callable[[], Change]) -> JSONResponse:
    """``work`` in a thread of its own, and what it changed; a stale edit gets the document too."""

    def answer() -> JSONResponse:
        try:
            change = work()
        except StaleRevision as error:
            return error_response(error, document=_document(session))
        view = document_view(change.moment, session.studio.viewer)
        return JSONResponse({"document": view, "dirty": list(change.dirty)})

    return await run_in_threadpool(answer)


def _document(session: Session) -> dict[str, Any] | None:
    return document_view(session.studio.moment, session.studio.viewer)


def _state(request: Request, session: Session) -> dict[str, Any]:
    options: WebOptions = request.app.state.options
    return {
        "document": _document(session),
        "jobs": [] if session.jobs is None else session.jobs.views(),
        "limits": {
            "max_pixels": options.max_pixels,
            "max_upload_bytes": options.max_upload_bytes,
        },
        "user": session.user,
    }
