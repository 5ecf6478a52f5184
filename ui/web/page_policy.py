"""The policy of the page (Content Security Policy, level 3): which scripts may run.

Gradio's page starts from inline scripts, which hold its configuration and so are others with every
start. Allowed are those very ones, by their hashes, and files from here; a script that text of a
document or a request smuggled into the page is neither.
"""

from __future__ import annotations

import base64
import hashlib
import re

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_SCRIPT = re.compile(rb"<script(?![^>]*\ssrc\s*=)[^>]*>(.*?)</script>", re.DOTALL | re.IGNORECASE)
_REST = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "font-src 'self' data:; media-src 'self' data: blob:; connect-src 'self'; "
    "worker-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'; "
    "frame-ancestors 'none'"
)
PAGE_POLICY = f"{_REST}; script-src 'self'"


class PagePolicy:
    """ASGI middleware that reads the page at ``/`` and allows its inline scripts."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != "/":
            await self._app(scope, receive, send)
            return
        # Plain text, to be read here; the page is small.
        headers = [pair for pair in scope["headers"] if pair[0] != b"accept-encoding"]
        start: Message | None = None
        page = bytearray()

        async def collected(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message
                return
            page.extend(message.get("body", b""))
            if message.get("more_body") or start is None:
                return
            policy = (b"content-security-policy", policy_of(bytes(page)).encode())
            await send({**start, "headers": [*start.get("headers", ()), policy]})
            await send({"type": "http.response.body", "body": bytes(page)})

        await self._app({**scope, "headers": headers}, receive, collected)


def policy_of(page: bytes) -> str:
    """The policy of an HTML page: its inline scripts, by hash, and files of the same origin."""
    hashes = dict.fromkeys(_hash(script) for script in _SCRIPT.findall(page))
    return " ".join((PAGE_POLICY, *hashes))


def _hash(script: bytes) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}'"
