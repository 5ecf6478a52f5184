"""A layered file where a flat picture is expected: its layers, composited."""

from __future__ import annotations

from pathlib import Path

from layerstudio.composite import composite_pixels
from layerstudio.io.files import FORMATS
from layerstudio.io.limits import Limits
from layerstudio.picture import Picture


def read_flattened(path: Path, suffix: str, limits: Limits) -> Picture:
    """The composite of a layered file of the format of ``suffix``, whatever its name.

    Raises ``UnreadableFile`` for what the format's reader cannot read.
    """
    document = FORMATS[suffix].load().read(path, limits)
    return Picture(
        composite_pixels(document),
        icc_profile=document.icc_profile,
        dpi=document.dpi,
        source=str(path),
        notes=(*document.notes, "The layers of the file were flattened first."),
    )
