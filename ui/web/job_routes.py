"""Jobs over the wire: starting, cancelling, previews, files, and the events of a session."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import FileResponse, Response, StreamingResponse
from starlette.concurrency import run_in_threadpool

from layerstudio.ui.web.bodies import fields_of
from layerstudio.ui.web.errors_json import NotFound
from layerstudio.ui.web.events import CLOSED
from layerstudio.ui.web.jobs import kinds
from layerstudio.ui.web.jobs.context import Context
from layerstudio.ui.web.jobs.job import Job
from layerstudio.ui.web.jobs.job_list import JobList
from layerstudio.ui.web.jobs.queue import JobQueue
from layerstudio.ui.web.sessions import Session, current_session

router = APIRouter(prefix="/studio")
Own = Annotated[Session, Depends(current_session)]
_PING_S = 15.0  # proxies close connections on which nothing comes
_WAITING = 256  # events that a slow page may be behind; then it starts anew
_NO_STORE = {"Cache-Control": "private, no-store"}
_STREAM = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def _queue(request: Request) -> JobQueue:
    return request.app.state.jobs


def _own_jobs(request: Request, session: Own) -> JobList:
    return _queue(request).of(session)


Jobs = Annotated[JobList, Depends(_own_jobs)]


@router.get("/jobs")
def jobs(own: Jobs) -> dict[str, Any]:
    """The session's jobs in the order in which they were started."""
    return {"jobs": own.views()}


@router.post("/jobs")
async def start(request: Request, session: Own) -> dict[str, Any]:
    """Start a job."""
    fields = await fields_of(request)
    queue = _queue(request)
    context = Context(session, queue, request.app.state.options)
    job = await run_in_threadpool(kinds.start, context, fields)
    return {"job": queue.view(job)}


@router.post("/jobs/{job_id}/cancel")
async def cancel(job_id: str, request: Request, session: Own) -> dict[str, Any]:
    await fields_of(request)
    queue = _queue(request)
    return {"job": queue.view(queue.cancel(session, job_id))}


@router.post("/jobs/{job_id}/dismiss")
async def dismiss(job_id: str, request: Request, session: Own) -> dict[str, Any]:
    """Forget a job that is over, with its files."""
    await fields_of(request)
    queue = _queue(request)
    await run_in_threadpool(queue.dismiss, session, job_id)
    return {"jobs": queue.of(session).views()}


@router.get("/jobs/{job_id}/preview.png")
def preview(job_id: str, own: Jobs) -> Response:
    """What a running job shows of its work, at most 512 pixels a side."""
    png = own.get(job_id).preview_png()
    if png is None:
        raise NotFound("The job shows nothing now.")
    return Response(png, media_type="image/png", headers=_NO_STORE)


@router.get("/jobs/{job_id}/files/{number}/{name}")
def file(job_id: str, number: int, name: str, own: Jobs) -> FileResponse:
    """A file that a job made. It is found by its number; the name is for people."""
    found = _files(own.get(job_id))
    if not 0 <= number < len(found) or found[number].name != name:
        raise NotFound("The job made no such file.")
    path = found[number].path
    if not path.is_file():
        raise NotFound("The file is not there any more.", advice="Export again.")
    return FileResponse(
        path, media_type="application/octet-stream", filename=name, headers=_NO_STORE
    )


@router.get("/events")
async def events(session: Own) -> StreamingResponse:
    """Server-sent events: ``job``, ``document`` and ``ping``, until the session ends."""
    return StreamingResponse(_stream(session), media_type="text/event-stream", headers=_STREAM)


async def _stream(session: Session) -> AsyncIterator[str]:
    loop = asyncio.get_running_loop()
    waiting: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue(_WAITING)

    def put(name: str, data: dict[str, Any]) -> None:
        if waiting.full():  # the page is told to begin anew by the end of its connection
            name, data = CLOSED, {}
            waiting.get_nowait()
        waiting.put_nowait((name, data))

    def hear(name: str, data: dict[str, Any]) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(put, name, data)

    stop = session.events.subscribe(hear)
    try:
        yield _event("ping", {})  # so that the browser knows at once that it is connected
        while True:
            try:
                name, data = await asyncio.wait_for(waiting.get(), _PING_S)
            except TimeoutError:
                name, data = "ping", {}
            if name == CLOSED:
                return
            yield _event(name, data)
    finally:
        stop()


def _event(name: str, data: dict[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"


def _files(job: Job) -> tuple[Any, ...]:
    return () if job.result is None else job.result.files
