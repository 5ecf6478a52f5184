"""The sessions of a studio: one for each browser, with its document, uploads and jobs.

A session is known by its cookie (see ``cookies``) and belongs to the user who is logged in, if
there is a login. Their number is bounded; one that nobody looks at any more is closed, and its
folder is removed.
"""

from __future__ import annotations

import secrets
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.requests import HTTPConnection, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from layerstudio.ui.web.cookies import (
    SESSION_COOKIE,
    Signer,
    cookie_name,
    read_cookie,
    set_cookie,
)
from layerstudio.ui.web.errors_json import NoRoom, NotFound
from layerstudio.ui.web.events import Events
from layerstudio.ui.web.login import user_of
from layerstudio.ui.web.options import WebOptions
from layerstudio.ui.web.studio import Studio
from layerstudio.ui.web.temporary import TemporaryRoot
from layerstudio.ui.web.uploads import Uploads

if TYPE_CHECKING:
    from layerstudio.ui.web.jobs.job_list import JobList

_NEW = "layerstudio_new_cookie"  # the state of a request whose answer sets the cookie
_RESTS_AFTER_S = 600.0  # a session that nobody looks at gives up what only makes it fast
_IN_USE_S = 300.0  # a session seen within it is not closed to make room


class Session:
    """What one browser works with. ``jobs`` is put there by ``JobQueue.of``."""

    def __init__(
        self,
        number: str,
        user: str | None,
        root: Path,
        options: WebOptions,
        share: Callable[[], int],
    ) -> None:
        self.id = number
        self.user = user
        self.events = Events()
        self.studio = Studio(self.events, share)
        self.jobs: JobList | None = None
        self.last_seen = time.monotonic()
        self._root = root / secrets.token_hex(8)
        self._has_ended = False
        self.uploads = Uploads(lambda: self.folder, options)

    @property
    def folder(self) -> Path:
        """The session's own folder, removed with it; raises ``NotFound`` for one that has ended,
        whose late uploads and jobs would leave their files behind."""
        if self._has_ended:
            raise NotFound("This session has ended.", advice="Load the page again.")
        self._root.mkdir(mode=0o700, exist_ok=True)
        return self._root

    @property
    def is_busy(self) -> bool:
        """Whether a page listens or a job of it is waiting or running."""
        return self.events.count > 0 or (self.jobs is not None and self.jobs.is_busy)

    @property
    def idle_s(self) -> float:
        """Seconds since a request or a page that listens was last seen."""
        return time.monotonic() - self.last_seen

    def seen(self) -> None:
        self.last_seen = time.monotonic()

    def end(self) -> None:
        """Tell the pages, forget the document, remove the folder."""
        self.events.close()
        self.studio.close()
        self._has_ended = True
        shutil.rmtree(self._root, ignore_errors=True)


