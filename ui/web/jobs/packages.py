"""Packages that only some methods need, and the sentence for one that is not installed."""

from __future__ import annotations

from layerstudio.errors import InvalidRequest, LayerStudioError


def lacking_package(error: ModuleNotFoundError) -> LayerStudioError | None:
    """What to tell the user; None for a module of ours, which only a bug can miss."""
    name = error.name or ""
    if not name or name.partition(".")[0] == "layerstudio":
        return None
    return InvalidRequest(
        f"This needs the Python package {name}, which is not installed.",
        advice="Install the networks' packages with `pip install 'layerstudio[models]'`.",
    )
