"""The libraries below kept from writing to the terminal: what matters is raised or reported."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import diffusers
import transformers


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Without diffusers' and transformers' warnings and progress bars, and as before after it."""
    parts = [library.utils.logging for library in (diffusers, transformers)]
    before = [(part.get_verbosity(), part.is_progress_bar_enabled()) for part in parts]
    try:
        for part in parts:
            part.set_verbosity_error()
            part.disable_progress_bar()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        for part, (verbosity, shows_bars) in zip(parts, before, strict=True):
            part.set_verbosity(verbosity)
            (part.enable_progress_bar if shows_bars else part.disable_progress_bar)()
