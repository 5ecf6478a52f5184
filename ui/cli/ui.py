"""``layerstudio ui``: the web studio."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from layerstudio.errors import InvalidRequest
from layerstudio.ui.cli.boundary import guarded
from layerstudio.ui.cli.generate_options import (
    AttentionOption,
    DeviceOption,
    DtypeOption,
    OffloadOption,
    runtime_of,
)

if TYPE_CHECKING:
    from layerstudio.ui.web.options import WebOptions

_NEEDED = ("gradio", "fastapi", "uvicorn", "python_multipart")
_AUTH_VARIABLE = "LAYERSTUDIO_AUTH"
_SHORTEST_PASSWORD = 8  # where other machines can try

HostOption = Annotated[
    str | None, typer.Option(help="The address to listen on (127.0.0.1).", show_default=False)
]
PortOption = Annotated[
    int | None,
    typer.Option(min=1, max=65535, help="By default 7860, or the next that is free."),
]
ListenOption = Annotated[
    bool, typer.Option("--listen", help="Open the studio to other machines; needs --auth.")
]
AuthOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="USER:PASSWORD",
        help="Ask for a login. May be repeated. Others on this machine can read it in the list of"
        f" processes; --auth-file and the variable {_AUTH_VARIABLE} are not seen.",
    ),
]
AuthFileOption = Annotated[
    Path | None, typer.Option(help="A file with a line USER:PASSWORD for each user.")
]
AllowHostOption = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="Another name of the studio, as a proxy has one."),
]
OpenOption = Annotated[
    bool | None,
    typer.Option("--open/--no-open", help="Open the page in a browser.", show_default=False),
]
MaxUploadOption = Annotated[
    int, typer.Option(min=1, metavar="MIB", help="Refuse larger uploads, in MiB.")
]
MaxPixelsOption = Annotated[
    int, typer.Option(min=1, help="Refuse pictures and canvases of more pixels.")
]


@guarded
def ui(
    host: HostOption = None,
    port: PortOption = None,
    listen: ListenOption = False,
    auth: AuthOption = None,
    auth_file: AuthFileOption = None,
    allow_host: AllowHostOption = None,
    open_page: OpenOption = None,
    max_upload: MaxUploadOption = 512,
    max_pixels: MaxPixelsOption = 50_000_000,
    device: DeviceOption = None,
    dtype: DtypeOption = None,
    attention: AttentionOption = None,
    offload: OffloadOption = None,
) -> None:
    """Open the studio in a browser: make layers, edit them, take them away.

    It answers this machine only, unless --listen is given, and sends nothing anywhere.
    """
    _require_packages()
    from layerstudio.ui.web.options import MIB, WebOptions
    from layerstudio.ui.web.serving import is_loopback, listening_socket

    users = _users(auth, auth_file)
    address = host or ("0.0.0.0" if listen else "127.0.0.1")
    is_open = listen or not is_loopback(address)
    if is_open:
        _require_safe(users)
    runtime = runtime_of(
        {"device": device, "dtype": dtype, "attention": attention, "offload": offload}
    )
    with listening_socket(address, port) as bound:
        options = WebOptions(
            host=address,
            port=bound.getsockname()[1],
            listen=is_open,
            auth=users,
            allowed_hosts=tuple(allow_host or ()),
            max_upload_bytes=max_upload * MIB,
            max_pixels=max_pixels,
            runtime=replace(runtime, previews=True),
        )
        shows = not is_open and _has_screen() if open_page is None else open_page
        _run(options, bound, shows)


def _run(options: WebOptions, bound, shows: bool) -> None:
    from layerstudio.ui.web.app import create_app
    from layerstudio.ui.web.jobs.estimates import Timings, default_path
    from layerstudio.ui.web.serving import addresses, serve

    _log_to_stderr()
    places = addresses(options)
    app = create_app(options)
    app.state.jobs.timings = Timings(default_path())  # what runs took before, for estimates

    def started() -> None:
        typer.echo(f"The studio is at {' and '.join(places)}")
        typer.echo("Stop it with Ctrl-C.", err=True)
        if shows:
            _open_browser(places[-1])

    # Ctrl-C arrives here or not: asyncio may take it for the end of a task that has ended already.
    with suppress(KeyboardInterrupt):
        serve(app, bound, started)
    typer.echo("The studio has ended.", err=True)


def _require_packages() -> None:
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise InvalidRequest(
            f"The web studio needs {', '.join(missing)}, which is not installed.",
            advice="Install it: pip install 'layerstudio[web]'.",
        )


def _require_safe(users: tuple[tuple[str, str], ...]) -> None:
    """Raise ``InvalidRequest`` unless strangers are kept out."""
    if not users:
        raise InvalidRequest(
            "A studio that other machines can reach needs a login.",
            advice=f"Add --auth USER:PASSWORD, --auth-file, or set {_AUTH_VARIABLE}.",
        )
    short = [user for user, password in users if len(password) < _SHORTEST_PASSWORD]
    if short:
        raise InvalidRequest(
            f"The password of {short[0]!r} is too short for a studio that others can reach.",
            advice=f"Take {_SHORTEST_PASSWORD} characters or more.",
        )


def _users(auth: list[str] | None, path: Path | None) -> tuple[tuple[str, str], ...]:
    """Users and passwords: of the options, or else of the environment."""
    lines = list(auth or ())
    if path is not None:
        try:
            lines += path.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not text in UTF-8"
            raise InvalidRequest(f"{str(path)!r} could not be read: {reason}.") from error
        lines = [line for line in lines if line.strip()]
        if not lines:
            raise InvalidRequest(f"{str(path)!r} names no user.")
    elif not lines:
        lines = os.environ.get(_AUTH_VARIABLE, "").splitlines()
    users = tuple(_user(line) for line in lines if line.strip())
    names = [user for user, _ in users]
    if len(set(names)) < len(names):
        raise InvalidRequest("Two logins have the same name.")
    return users


def _user(text: str) -> tuple[str, str]:
    user, colon, password = text.strip().partition(":")
    if not (user and colon and password):  # the text holds a password: it is not repeated
        raise InvalidRequest("A login is a name and a password, written as USER:PASSWORD.")
    return user, password


def _log_to_stderr() -> None:
    """What the operator of a studio should know: refused logins, faults of ours."""
    for name in ("layerstudio", "uvicorn.error"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _has_screen() -> bool:
    """Whether somebody sits in front of a desktop, so that a browser can be opened."""
    if not sys.stdout.isatty():
        return False
    if sys.platform.startswith("linux"):
        return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
    return True


def _open_browser(address: str) -> None:
    import threading
    import webbrowser

    threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
