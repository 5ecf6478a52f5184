"""Serving a studio: a socket, uvicorn, and an end that waits for nobody."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import socket
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI

from layerstudio.errors import InvalidRequest
from layerstudio.ui.web.options import DEFAULT_PORT, WebOptions

_PORTS_TRIED = 20
_GRACE_S = 3  # for answers that are on their way when the studio is told to stop


def listening_socket(host: str, port: int | None) -> socket.socket:
    """A socket on ``port``, or on the first free one from the usual one on.

    Raises ``InvalidRequest`` for a port that is taken or not allowed, and a host that is not this
    machine's.
    """
    ports = range(DEFAULT_PORT, DEFAULT_PORT + _PORTS_TRIED) if port is None else (port,)
    for candidate in ports:
        try:
            return _bound(host, candidate)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise _refused(host, candidate, error) from error
    if port is None:
        raise InvalidRequest(
            f"The ports {ports[0]} to {ports[-1]} are all taken.",
            advice="Choose another one with --port.",
        )
    raise InvalidRequest(
        f"Port {port} is taken by another program.",
        advice="Choose another one, or leave --port out to get one that is free.",
    )


def serve(app: FastAPI, bound: socket.socket, on_start: Callable[[], None]) -> None:
    """Answer on ``bound`` until the process is told to stop; ``on_start`` is called once it does.

    May raise ``KeyboardInterrupt`` after an end by Ctrl-C.
    """
    config = uvicorn.Config(
        app,
        http="h11",
        ws="none",  # Gradio's page and ours use server-sent events
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # or a program here could say that it is another address
        timeout_graceful_shutdown=_GRACE_S,
    )
    _Server(config, app, on_start).run(sockets=[bound])


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach ``host``."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def addresses(options: WebOptions) -> list[str]:
    """Where the page is, as one would type it."""
    hosts = [options.host]
    if options.host in ("0.0.0.0", "::"):
        hosts = [socket.gethostname(), "127.0.0.1"]
    return [f"http://{f'[{host}]' if ':' in host else host}:{options.port}/" for host in hosts]


class _Server(uvicorn.Server):
    """Tells the pages that it ends; their event streams would be waited for otherwise."""

    def __init__(self, config: uvicorn.Config, app: FastAPI, on_start: Callable[[], None]) -> None:
        super().__init__(config)
        self._app = app
        self._on_start = on_start
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._loop = asyncio.get_running_loop()
        if self.started:
            self._on_start()

    def handle_exit(self, sig: int, frame: object) -> None:
        super().handle_exit(sig, frame)  # pyright: ignore[reportArgumentType]
        if self._loop is not None:  # later: what a signal interrupts may hold the locks
            self._loop.call_soon_threadsafe(self._app.state.sessions.say_goodbye)


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen(128)
    except BaseException:
        bound.close()
        raise
    return bound


def _refused(host: str, port: int, error: OSError) -> InvalidRequest:
    if error.errno in (errno.EACCES, errno.EPERM):
        return InvalidRequest(
            f"Port {port} may not be used by this user.", advice="Choose one from 1024 on."
        )
    return InvalidRequest(
        f"The studio cannot listen on {host!r}: {error.strerror or error}.",
        advice="--host takes an address of this machine, such as 127.0.0.1.",
    )
