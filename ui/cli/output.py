"""What commands print: tables and JSON to stdout, progress and remarks to stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from layerstudio.ui.cli.boundary import one_line

if TYPE_CHECKING:
    from layerstudio.progress import ProgressCallback


def print_json(data: Any) -> None:
    """One document; non-ASCII is escaped, so that no file name can break the encoding."""
    typer.echo(json.dumps(data, indent=2))


def print_json_line(data: Any) -> None:
    """One of many documents, a line each, out at once for whoever reads along."""
    sys.stdout.write(json.dumps(data, separators=(",", ":")) + "\n")
    sys.stdout.flush()


def print_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str] = ()
) -> None:
    """``right`` names the columns with numbers."""
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        justify = "right" if column in right else "left"
        table.add_column(column, justify=justify, overflow="fold")
    for row in rows:
        table.add_row(*(escape(one_line(cell)) for cell in row))
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 1000  # a pipe has no width; wrapped cells would only hinder grep
    console.print(table)


def levels(error: float) -> str:
    """An error in [0, 1] as people read it: in 8-bit levels."""
    return f"{error * 255:.3g}/255"


def remark(text: str) -> None:
    typer.echo(one_line(text), err=True)


@contextmanager
def progress_bar(title: str, quiet: bool = False) -> Iterator[ProgressCallback]:
    """A bar on stderr while a job runs, if stderr is a terminal."""
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    from layerstudio.progress import Progress

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    disabled = quiet or not console.is_terminal
    with Bars(*columns, console=console, transient=True, disable=disabled) as bars:
        task = bars.add_task(escape(one_line(title)), total=1.0)

        def show(progress: Progress) -> None:
            text = escape(one_line(f"{title}: {progress.stage}"))
            bars.update(task, completed=progress.fraction, description=text)

        yield show
