"""Errors as JSON: ``{"error": {"kind", "message", "advice"}}`` with the status that fits.

The one broad ``except`` of the studio's requests is ``Boundary``: the log gets the traceback, the
browser a sentence.
"""

from __future__ import annotations

import logging
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from layerstudio.errors import InvalidRequest, LayerStudioError, OutOfMemory

logger = logging.getLogger(__name__)


class StaleRevision(LayerStudioError):
    """An edit of a revision that is not the document's any more."""


class NotFound(LayerStudioError):
    """Something that is not there, or not this session's."""


class TooLarge(LayerStudioError):
    """A body, file or picture over the limit."""


class Unauthorised(LayerStudioError):
    """No login, or a wrong one."""


class Forbidden(LayerStudioError):
    """A request from a page, or to a host name, that is not the studio's."""


class TooManyAttempts(LayerStudioError):
    """Too many wrong logins; ``wait_s`` seconds until the next is looked at."""

    def __init__(self, message: str, *, advice: str = "", wait_s: float) -> None:
        super().__init__(message, advice=advice)
        self.wait_s = wait_s


class NoRoom(LayerStudioError):
    """The studio is full: sessions, disk."""


_STATUS: dict[type[LayerStudioError], int] = {
    Unauthorised: 401,
    Forbidden: 403,
    NotFound: 404,
    StaleRevision: 409,
    TooLarge: 413,
    TooManyAttempts: 429,
    OutOfMemory: 503,
    NoRoom: 503,
}
_OF_STATUS: dict[int, type[LayerStudioError]] = {
    code: kind for kind, code in _STATUS.items() if kind not in (TooManyAttempts, OutOfMemory)
}
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def error_json(error: LayerStudioError) -> dict[str, Any]:
    """``{"kind", "message", "advice"}`` of one error."""
    return {"kind": type(error).__name__, "message": error.message, "advice": error.advice}


def status_of(error: LayerStudioError) -> int:
    """The HTTP status of an error; 400 for what has no other."""
    return next((code for kind, code in _STATUS.items() if isinstance(error, kind)), 400)


def error_response(error: LayerStudioError, **more: Any) -> JSONResponse:
    """The answer for an error; ``more`` joins the top level of the JSON."""
    response = JSONResponse({"error": error_json(error), **more}, status_code=status_of(error))
    if isinstance(error, TooManyAttempts):
        response.headers["Retry-After"] = str(max(1, round(error.wait_s)))
    return response


def install(app: FastAPI) -> None:
    """Make ``app`` answer every error as JSON."""
    app.add_exception_handler(LayerStudioError, _known)
    app.add_exception_handler(MemoryError, _out_of_memory)
    app.add_exception_handler(RequestValidationError, _unreadable)
    app.add_exception_handler(HTTPException, _plain)


def _known(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, LayerStudioError), error
    return error_response(error)


def _out_of_memory(request: Request, error: Exception) -> JSONResponse:
    return error_response(
        OutOfMemory(
            "This needs more memory than the machine has free.",
            advice="Close what you do not need, or work on a smaller picture.",
        )
    )


def _unreadable(request: Request, error: Exception) -> JSONResponse:
    """FastAPI's own checks of addresses: a number that is none, a field that is missing."""
    assert isinstance(error, RequestValidationError), error
    found = error.errors()[0]
    name = ".".join(str(part) for part in found["loc"][1:]) or "The request"
    return error_response(InvalidRequest(f"{name}: {found['msg']}."))


def _plain(request: Request, error: Exception) -> JSONResponse:
    """What the framework raises for requests that it cannot read."""
    assert isinstance(error, HTTPException), error
    kind = _OF_STATUS.get(error.status_code, InvalidRequest)
    body = {"error": error_json(kind(f"{error.detail}."))}
    return JSONResponse(body, status_code=error.status_code, headers=error.headers)


def unknown(prefix: str) -> APIRouter:
    """Routes that answer whatever no route before them did below ``prefix``."""
    router = APIRouter(prefix=prefix)

    @router.api_route("/{rest:path}", methods=_METHODS)
    def nothing(rest: str) -> None:
        raise NotFound("There is nothing here.")

    return router


class Boundary:
    """ASGI middleware: what no route expected becomes a sentence, and 500."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        has_begun = False

        async def watched(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except ClientDisconnect:  # in the middle of its body; there is nobody to answer
            return
        except Exception as error:
            if scope["type"] != "http" or has_begun:
                raise
            logger.error("%s %s failed", scope["method"], scope["path"], exc_info=error)
            await _our_fault(error)(scope, receive, send)


def _our_fault(error: Exception) -> JSONResponse:
    body = {
        "kind": "OurFault",
        "message": f"Something went wrong that is our fault ({type(error).__name__}).",
        "advice": "Your document is as it was before. The studio's log has the details.",
    }
    return JSONResponse({"error": body}, status_code=500)
