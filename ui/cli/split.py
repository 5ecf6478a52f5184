"""``layerstudio split``: one layer of a document taken apart again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from layerstudio.ui.cli import generate_options as given
from layerstudio.ui.cli.boundary import guarded
from layerstudio.ui.cli.options import (
    BoxOption,
    DecomposeBaseOption,
    ExactOption,
    ExcludedPointOption,
    FileArgument,
    JsonOption,
    LanguagesOption,
    LayersOption,
    MaxPixelsOption,
    MethodOption,
    OverwriteOption,
    PointOption,
    ReadTextOption,
    SeedOption,
    SettingsOption,
    ShownOption,
    limits_of,
    request_fields,
)


@guarded
def split(
    context: typer.Context,
    file: FileArgument,
    layer: Annotated[
        str,
        typer.Option("--layer", "-l", help="Name or path (such as 0.2) of the layer."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The layered file to write.")],
    layers: LayersOption = "auto",
    method: MethodOption = None,
    exact: ExactOption = True,
    seed: SeedOption = None,
    boxes: BoxOption = None,
    read_text: ReadTextOption = None,
    languages: LanguagesOption = "eng",
    base: DecomposeBaseOption = None,
    prompts: ShownOption = None,
    points: PointOption = None,
    excluded_points: ExcludedPointOption = None,
    settings: SettingsOption = None,
    device: given.DeviceOption = None,
    dtype: given.DtypeOption = None,
    attention: given.AttentionOption = None,
    offload: given.OffloadOption = None,
    max_pixels: MaxPixelsOption = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Take one layer apart again.

    A group of its parts takes its place; the picture stays the same.
    Boxes are in pixels from the layer's own corner.
    """
    from layerstudio.io import open_document
    from layerstudio.io.files import save_with_notes
    from layerstudio.pipelines.split import ERROR_KEY
    from layerstudio.pipelines.split import split as run
    from layerstudio.ui.cli.naming import check_targets
    from layerstudio.ui.cli.output import print_json, progress_bar, remark
    from layerstudio.ui.cli.tree import print_tree, tree_data

    check_targets((out,), overwrite)
    fields = request_fields(
        layers, method, exact, seed, boxes, read_text, languages, base, prompts,
        points, excluded_points, settings,
    )  # fmt: skip
    document = open_document(file, limits_of(max_pixels))
    with progress_bar(f"{file.name}: {layer}", quiet=as_json) as show:
        runtime = given.runtime_of(context.params)
        changed = run(document, layer, runtime=runtime, progress=show, **fields)
    notes = (*changed.notes, *save_with_notes(changed, out))
    if as_json:
        error = float(changed.metadata[ERROR_KEY])
        print_json({**tree_data(changed), "output": str(out), ERROR_KEY: error})
        return
    for note in notes:
        remark(note)
    print_tree(changed, out.name)
