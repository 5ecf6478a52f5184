"""``layerstudio segment``: objects of a picture as masks, or cut out as layers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from layerstudio.ui.cli import generate_options as given
from layerstudio.ui.cli.boundary import guarded
from layerstudio.ui.cli.options import (
    BoxOption,
    ExcludedPointOption,
    JsonOption,
    MaxPixelsOption,
    OverwriteOption,
    PointOption,
    limits_of,
    parse_box,
    parse_point,
)

if TYPE_CHECKING:
    from layerstudio.geometry import Extent
    from layerstudio.picture import Picture
    from layerstudio.pipelines.runtime import Runtime
    from layerstudio.pipelines.stages.contracts import Segment


@guarded
def segment(
    picture: Annotated[Path, typer.Argument(help="A picture.", show_default=False)],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="A layered file, or a folder for masks as PNG.")
    ],
    prompts: Annotated[
        list[str] | None,
        typer.Option("--prompt", help="A kind of thing to look for. May be repeated."),
    ] = None,
    boxes: BoxOption = None,
    points: PointOption = None,
    excluded_points: ExcludedPointOption = None,
    segmenter: Annotated[str, typer.Option(help="What outlines, such as sam2-tiny.")] = "auto",
    detector: Annotated[str, typer.Option(help="What finds by words.")] = "auto",
    base: Annotated[str, typer.Option(help="The segmenter's weights: a file or folder.")] = "",
    device: given.DeviceOption = None,
    dtype: given.DtypeOption = None,
    max_pixels: MaxPixelsOption = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Outline the objects of a picture.

    Each box is an object, so is each point in no box, and each thing that a prompt names; with
    none of them everything is outlined.
    """
    from layerstudio import segment as run
    from layerstudio.io.picture import read_picture
    from layerstudio.ui.cli.output import progress_bar

    limits = limits_of(max_pixels)
    as_layers = _is_layered(out)
    _check(out, overwrite, as_layers)
    read = read_picture(picture, limits)
    with progress_bar(picture.name, quiet=as_json) as show:
        found = run(
            read,
            prompts=prompts or (),
            boxes=[parse_box(box) for box in boxes or ()],  # pyright: ignore[reportArgumentType]
            points=[parse_point(point) for point in points or ()],  # pyright: ignore[reportArgumentType]
            excluded_points=[parse_point(point) for point in excluded_points or ()],  # pyright: ignore[reportArgumentType]
            segmenter=segmenter, detector=detector, base=base,
            runtime=_runtime(device, dtype), limits=limits, progress=show,
        )  # fmt: skip
    written, notes = _write(found, read, out, as_layers)
    _tell(_rows(found, written), (*read.notes, *notes), picture, as_json)


def _runtime(device: str | None, dtype: str | None) -> Runtime:
    from layerstudio.pipelines.runtime import Runtime

    given_here = {"device": device, "dtype": dtype}
    return Runtime(**{name: value for name, value in given_here.items() if value is not None})  # pyright: ignore[reportArgumentType]


def _is_layered(out: Path) -> bool:
    from layerstudio.io.files import FORMATS

    return out.suffix.lower() in FORMATS


def _check(out: Path, overwrite: bool, as_layers: bool) -> None:
    """Raise ``UnwritableFile``, before any work, for what could not be written after it."""
    from layerstudio.errors import UnwritableFile
    from layerstudio.ui.cli.naming import check_targets

    if as_layers:
        check_targets((out,), overwrite)
    elif out.exists() and not out.is_dir():
        raise UnwritableFile(f"{str(out)!r} is a file, and masks go to a folder.")
    elif out.is_dir() and any(out.iterdir()) and not overwrite:
        raise UnwritableFile(
            f"The folder {str(out)!r} is not empty.", advice="Add --overwrite to write into it."
        )
    elif not out.parent.is_dir():
        raise UnwritableFile(f"The folder {str(out.parent)!r} does not exist.")


def _write(
    found: Sequence[Segment], picture: Picture, out: Path, as_layers: bool
) -> tuple[list[Path], tuple[str, ...]]:
    """The file in which each object is, and what its format could not express."""
    if not as_layers:
        return _write_masks(found, picture.extent, out), ()
    from layerstudio.io.files import save_with_notes
    from layerstudio.pipelines.cutouts import document_of

    return [out] * len(found), save_with_notes(document_of(picture, found), out)


def _write_masks(found: Sequence[Segment], extent: Extent, folder: Path) -> list[Path]:
    """One PNG of the picture's size for each object, white on it; numbered in their order."""
    import os

    import numpy as np

    from layerstudio.errors import UnwritableFile
    from layerstudio.io.names import file_stem
    from layerstudio.io.png_codec import encode_png

    written, taken = [], set[str]()
    try:
        folder.mkdir(exist_ok=True)
        for number, one in enumerate(found, 1):
            path = folder / f"{file_stem(f'{number:03} {one.label}'.strip(), taken)}.png"
            partial = path.with_name(f".{path.name}.part")
            partial.write_bytes(encode_png(one.on_canvas(extent).astype(np.uint8) * np.uint8(255)))
            os.replace(partial, path)
            written.append(path)
    except OSError as error:
        raise UnwritableFile(
            f"Masks could not be written to {str(folder)!r}: {error.strerror or error}."
        ) from error
    return written


def _rows(found: Sequence[Segment], written: Sequence[Path]) -> list[dict[str, Any]]:
    return [
        {
            "label": one.label,
            "score": round(one.score, 4),
            "bounds": list(one.bounds),
            "area": one.area,
            "output": str(path),
        }
        for one, path in zip(found, written, strict=True)
    ]


def _tell(
    rows: Sequence[dict[str, Any]], notes: Sequence[str], picture: Path, as_json: bool
) -> None:
    from layerstudio.ui.cli.output import print_json, print_table, remark

    if as_json:
        print_json({"source": str(picture), "objects": rows, "notes": notes})
        return
    for note in notes:
        remark(f"{picture.name}: {note}")
    if not rows:
        remark(f"{picture.name}: no object was found.")
        return
    lines = [
        (
            row["label"] or f"object {number}",
            f"{row['score']:.2f}",
            ", ".join(map(str, row["bounds"])),
            f"{row['area']:,}",
            row["output"],
        )
        for number, row in enumerate(rows, 1)
    ]
    columns = ("object", "score", "x, y, width, height", "pixels", "written")
    print_table(columns, lines, right=("score", "pixels"))
