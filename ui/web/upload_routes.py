"""Uploads and samples over the wire."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import FileResponse, Response
from starlette.concurrency import run_in_threadpool

from layerstudio.ui.web.bodies import fields_of
from layerstudio.ui.web.multipart import Part, file_of
from layerstudio.ui.web.samples import SAMPLES, sample
from layerstudio.ui.web.sessions import Session, current_session
from layerstudio.ui.web.uploads import Incoming

router = APIRouter(prefix="/studio")
Own = Annotated[Session, Depends(current_session)]
_BUFFER = 2**20  # bytes that go to the disk at once
_FOREVER = {"Cache-Control": "private, max-age=31536000, immutable"}


@router.post("/upload")
async def upload(request: Request, session: Own) -> dict[str, Any]:
    """Take one file, as it streams."""
    with session.uploads.incoming() as incoming:
        name = await _stored(file_of(request), incoming)
        made = await run_in_threadpool(session.uploads.add, incoming, name)
    return {"upload": made.view()}


@router.get("/upload/{upload_id}.png")
def thumbnail(upload_id: str, session: Own) -> Response:
    """A small picture of an upload."""
    return Response(session.uploads.thumbnail(upload_id), media_type="image/png", headers=_FOREVER)


@router.get("/samples")
def samples() -> dict[str, Any]:
    """The pictures that ship with the studio."""
    return {"samples": [it.view() for it in SAMPLES]}


@router.get("/sample/{sample_id}")
def sample_picture(sample_id: str) -> FileResponse:
    """One of them, whole."""
    return FileResponse(sample(sample_id).path, headers={"Cache-Control": "no-cache"})


@router.post("/sample")
async def use_sample(request: Request, session: Own) -> dict[str, Any]:
    """A copy of one as an upload of the session."""
    chosen = sample((await fields_of(request)).text("id"))
    made = await run_in_threadpool(session.uploads.copy_of, chosen.path, chosen.file)
    return {"upload": made.view()}


async def _stored(parts: AsyncIterator[Part], incoming: Incoming) -> str:
    """Write the pieces of a file, some at once; the name that it came with."""
    name, waiting = "", bytearray()
    async for part in parts:
        name = part.name
        waiting += part.data
        if len(waiting) >= _BUFFER:
            await run_in_threadpool(incoming.write, bytes(waiting))
            waiting.clear()
    await run_in_threadpool(incoming.write, bytes(waiting))
    return name
