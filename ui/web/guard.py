"""What every request has to pass, and what every answer carries.

* The ``Host`` must be this machine's: a page elsewhere can make its own name point here ("DNS
  rebinding") and would then be of the same origin. Numbers cannot be made to point elsewhere.
* A request that a page made must come from a page of ours, whatever its method: browsers say so in
  ``Origin`` and ``Sec-Fetch-Site``. Programs send neither. A link from elsewhere to the page itself
  is allowed.
* Addresses of other machines are not fetched in anybody's name.
* Bodies are counted while they stream, and files taken only while there is disk for them.
"""

from __future__ import annotations

import ipaddress
import shutil
import socket
import tempfile
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from layerstudio.errors import LayerStudioError
from layerstudio.ui.web.errors_json import (
    Forbidden,
    NoRoom,
    NotFound,
    TooLarge,
    error_response,
)
from layerstudio.ui.web.options import MIB, WebOptions
from layerstudio.ui.web.page_policy import PAGE_POLICY

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_UPLOADS = ("/studio/upload", "/gradio_api/upload")
_FRAMING = MIB  # what a multipart body may have beside its file
_JSON_BYTES = 16 * MIB  # a brush stroke of 100,000 points has 3
_SPARE_BYTES = 256 * MIB  # of disk for what the studio writes itself
_LANDINGS = ("/", "/login")
_GRADIO = "/gradio_api/"
# What Gradio's page and clients use of its routes. Others would run programs on uploads, write
# files that stay, or call components that we do not have.
_GRADIO_ROUTES = frozenset(
    (
        "api", "app_id", "call", "cancel", "config", "heartbeat", "info", "login_check",
        "openapi.json", "queue", "reset", "run", "startup-events", "theme.css", "token", "upload",
        "upload_progress", "user",
    )
)  # fmt: skip
# What a session made is data, never a page of ours, even if it is HTML or SVG.
_DATA_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox"
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    # Not "no-referrer", with which browsers send "Origin: null" for our own forms.
    (b"referrer-policy", b"same-origin"),
    (
        b"permissions-policy",
        b"camera=(), microphone=(), geolocation=(), payment=(), usb=(), serial=(), midi=(),"
        b" display-capture=(), browsing-topics=()",
    ),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


class Guard:
    """ASGI middleware: hosts, origins, sizes of bodies, and the headers of every answer."""

    def __init__(self, app: ASGIApp, options: WebOptions) -> None:
        self._app = app
        self._hosts = allowed_hosts(options)
        self._any_number = options.listen
        self._upload_bytes = options.max_upload_bytes + _FRAMING
        self._floor = options.max_upload_bytes + _SPARE_BYTES

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        problem = self._problem(scope, headers)
        send = _with_headers(scope, send)
        if problem is not None:
            await refuse(problem, scope, receive, send)
            return
        if scope["type"] == "websocket":
            await self._app(scope, receive, send)
            return
        body = _Body(receive, self._most_bytes(scope["path"]))
        if body.is_announced_too_large(headers):
            await refuse(body.error, scope, receive, send)
            return
        await self._app(scope, body.receive, body.answered(scope, send))

    def _problem(self, scope: Scope, headers: Headers) -> LayerStudioError | None:
        host = headers.get("host", "")
        if not self._is_ours(host):
            return Forbidden(
                f"This studio does not answer to the name {_name_of(host)[:80]!r}.",
                advice="Start it with --allow-host if that name is meant to be its own.",
            )
        if _is_foreign(scope, headers, host):
            return Forbidden("Only the studio's own page may ask for this.")
        if _reaches_elsewhere(scope["path"]):
            return Forbidden("This studio fetches nothing from other machines.")
        if _is_unused(scope["path"]):
            return NotFound("There is nothing here.")
        if (
            scope["path"] in _UPLOADS
            and shutil.disk_usage(tempfile.gettempdir()).free < self._floor
        ):
            return NoRoom(
                "The studio's disk is nearly full, so that it takes no more files.",
                advice="Make room on it, or close documents and dismiss exports.",
            )
        return None

    def _is_ours(self, host: str) -> bool:
        name = _name_of(host)
        return name in self._hosts or (self._any_number and _is_number(name))

    def _most_bytes(self, path: str) -> int:
        return self._upload_bytes if path in _UPLOADS else _JSON_BYTES