class Sessions:
    """All sessions of an application. Thread-safe.

    ``on_open`` functions are called with each new session, ``on_close`` with each that is about to
    end, so that the queue can give it jobs and cancel them.
    """

    def __init__(self, options: WebOptions) -> None:
        self.on_open: list[Callable[[Session], object]] = []
        self.on_close: list[Callable[[Session], object]] = []
        self._options = options
        self._signer = Signer()
        self._temporary = TemporaryRoot()
        self._sessions: dict[str, Session] = {}
        self._lock = threading.Lock()

    @property
    def root(self) -> Path:
        """The temporary folder in which those of the sessions lie."""
        return self._temporary.path

    def __len__(self) -> int:
        return len(self._sessions)

    def of(self, connection: HTTPConnection) -> Session:
        """The session of a request, made if it has none; raises ``NoRoom`` if there are too many.

        The answer to the request then sets the cookie.
        """
        user = user_of(connection)
        number = self._number_of(connection.scope, user)
        with self._lock:
            session = None if number is None else self._sessions.get(number)
        if session is None:
            session = self.create(user, number or self._offer(connection.scope, user))
        session.seen()
        return session

    def create(self, user: str | None, number: str | None = None) -> Session:
        """A new session, for a number or, for callers without cookies, for one of their own."""
        number = number or secrets.token_urlsafe(24)
        while True:
            with self._lock:
                if number in self._sessions:  # another request of the same page was first
                    return self._sessions[number]
                if len(self._sessions) < self._options.max_sessions:
                    session = Session(number, user, self.root, self._options, self._share)
                    for call in self.on_open:
                        call(session)
                    self._sessions[number] = session
                    return session
            self.close(self._least_needed())

    def close(self, session: Session) -> None:
        """End a session: its jobs, its pages, its files."""
        with self._lock:
            self._sessions.pop(session.id, None)
        for call in self.on_close:
            call(session)
        session.end()

    def sweep(self) -> None:
        """Close the sessions that were idle for too long; the others that are idle rest."""
        for session in self._all():
            if session.is_busy:
                session.seen()
            elif session.idle_s > self._options.session_idle_s:
                self.close(session)
            elif session.idle_s > _RESTS_AFTER_S:
                session.studio.rest()

    def say_goodbye(self) -> None:
        """End the pages' event streams, for which a server that shuts down would wait."""
        for session in self._all():
            session.events.close()

    def close_all(self) -> None:
        """End every session and remove the temporary folder."""
        for session in self._all():
            self.close(session)
        self._temporary.remove()

    def _all(self) -> tuple[Session, ...]:
        with self._lock:
            return tuple(self._sessions.values())

    def _share(self) -> int:
        """What the history of one session may hold of the memory for all."""
        return self._options.memory_bytes // max(1, len(self._sessions))

    def _least_needed(self) -> Session:
        """One to close for another: without a document if possible, else the longest idle."""
        idle = [it for it in self._all() if not it.is_busy and it.idle_s > _IN_USE_S]
        empty = [it for it in self._all() if not it.is_busy and it.studio.document is None]
        for candidates in (empty, idle):
            if candidates:
                return max(candidates, key=lambda it: it.idle_s)
        raise NoRoom(
            f"The studio is full: {self._options.max_sessions} sessions are in use.",
            advice="Try again in some minutes.",
        )

    def number_of(self, scope: Scope) -> str | None:
        """The number of a request's session, whether or not anything is kept for it yet."""
        return self._number_of(scope, user_of(HTTPConnection(scope)))

    def _number_of(self, scope: Scope, user: str | None) -> str | None:
        value = scope.get("state", {}).get(_NEW) or read_cookie(scope, self._cookie)
        return self._signer.check(value, user)

    def _offer(self, scope: Scope, user: str | None) -> str:
        """A number of a new session; the answer to the request will set its cookie."""
        value = self._signer.issue(user)
        scope.setdefault("state", {})[_NEW] = value
        number = self._signer.check(value, user)
        assert number is not None
        return number

    @property
    def _cookie(self) -> str:
        return cookie_name(SESSION_COOKIE, self._options.port)

    def invite(self, scope: Scope) -> None:
        """Give a page its cookie before its scripts ask for anything, all at once."""
        if self.number_of(scope) is None:
            self._offer(scope, user_of(HTTPConnection(scope)))

    def cookie_header(self, scope: Scope) -> tuple[bytes, bytes] | None:
        """The header that the answer to a request needs, if it has a new session."""
        value = scope.get("state", {}).get(_NEW)
        if value is None:
            return None
        return set_cookie(self._cookie, value, secure=scope.get("scheme") in ("https", "wss"))


class SessionCookies:
    """ASGI middleware that sets the cookies of new sessions."""

    def __init__(self, app: ASGIApp, sessions: Sessions) -> None:
        self._app = app
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["path"] == "/" and scope["method"] == "GET" and not _is_from_elsewhere(scope):
            self._sessions.invite(scope)

        async def with_cookie(message: Message) -> None:
            header = self._sessions.cookie_header(scope)
            if message["type"] == "http.response.start" and header is not None:
                message["headers"] = [*message.get("headers", ()), header]
            await send(message)

        await self._app(scope, receive, with_cookie)


def _is_from_elsewhere(scope: Scope) -> bool:
    """Whether a link on another site led here: browsers then keep our cookie back, and a new one
    would take the place of one that the browser has."""
    return (b"sec-fetch-site", b"cross-site") in scope["headers"]


def current_session(request: Request) -> Session:
    """The session of a request, as a FastAPI dependency."""
    sessions: Sessions = request.app.state.sessions
    return sessions.of(request)
