"""``layerstudio export``: a layered file in other formats."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from layerstudio.ui.cli.boundary import guarded
from layerstudio.ui.cli.options import (
    FileArgument,
    JsonOption,
    MaxPixelsOption,
    OverwriteOption,
    limits_of,
)


@guarded
def export(
    file: FileArgument,
    out: Annotated[
        list[Path], typer.Option("--out", "-o", help="A file to write. May be repeated.")
    ],
    max_pixels: MaxPixelsOption = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write a layered file in other formats.

    The suffix of each output decides: psd psb ora tif zip layers png webp svg pptx html.
    What a format cannot express is told.
    """
    from dataclasses import replace

    from layerstudio.io import open_document
    from layerstudio.io.files import format_of, save_with_notes
    from layerstudio.ui.cli.naming import check_targets
    from layerstudio.ui.cli.output import print_json, remark

    for target in out:
        format_of(target)
    check_targets(tuple(out), overwrite)
    document = open_document(file, limits_of(max_pixels))
    document = replace(document, metadata={"title": file.stem, **document.metadata})
    written = {str(target): save_with_notes(document, target) for target in out}
    if as_json:
        print_json({"source": str(file), "notes": document.notes, "outputs": written})
        return
    for note in document.notes:
        remark(f"{file.name}: {note}")
    for target, notes in written.items():
        for note in notes:
            remark(f"{target}: {note}")
        typer.echo(target)