def _reaches_elsewhere(path: str) -> bool:
    """Whether one of Gradio's routes would make the server fetch an address."""
    _, _, asked = path.partition("/file=")
    return asked.lower().lstrip("/").startswith(("http:", "https:")) or "/proxy=" in path


def _is_unused(path: str) -> bool:
    """Whether a path is one of Gradio's that the studio has no use for."""
    first = path.removeprefix(_GRADIO).partition("/")[0]
    is_file = first.startswith("file=")
    return path.startswith(_GRADIO) and not is_file and first not in _GRADIO_ROUTES


class _Body:
    """A request's body, counted; over the limit, whatever the application says becomes 413."""

    def __init__(self, receive: Receive, most: int) -> None:
        self._receive = receive
        self._most = most
        self._seen = 0
        self._is_over = False

    @property
    def error(self) -> TooLarge:
        return TooLarge(
            f"This request has more than {self._most:,} bytes, the most that is taken.",
            advice="A smaller file will do, or --max-upload where the studio is started.",
        )

    def is_announced_too_large(self, headers: Headers) -> bool:
        length = headers.get("content-length", "")
        return length.isdecimal() and int(length) > self._most

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._seen += len(message.get("body", b""))
            if self._seen > self._most:
                self._is_over = True
                raise HTTPException(413)
        return message

    def answered(self, scope: Scope, send: Send) -> Send:
        is_refused = False

        async def answer(message: Message) -> None:
            nonlocal is_refused
            if self._is_over and message["type"] == "http.response.start":
                is_refused = True
                await error_response(self.error)(scope, self._receive, send)
            if not is_refused:
                await send(message)

        return answer


async def refuse(error: LayerStudioError, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with an error; a websocket is closed before it is accepted."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": error.message[:100]})
        return
    await error_response(error)(scope, receive, send)


def allowed_hosts(options: WebOptions) -> frozenset[str]:
    """The names and numbers that a request may be addressed to, without ports, lower case."""
    names = {*_LOOPBACK, options.host, *options.allowed_hosts}
    if options.listen:
        names |= {socket.gethostname(), socket.getfqdn()}
    return frozenset(name.lower().strip("[]") for name in names if name)


def _is_foreign(scope: Scope, headers: Headers, host: str) -> bool:
    """Whether a page that is not ours makes the browser ask."""
    site = headers.get("sec-fetch-site")
    is_landing = (
        scope["type"] == "http"
        and scope["method"] in ("GET", "HEAD")
        and scope["path"] in _LANDINGS
        and headers.get("sec-fetch-mode") == "navigate"
        and headers.get("sec-fetch-dest") == "document"
    )
    if site not in (None, "same-origin", "none") and not is_landing:
        return True
    origin = headers.get("origin")
    if origin is None:
        return False
    try:
        return urlsplit(origin).netloc.lower() != host.lower()
    except ValueError:
        return True


def _name_of(host: str) -> str:
    """The name or number of a ``Host`` header, without port and brackets."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_number(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _with_headers(scope: Scope, send: Send) -> Send:
    path = scope["path"]
    is_data = path.startswith("/studio/") and not path.startswith("/studio/static/")
    policy = (_DATA_POLICY if is_data else PAGE_POLICY).encode()

    async def answer(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = list(message.get("headers", ()))
            names = {name.lower() for name, _ in given}
            ours = ((b"content-security-policy", policy), *_HEADERS)
            given += [pair for pair in ours if pair[0] not in names]
            message = {**message, "headers": given}
        await send(message)

    return answer
