"""A studio on a real socket, in a thread of the test's own process."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import uvicorn
from fastapi import FastAPI

from layerstudio.ui.web.app import create_app
from layerstudio.ui.web.options import WebOptions
from layerstudio.ui.web.serving import listening_socket


@dataclass(frozen=True)
class Served:
    app: FastAPI
    address: str


@contextmanager
def served(**options) -> Iterator[Served]:
    """A studio with these ``WebOptions``, until the end of the ``with``."""
    bound = listening_socket("127.0.0.1", 0)
    port = bound.getsockname()[1]
    app = create_app(WebOptions(port=port, **options))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="none"))
    thread = threading.Thread(target=server.run, args=([bound],), daemon=True)
    thread.start()
    deadline = time.monotonic() + 60
    while not server.started:
        assert thread.is_alive() and time.monotonic() < deadline, "The studio did not start."
        time.sleep(0.01)
    try:
        yield Served(app, f"http://127.0.0.1:{port}/")
    finally:
        app.state.sessions.say_goodbye()
        server.should_exit = True
        thread.join(20)
