"""Pages of a browser, of which every error and every foreign request is noted."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, Route

_LOCAL = {"127.0.0.1", "localhost", ""}  # "": data: and blob: addresses
SIZE = {"width": 1440, "height": 900}


class Pages:
    """Opens pages in contexts of their own: cookies, and so the studio's session, are not shared.

    ``expected`` are patterns of errors that a test provokes: the console tells of every answer
    that is not 2xx, with its status and address.
    """

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._contexts: list[BrowserContext] = []
        self._noted: list[str] = []
        self.expected: list[str] = []

    def open(self, address: str | None = None, **options) -> Page:
        """A page at ``address``; ``options`` are those of Playwright's ``new_context``."""
        settings = {"viewport": SIZE, "locale": "en-GB", "reduced_motion": "reduce", **options}
        context = self._browser.new_context(**settings)
        self._contexts.append(context)
        context.on("console", self._note_console)
        context.on("weberror", lambda error: self._noted.append(f"uncaught: {error.error}"))
        context.on("request", self._note_request)
        context.route(lambda url: not _is_local(url), _refuse)
        page = context.new_page()
        if address is not None:
            page.goto(address)
        return page

    def close(self) -> None:
        for context in self._contexts:
            context.close()

    def troubles(self) -> list[str]:
        """What was noted and not expected."""
        return [
            note
            for note in self._noted
            if not any(re.search(pattern, note) for pattern in self.expected)
        ]

    def _note_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._noted.append(f"console: {message.text} ({message.location.get('url', '')})")

    def _note_request(self, request: Request) -> None:
        if not _is_local(request.url):
            self._noted.append(f"request to another host: {request.url}")


def _is_local(url: str) -> bool:
    return (urlsplit(url).hostname or "") in _LOCAL


def _refuse(route: Route) -> None:
    route.abort("blockedbyclient")
