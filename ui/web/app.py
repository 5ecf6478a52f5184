"""The application: our routes, Gradio's page behind them, and what stands before both."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool

from layerstudio.ui.web import (
    editing_routes,
    errors_json,
    job_routes,
    method_routes,
    page,
    render_routes,
    static,
    upload_routes,
)
from layerstudio.ui.web.guard import Guard
from layerstudio.ui.web.jobs.queue import JobQueue
from layerstudio.ui.web.login import LoginGate
from layerstudio.ui.web.options import WebOptions
from layerstudio.ui.web.page_policy import PagePolicy
from layerstudio.ui.web.sessions import SessionCookies, Sessions
from layerstudio.ui.web.turns import Turns

_SWEEP_S = 60.0


def create_app(options: WebOptions) -> FastAPI:
    """A studio, ready to be served; ``app.state`` has ``options``, ``sessions`` and ``jobs``."""
    app = FastAPI(lifespan=_life, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.options = options
    app.state.sessions = sessions = Sessions(options)
    app.state.jobs = jobs = JobQueue()
    sessions.on_open.append(jobs.of)
    sessions.on_close.append(lambda session: jobs.forget(session.id))
    errors_json.install(app)
    parts = (editing_routes, render_routes, upload_routes, job_routes, method_routes, static)
    for part in parts:
        app.include_router(part.router)
    app.include_router(errors_json.unknown("/studio"))  # else it would be Gradio's to answer
    page.mount(app, options)
    # The last one added sees a request first.
    app.add_middleware(errors_json.Boundary)
    app.add_middleware(PagePolicy)
    app.add_middleware(Turns, sessions=sessions)
    app.add_middleware(SessionCookies, sessions=sessions)
    app.add_middleware(LoginGate, options=options)
    app.add_middleware(Guard, options=options)
    return app


@contextlib.asynccontextmanager
async def _life(app: FastAPI) -> AsyncIterator[None]:
    """From the first request to the last: idle sessions go, and in the end all of them."""
    sweeping = asyncio.create_task(_sweep(app.state.sessions))
    try:
        yield
    finally:
        sweeping.cancel()
        await run_in_threadpool(app.state.jobs.close)
        await run_in_threadpool(app.state.sessions.close_all)


async def _sweep(sessions: Sessions) -> None:
    while True:
        await asyncio.sleep(_SWEEP_S)
        await run_in_threadpool(sessions.sweep)
