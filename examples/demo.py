"""Take the bundled pictures apart and write every format: ``python examples/demo.py [FOLDER]``.

Open ``FOLDER/*.html`` in a browser to pull the layers apart with a slider.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import layerstudio
from layerstudio.io import FORMATS
from layerstudio.io.files import save_with_notes
from layerstudio.pipelines.api import ERROR_KEY
from layerstudio.ui.cli.output import levels, print_table, remark
from layerstudio.ui.cli.sheet import save_sheet

HERE = Path(__file__).parent
PICTURES = ("poster.png", "slide.jpg", "illustration.png")
SUFFIXES = tuple(suffix for suffix in FORMATS if suffix != ".tiff")  # .tif is the same format


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "out")
    folder.mkdir(parents=True, exist_ok=True)
    rows = [demonstrate(HERE / name, folder) for name in PICTURES]
    columns = ("picture", "size", "layers", "seconds", "recomposition error", "saving all formats")
    print_table(columns, rows, right=("layers", "seconds"))
    print(f"Everything is in {folder}/; open the .html files in a browser.")


def demonstrate(picture: Path, folder: Path) -> tuple[str, ...]:
    """A row of the table: what decomposing one picture gave and took."""
    start = time.perf_counter()
    document = layerstudio.decompose(picture)
    decomposed = time.perf_counter()
    for suffix in SUFFIXES:
        target = folder / (picture.stem + suffix)
        for note in save_with_notes(document, target):
            remark(f"{target.name}: {note}")
    save_sheet(document, folder / f"{picture.stem}-sheet.png")
    saved = time.perf_counter()
    return (
        picture.name,
        str(document.extent),
        str(len(document.layers)),
        f"{decomposed - start:.2f}",
        levels(float(document.metadata[ERROR_KEY])),
        f"{saved - decomposed:.2f} s",
    )


if __name__ == "__main__":
    main()
