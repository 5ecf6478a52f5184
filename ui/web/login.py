"""The login: everything but its page and the page's style is closed without it.

Browsers log in with the form and keep a random cookie. Programs send the form as gradio_client does
with ``auth=``, or HTTP Basic with each request.
"""

from __future__ import annotations

import base64
import binascii
import html
import json
import logging
from collections.abc import Callable
from functools import cache
from pathlib import Path
from string import Template
from urllib.parse import parse_qs

from fastapi import Request
from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from layerstudio.errors import InvalidRequest, LayerStudioError
from layerstudio.ui.web.accounts import Accounts, Tokens
from layerstudio.ui.web.cookies import LOGIN_COOKIE, cookie_name, read_cookie, set_cookie
from layerstudio.ui.web.errors_json import (
    TooLarge,
    TooManyAttempts,
    Unauthorised,
    error_response,
    status_of,
)
from layerstudio.ui.web.guard import refuse
from layerstudio.ui.web.options import WebOptions

logger = logging.getLogger(__name__)

_USER = "layerstudio_user"  # the state of a request that passed the gate
_FORM_BYTES = 16 * 1024
_FOLDER = Path(__file__).parent / "login_page"
_PAGE_HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'self'; img-src 'self' data:;"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
}


def user_of(connection: HTTPConnection) -> str | None:
    """The user who is logged in; None where there is no login."""
    return connection.scope.get("state", {}).get(_USER)


def auth_dependency(options: WebOptions) -> Callable[[Request], str | None] | None:
    """What Gradio asks for the user of a request; None where there is no login."""
    return user_of if options.needs_login else None


class LoginGate:
    """ASGI middleware. ``passed`` requests have a user; the others get the page, or 401."""

    def __init__(self, app: ASGIApp, options: WebOptions) -> None:
        self._app = app
        self._accounts = Accounts(options.auth)
        self._tokens = Tokens()
        self._cookie = cookie_name(LOGIN_COOKIE, options.port)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or not self._accounts:
            await self._app(scope, receive, send)
            return
        if scope["type"] == "http" and scope["path"] in ("/login", "/logout", "/login.css"):
            response = await self._own(Request(scope, receive))
            await response(scope, receive, send)
            return
        try:
            user = self._user(HTTPConnection(scope))
        except LayerStudioError as error:
            await self._turn_away(error, scope, receive, send)
            return
        scope.setdefault("state", {})[_USER] = user
        await self._app(scope, receive, send)

    def _user(self, connection: HTTPConnection) -> str:
        """Raises ``Unauthorised`` and ``TooManyAttempts``."""
        user = self._tokens.user(read_cookie(connection.scope, self._cookie))
        if user is not None:
            return user
        pair = _basic(connection.headers.get("authorization", ""))
        if pair is None:
            raise Unauthorised("Log in first.", advice="The address /login does it.")
        return self._checked(connection, *pair)

    def _checked(self, connection: HTTPConnection, user: str, password: str) -> str:
        address = connection.client.host if connection.client else ""
        try:
            return self._accounts.check(user, password, address)
        except (Unauthorised, TooManyAttempts):
            logger.warning("Login of %.60r from %s was refused.", user, address)
            raise

    async def _turn_away(
        self, error: LayerStudioError, scope: Scope, receive: Receive, send: Send
    ) -> None:
        if scope["type"] == "websocket":
            await refuse(error, scope, receive, send)
            return
        request = Request(scope)
        if request.method == "GET" and _wants_page(request):
            response: Response = RedirectResponse("/login", 303)
        else:
            response = error_response(error)
            if "sec-fetch-mode" not in request.headers:  # else the browser asks in its own way
                response.headers["WWW-Authenticate"] = 'Basic realm="LayerStudio", charset="UTF-8"'
        await response(scope, receive, send)

    async def _own(self, request: Request) -> Response:
        """The gate's own three addresses."""
        if request.url.path == "/login.css":
            style = (_FOLDER / "login.css").read_text(encoding="utf-8")
            return Response(style, media_type="text/css")
        if request.url.path == "/logout" and request.method == "POST":
            return self._logout(request)
        if request.url.path == "/login" and request.method == "POST":
            return await self._login(request)
        if self._tokens.user(read_cookie(request.scope, self._cookie)) is not None:
            return RedirectResponse("/", 303)
        return _page(request)

    async def _login(self, request: Request) -> Response:
        try:
            user = self._checked(request, *await _form(request))
        except LayerStudioError as error:
            return _page(request, error) if _wants_page(request) else error_response(error)
        response: Response = JSONResponse({"success": True, "user": user})
        if _wants_page(request):
            response = RedirectResponse("/", 303)
        # "Lax", so that a link to the studio on another page does not end at the login.
        self._set_cookie(request, response, self._tokens.issue(user))
        return response

    def _logout(self, request: Request) -> Response:
        self._tokens.revoke(read_cookie(request.scope, self._cookie))
        response = RedirectResponse("/login", 303)
        self._set_cookie(request, response, "", max_age=0)
        return response

    def _set_cookie(
        self, request: Request, response: Response, value: str, max_age: int | None = None
    ) -> None:
        secure = request.url.scheme == "https"
        response.raw_headers.append(
            set_cookie(self._cookie, value, secure=secure, same_site="Lax", max_age=max_age)
        )


def _basic(header: str) -> tuple[str, str] | None:
    """User and password of HTTP Basic (RFC 7617); None for anything else."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    user, colon, password = text.partition(":")
    return (user, password) if colon else None


async def _form(request: Request) -> tuple[str, str]:
    """User and password, from a form or JSON; raises ``TooLarge`` and ``InvalidRequest``."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _FORM_BYTES:
            raise TooLarge(f"A login has at most {_FORM_BYTES:,} bytes.")
    if request.headers.get("content-type", "").startswith("application/json"):
        try:
            fields = json.loads(body)
        except (ValueError, RecursionError):
            fields = None
        if not isinstance(fields, dict):
            raise InvalidRequest("A login is an object with username and password.")
    else:
        text = body.decode(errors="replace")
        fields = {name: values[-1] for name, values in parse_qs(text, True).items()}
    user, password = fields.get("username", ""), fields.get("password", "")
    if not (isinstance(user, str) and isinstance(password, str)):
        raise InvalidRequest("Name and password are text.")
    return user, password


def _wants_page(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")


def _page(request: Request, error: LayerStudioError | None = None) -> Response:
    texts = _texts()
    language = _language(request.headers.get("accept-language", ""), tuple(texts))
    text = texts[language]
    fields = {"language": language, "problem": "", **text}
    if isinstance(error, TooManyAttempts):
        fields["problem"] = text["wait"].format(seconds=round(error.wait_s) + 1)
    elif isinstance(error, Unauthorised):
        fields["problem"] = text["wrong"]
    elif error is not None:
        fields["problem"] = str(error)
    fields = {name: html.escape(value) for name, value in fields.items()}
    page = Template((_FOLDER / "login.html").read_text(encoding="utf-8")).substitute(fields)
    status = 200 if error is None else status_of(error)
    return HTMLResponse(page, status_code=status, headers=_PAGE_HEADERS)


@cache
def _texts() -> dict[str, dict[str, str]]:
    """The page's texts by language, English first."""
    return json.loads((_FOLDER / "login.json").read_text(encoding="utf-8"))


def _language(accepted: str, known: tuple[str, ...]) -> str:
    """The first language of an ``Accept-Language`` header that the page has."""
    for part in accepted.split(","):
        code = part.split(";")[0].strip().lower().split("-")[0]
        if code in known:
            return code
    return known[0]
