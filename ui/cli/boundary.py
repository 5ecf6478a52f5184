"""The job boundary: every error ends here, as one sentence on stderr and an exit code.

2 means that something the user can change was wrong, 1 a fault of ours, 130 that the user stopped
the job, 141 that nobody reads its output any longer.
"""

from __future__ import annotations

import functools
import logging
import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, ParamSpec, TypeVar

import typer

from layerstudio.errors import Cancelled, LayerStudioError, OutOfMemory

USER_ERROR = 2
OUR_FAULT = 1
STOPPED = 130  # what shells report for a program ended by SIGINT
CLOSED_PIPE = 141  # and by SIGPIPE

P = ParamSpec("P")
R = TypeVar("R")

_debug = False


def show_tracebacks(wanted: bool) -> None:
    """Print tracebacks as well; otherwise decoders' own log lines are silenced too."""
    global _debug
    _debug = wanted
    logging.basicConfig(level=logging.DEBUG if wanted else logging.CRITICAL)


def guarded(command: Callable[P, R]) -> Callable[P, R]:
    """A command whose exceptions become a sentence and an exit code."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except typer.Exit:
            raise
        except KeyboardInterrupt:
            typer.echo("Stopped.", err=True)
            raise typer.Exit(STOPPED) from None
        except BrokenPipeError:
            _leave_quietly()
        except Exception as error:
            if is_usage_error(error):
                raise
            message, code = explained(error)
            typer.echo(message, err=True)
            raise typer.Exit(code) from error

    return run


def _leave_quietly() -> NoReturn:
    """Whoever read the output has enough (``| head``): no fault, and nobody to tell."""
    # Python flushes stdout once more at the end, which must not find the pipe broken again.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise typer.Exit(CLOSED_PIPE)


def explained(error: Exception) -> tuple[str, int]:
    """One sentence for a person, and the exit code; a fault of ours is logged to a file."""
    if _debug:
        traceback.print_exception(error)
    if isinstance(error, Cancelled):
        return str(error), STOPPED
    if isinstance(error, MemoryError):
        error = OutOfMemory("This needs more memory than the machine has free.")
    if isinstance(error, LayerStudioError):
        return one_line(str(error)), USER_ERROR
    log = _logged(error)
    kind = f"{type(error).__name__}: {one_line(str(error))}"
    return f"Something went wrong that is our fault ({kind}); details are in {log}.", OUR_FAULT


def is_usage_error(error: Exception) -> bool:
    """Typer's own errors print themselves, with the usage of the command."""
    return type(error).__module__.startswith(("typer", "click"))


def one_line(text: str) -> str:
    """Without control characters: a file name must not move the cursor or end the sentence."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def _logged(error: Exception) -> Path:
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state"
    text = "".join(traceback.format_exception(error))
    for folder in (Path(home) / "layerstudio", Path(tempfile.gettempdir())):
        path = folder / "layerstudio-error.log"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", errors="backslashreplace")
        except OSError:
            continue
        return path
    return Path(os.devnull)
