"""The table of formats and the two calls that use it.

A format module defines ``write(document, path, **options) -> tuple[str, ...]`` (what the format
could not express, one sentence each) and, if it can be read, ``read(path, limits) -> Document``.
``write`` gets a path beside the target; ``save`` renames it once it is complete, so that nobody
ever sees half a file.
"""

from __future__ import annotations

import os
import shutil
import uuid
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from layerstudio.document import Document
from layerstudio.errors import InvalidRequest, UnreadableFile, UnwritableFile
from layerstudio.io.limits import DEFAULT_LIMITS, Limits


@dataclass(frozen=True)
class Format:
    """A row of the table: ``suffix`` with its dot, the module, whether it can be read back."""

    suffix: str
    title: str
    module: str
    readable: bool
    is_folder: bool = False

    def load(self) -> ModuleType:
        return import_module(self.module)


_ROWS = (
    Format(".psd", "Photoshop", "layerstudio.io.psd", readable=True),
    Format(".psb", "Photoshop, large", "layerstudio.io.psd", readable=True),
    Format(".ora", "OpenRaster (Krita, GIMP, MyPaint)", "layerstudio.io.ora", readable=True),
    Format(".tif", "TIFF, a page per layer", "layerstudio.io.tiff", readable=True),
    Format(".tiff", "TIFF, a page per layer", "layerstudio.io.tiff", readable=True),
    Format(".zip", "PNG layers with manifest, zipped", "layerstudio.io.pngs", readable=True),
    Format(".layers", "PNG layers with manifest", "layerstudio.io.pngs", True, is_folder=True),
    Format(".png", "PNG, flattened", "layerstudio.io.png", readable=False),
    Format(".webp", "WebP, flattened and lossless", "layerstudio.io.webp", readable=False),
    Format(".svg", "SVG with live text", "layerstudio.io.svg", readable=False),
    Format(".pptx", "PowerPoint with live text", "layerstudio.io.pptx", readable=False),
    Format(".html", "Web page with a layer viewer", "layerstudio.io.html", readable=False),
)
_FOLDERS = "layerstudio.io.pngs"  # reads folders, whatever their suffix
FORMATS: dict[str, Format] = {row.suffix: row for row in _ROWS}


def format_of(path: Path) -> Format:
    """The row for a path's suffix; raises ``InvalidRequest`` for one that is not in the table."""
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise InvalidRequest(
            f"{path.name!r} has no format that can be written.",
            advice=f"Use one of {', '.join(FORMATS)}.",
        )
    return FORMATS[suffix]


def suffixes_of(formats: str) -> tuple[str, ...]:
    """ "psd, .ORA" to suffixes of the table, each once; raises ``InvalidRequest`` for another."""
    suffixes = tuple("." + part.strip().lstrip(".").lower() for part in formats.split(","))
    for suffix in suffixes:
        if suffix not in FORMATS:
            raise InvalidRequest(
                f"There is no format {suffix.lstrip('.')!r}.",
                advice=f"There are: {', '.join(known.lstrip('.') for known in FORMATS)}.",
            )
    return tuple(dict.fromkeys(suffixes))


def save(document: Document, path: str | Path, **options: Any) -> Path:
    """Write ``document`` in the format of ``path``'s suffix and return the path.

    Raises ``InvalidRequest`` for an unknown suffix and ``UnwritableFile`` where the target cannot
    be written. What the format could not express is returned by ``save_with_notes``.
    """
    save_with_notes(document, path, **options)
    return Path(path)


def save_with_notes(document: Document, path: str | Path, **options: Any) -> tuple[str, ...]:
    """``save``, returning one sentence for each thing that the format could not express."""
    target = Path(path)
    row = format_of(target)
    if not target.parent.is_dir():
        raise UnwritableFile(f"The folder {str(target.parent)!r} does not exist.")
    partial = target.with_name(f".{uuid.uuid4().hex[:12]}.part{target.suffix.lower()}")
    try:
        notes = row.load().write(document, partial, **options)
        _move_into_place(partial, target, row)
    except OSError as error:
        raise UnwritableFile(
            f"{str(target)!r} could not be written: {error.strerror or error}."
        ) from error
    finally:
        _discard(partial)
    return tuple(notes)


def open_document(path: str | Path, limits: Limits = DEFAULT_LIMITS) -> Document:
    """Read a layered file; raises ``UnreadableFile`` for what is missing, broken or too large."""
    source = Path(path)
    row = FORMATS.get(source.suffix.lower())
    if row is None or not row.readable:
        readable = ", ".join(suffix for suffix, row in FORMATS.items() if row.readable)
        raise UnreadableFile(
            f"{source.name!r} is not a layered file.", advice=f"Layers are read from {readable}."
        )
    _check_is_file(source, row)
    return row.load().read(source, limits)


def _check_is_file(source: Path, row: Format) -> None:
    """A pipe or a device would be waited for, for ever."""
    try:
        if not source.exists():
            raise UnreadableFile(f"{str(source)!r} does not exist.")
        if not source.is_file() and not (source.is_dir() and row.module == _FOLDERS):
            raise UnreadableFile(f"{str(source)!r} is not a file.")
    except OSError as error:
        raise UnreadableFile(f"{str(source)!r} cannot be read: {error.strerror}.") from error


def _move_into_place(partial: Path, target: Path, row: Format) -> None:
    if row.is_folder and target.exists():
        old = target.with_name(f".{uuid.uuid4().hex[:12]}.old")
        target.rename(old)
        partial.rename(target)
        shutil.rmtree(old)
    else:
        os.replace(partial, target)


def _discard(partial: Path) -> None:
    if partial.is_dir():
        shutil.rmtree(partial, ignore_errors=True)
    else:
        partial.unlink(missing_ok=True)
