"""``layerstudio verify``: a second opinion on a file, by programs that are not ours."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from layerstudio.ui.cli.boundary import USER_ERROR, guarded
from layerstudio.ui.cli.options import JsonOption

if TYPE_CHECKING:
    from layerstudio.io.verify import Verification


@guarded
def verify(
    file: Annotated[Path, typer.Argument(help="A file to check.", show_default=False)],
    against: Annotated[
        Path | None, typer.Option(help="The layered file it was made from (svg pptx html png).")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Let other programs draw a file and compare.

    Their pictures are compared with ours; 2/255 counts as the same. The exit code is 2 if a
    program sees another picture or cannot read the file.
    """
    from dataclasses import asdict

    from layerstudio.io import open_document
    from layerstudio.io.verify import Status
    from layerstudio.io.verify import verify as run
    from layerstudio.ui.cli.output import print_json

    results = run(file, open_document(against) if against else None)
    if as_json:
        print_json({"file": str(file), "results": [asdict(result) for result in results]})
    else:
        _print(results)
    if any(result.status in (Status.DIFFERS, Status.FAILED) for result in results):
        raise typer.Exit(USER_ERROR)


def _print(results: tuple[Verification, ...]) -> None:
    from layerstudio.ui.cli.output import levels, print_table

    rows = [
        (
            result.reader,
            str(result.status),
            "" if result.max_error is None else levels(result.max_error),
            "" if result.mean_error is None else levels(result.mean_error),
            result.note,
        )
        for result in results
    ]
    columns = ("program", "result", "largest error", "mean error", "")
    print_table(columns, rows, right=("largest error", "mean error"))
