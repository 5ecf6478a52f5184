"""``layerstudio bench``: the scores of a method on designs whose layers are known."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import typer

from layerstudio.errors import InvalidRequest
from layerstudio.ui.cli.boundary import guarded

_SCRIPT = Path("benchmarks/designs.py")


@guarded
def bench(context: typer.Context) -> None:
    """Score a method on generated designs.

    Works in a checkout of the repository. Options after `bench` go to its script;
    `bench -- --help` lists them.
    """
    root = _checkout()
    done = subprocess.run([sys.executable, str(root / _SCRIPT), *context.args], cwd=root)
    if done.returncode:
        raise typer.Exit(done.returncode)


def _checkout() -> Path:
    """The folder with ``benchmarks/``: where we are, or where this file really lies."""
    candidates = [Path.cwd(), *Path.cwd().parents, Path(__file__).resolve().parents[2]]
    for folder in candidates:
        if (folder / _SCRIPT).is_file() and (folder / "layerstudio").is_dir():
            return folder
    raise InvalidRequest(
        "The benchmarks are not part of the installed package.",
        advice="Run this command in a checkout of the repository.",
    )
