"""``layerstudio inspect``: what is in a layered file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from layerstudio.ui.cli.boundary import guarded
from layerstudio.ui.cli.options import FileArgument, JsonOption, MaxPixelsOption, limits_of


@guarded
def inspect(
    file: FileArgument,
    sheet: Annotated[
        Path | None, typer.Option(metavar="PNG", help="Write a sheet of thumbnails.")
    ] = None,
    max_pixels: MaxPixelsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the layers of a file.

    Names, roles, places (width x height + x + y), opacity and blend modes.
    The top layer comes first; the numbers before the names are paths for `split --layer`.
    """
    from layerstudio.io import open_document
    from layerstudio.pipelines.api import ERROR_KEY
    from layerstudio.ui.cli.output import levels, print_json, remark
    from layerstudio.ui.cli.sheet import save_sheet
    from layerstudio.ui.cli.tree import print_tree, tree_data

    document = open_document(file, limits_of(max_pixels))
    if sheet is not None:
        save_sheet(document, sheet)
    if as_json:
        print_json({"file": str(file), **tree_data(document)})
        return
    print_tree(document, file.name)
    if ERROR_KEY in document.metadata:
        error = float(document.metadata[ERROR_KEY])
        typer.echo(f"Recomposition error when made: {levels(error)}")
    for note in document.notes:
        remark(note)
