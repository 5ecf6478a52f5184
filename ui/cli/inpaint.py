"""``layerstudio inpaint``: parts of a picture made up anew."""

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
    SeedOption,
    limits_of,
)

if TYPE_CHECKING:
    from layerstudio.picture import Picture


@guarded
def inpaint(
    context: typer.Context,
    picture: Annotated[Path, typer.Argument(help="A picture.", show_default=False)],
    mask: Annotated[Path, typer.Argument(help="White is made up anew.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="The PNG to write.")],
    prompt: Annotated[str, typer.Option(help="What to show there; diffusion reads it.")] = "",
    completer: Annotated[str, typer.Option(help="A stage, such as lama.")] = "auto",
    base: Annotated[str, typer.Option(help="Its weights: a file or folder.")] = "",
    seed: SeedOption = None,
    device: given.DeviceOption = None,
    dtype: given.DtypeOption = None,
    attention: given.AttentionOption = None,
    offload: given.OffloadOption = None,
    max_pixels: MaxPixelsOption = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make parts of a picture up anew; all other pixels stay as they are.

    `layerstudio stages complete` lists what can do it.
    """
    from layerstudio import inpaint as run
    from layerstudio.ui.cli.output import print_json, progress_bar, remark

    _check(out, overwrite)
    with progress_bar(picture.name, quiet=as_json) as show:
        made = run(
            picture, mask, prompt=prompt, completer=completer, base=base, seed=seed,
            runtime=given.runtime_of(context.params), limits=limits_of(max_pixels), progress=show,
        )  # fmt: skip
    _write(made, out)
    if as_json:
        print_json({"source": str(picture), "output": str(out), "notes": made.notes})
        return
    for note in made.notes:
        remark(note)


def _check(out: Path, overwrite: bool) -> None:
    """Raise ``UnwritableFile``, before any work, for what could not be written after it."""
    from layerstudio.errors import UnwritableFile

    if out.suffix.lower() != ".png":
        raise UnwritableFile(f"{str(out)!r} does not end in .png, which is what is written.")
    if not out.parent.is_dir():
        raise UnwritableFile(f"The folder {str(out.parent)!r} does not exist.")
    if out.exists() and not overwrite:
        raise UnwritableFile(f"{str(out)!r} exists already.", advice="Add --overwrite.")


def _write(made: Picture, out: Path) -> None:
    import os

    from layerstudio.errors import UnwritableFile
    from layerstudio.io.png_codec import encode_png

    partial = out.with_name(f".{out.name}.part")
    try:
        partial.write_bytes(encode_png(made.pixels, icc=made.icc_profile, dpi=made.dpi))
        os.replace(partial, out)
    except OSError as error:
        raise UnwritableFile(
            f"{str(out)!r} could not be written: {error.strerror or error}."
        ) from error
