"""Which samples a path holds: a folder of layered files, or of PNG layers in folders."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from layerstudio.errors import InvalidRequest, UnreadableFile
from layerstudio.io.limits import DEFAULT_LIMITS, Limits
from layerstudio.io.picture import refuse_address
from layerstudio.pipelines.evaluation.layered_files import LayeredFiles, layered_files_in
from layerstudio.pipelines.evaluation.png_folders import PngFolders, is_png_layout
from layerstudio.pipelines.evaluation.samples import Dataset

Layout = Literal["auto", "crello", "psd"]
LAYOUTS: tuple[Layout, ...] = ("auto", "crello", "psd")


def open_dataset(
    source: str | Path,
    layout: str = "auto",
    *,
    limit: int | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Dataset:
    """The samples at ``source``, at most ``limit`` of them, in the order of their names.

    "psd" is a layered file or a folder of such (PSD, PSB, ORA, TIFF, zip), "crello" the folders
    that LayerD's generator of data sets writes, "auto" looks. Raises ``UnreadableFile`` where there
    is no sample, ``InvalidRequest`` for another layout.
    """
    if layout not in LAYOUTS:
        raise InvalidRequest(f"There is no layout {layout!r}.", advice=f"{', '.join(LAYOUTS)}.")
    refuse_address(str(source))
    path = Path(source)
    if not path.exists():
        raise UnreadableFile(f"{str(path)!r} does not exist.")
    if layout == "auto":
        layout = _found_layout(path)
    if layout == "crello":
        return PngFolders.at(path, limits, limit)
    return LayeredFiles.at(path, limits, limit)


def _found_layout(path: Path) -> Layout:
    if is_png_layout(path):
        return "crello"
    if layered_files_in(path):
        return "psd"
    raise UnreadableFile(
        f"{str(path)!r} holds neither layered files nor folders of PNG layers.",
        advice="docs/bench.md describes both layouts.",
    )
