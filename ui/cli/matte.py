"""``layerstudio matte``: the foreground of a picture as a layer of its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from layerstudio.ui.cli import generate_options as given
from layerstudio.ui.cli.boundary import guarded
from layerstudio.ui.cli.options import (
    JsonOption,
    MaxPixelsOption,
    OverwriteOption,
    limits_of,
    parse_box,
)

if TYPE_CHECKING:
    from layerstudio.document import Document


@guarded
def matte(
    context: typer.Context,
    picture: Annotated[Path, typer.Argument(help="A picture.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="The layered file to write.")],
    trimap: Annotated[
        Path | None, typer.Option(help="Black background, white foreground, grey open.")
    ] = None,
    mask: Annotated[Path | None, typer.Option(help="White is the foreground, roughly.")] = None,
    box: Annotated[
        str | None, typer.Option(metavar="X,Y,W,H", help="Where the foreground is.")
    ] = None,
    background: Annotated[
        bool, typer.Option(help="Add the picture without its foreground, filled.")
    ] = False,
    matter: Annotated[str, typer.Option(help="A stage, such as vitmatte-small.")] = "auto",
    foreground: Annotated[str, typer.Option(help="What finds its own colours.")] = "auto",
    completer: Annotated[str, typer.Option(help="What fills the background.")] = "auto",
    base: Annotated[str, typer.Option(help="The matte's weights: a file or folder.")] = "",
    device: given.DeviceOption = None,
    dtype: given.DtypeOption = None,
    attention: given.AttentionOption = None,
    offload: given.OffloadOption = None,
    max_pixels: MaxPixelsOption = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Cut the foreground out with soft edges.

    Without --trimap, --mask and --box a network decides what the foreground is.
    `layerstudio stages matte` lists what can do it.
    """
    from layerstudio import matte as run
    from layerstudio.io.files import save_with_notes
    from layerstudio.ui.cli.naming import check_targets
    from layerstudio.ui.cli.output import progress_bar

    check_targets((out,), overwrite)
    with progress_bar(picture.name, quiet=as_json) as show:
        document = run(
            picture, trimap=trimap, mask=mask,
            box=None if box is None else parse_box(box),  # pyright: ignore[reportArgumentType]
            background=background, matter=matter, foreground=foreground, completer=completer,
            base=base, runtime=given.runtime_of(context.params), limits=limits_of(max_pixels),
            progress=show,
        )  # fmt: skip
    _tell(document, save_with_notes(document, out), out, as_json)


def _tell(document: Document, written: tuple[str, ...], out: Path, as_json: bool) -> None:
    from layerstudio.ui.cli.output import print_json, remark
    from layerstudio.ui.cli.tree import print_tree, tree_data

    notes = (*document.notes, *written)
    if as_json:
        print_json({**tree_data(document), "output": str(out), "notes": notes})
        return
    for note in notes:
        remark(note)
    print_tree(document, out.name)
