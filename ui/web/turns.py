"""How many requests of one session are worked on at once: the threads are for everybody.

A browser has six connections at most, so that none of its pages waits here. A program, or a page
whose every request waits for one long edit, would take all threads that the others need too.
"""

from __future__ import annotations

import asyncio
from weakref import WeakValueDictionary

from starlette.types import ASGIApp, Receive, Scope, Send

from layerstudio.ui.web.sessions import Sessions

_AT_ONCE = 8
_PREFIX, _STREAM = "/studio/", "/studio/events"


class Turns:
    """ASGI middleware; callers without a session are one."""

    def __init__(self, app: ASGIApp, sessions: Sessions) -> None:
        self._app = app
        self._sessions = sessions
        self._turns: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_ours = scope["type"] == "http" and scope["path"].startswith(_PREFIX)
        if not is_ours or scope["path"] == _STREAM:
            await self._app(scope, receive, send)
            return
        # Kept alive by the requests that have or wait for one.
        turns = self._turns.setdefault(
            self._sessions.number_of(scope) or "", asyncio.Semaphore(_AT_ONCE)
        )
        async with turns:
            await self._app(scope, receive, send)
