"""Photoshop's PSD and, for large pictures, PSB."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from layerstudio.document import Document, Group
from layerstudio.errors import InvalidRequest
from layerstudio.io import psd_resources, psd_write
from layerstudio.io.limits import Limits
from layerstudio.io.psd_format import (
    MAX_COORDINATE,
    PSD_MAX_BYTES,
    PSD_MAX_SIDE,
    Coding,
    Compression,
)
from layerstudio.io.psd_write import Style

_MAX_RECORDS = 32_767  # the count of layer records is a signed 16-bit number


def write(
    document: Document, path: Path, *, compression: Coding | str = Coding.RLE
) -> tuple[str, ...]:
    """Write ``document``; the suffix ``.psb`` makes a PSB, any other a PSD.

    Pixels are 16 bits deep if one layer or mask is. Layers are cropped to what shows, and
    invisible colour is bled from its neighbours. ``compression`` is ``"rle"`` (fastest, read by
    everything) or ``"zip"`` (smaller; layers with a mask stay rle, for Krita).
    Returns a sentence for each thing that was changed to fit. Raises ``InvalidRequest`` for what
    does not fit into a PSD.
    """
    style = _style(document, path, compression)
    if style.version == 1 and document.extent.longest_side > PSD_MAX_SIDE:
        raise InvalidRequest(
            f"A PSD holds at most {PSD_MAX_SIDE:,} pixels a side, not {document.extent}.",
            advice="Use the suffix .psb.",
        )
    _check_places(document)
    pieces = psd_write.encode(document, style)
    size = sum(map(len, pieces))
    if style.version == 1 and size > PSD_MAX_BYTES:
        raise InvalidRequest(
            f"A PSD holds at most {PSD_MAX_BYTES:,} bytes, not {size:,}.",
            advice="Use the suffix .psb.",
        )
    with path.open("wb") as file:
        file.writelines(pieces)
    return _notes(document)


def read(path: Path, limits: Limits) -> Document:
    """Open any PSD or PSB to pixels; ``notes`` of the document list what could not be kept.

    Raises ``UnreadableFile`` for what is missing, broken, larger than ``limits`` or no PSD.
    """
    from layerstudio.io import psd_read  # psd-tools takes long to import, and writing needs none

    return psd_read.read(path, limits)


def _style(document: Document, path: Path, compression: Coding | str) -> Style:
    try:
        coding = Coding(compression)
    except ValueError as error:
        known = ", ".join(Coding)
        raise InvalidRequest(
            f"There is no PSD compression {compression!r}.", advice=f"Use one of {known}."
        ) from error
    records = sum(2 if isinstance(node, Group) else 1 for _, node in document.walk())
    if records > _MAX_RECORDS:
        raise InvalidRequest(f"A PSD holds at most {_MAX_RECORDS:,} layers, not {records:,}.")
    deep = _is_deep(document)
    return Style(
        version=2 if path.suffix.lower() == ".psb" else 1,
        depth=np.dtype(np.uint16 if deep else np.uint8),
        compression=Compression.ZIP if coding is Coding.ZIP else Compression.RLE,
    )


def _check_places(document: Document) -> None:
    for _, node in document.walk():
        bounds = node.bounds if node.mask is None else node.bounds.union(node.mask.bounds)
        if max(map(abs, (bounds.x, bounds.y, bounds.right, bounds.bottom))) > MAX_COORDINATE:
            raise InvalidRequest(
                f"Layer {node.name!r} lies too far off the canvas for a PSD: {tuple(bounds)}.",
                advice="Move it closer.",
            )


def _is_deep(document: Document) -> bool:
    masks = (node.mask for _, node in document.walk() if node.mask is not None)
    return document.dtype == np.uint16 or any(mask.pixels.dtype == np.uint16 for mask in masks)


def _notes(document: Document) -> tuple[str, ...]:
    notes = [
        f"The name of layer {node.name[:30]!r}... was cut to 255 characters."
        for _, node in document.walk()
        if len(psd_write.name_of(node)) < len(node.name)
    ]
    if document.dpi > psd_resources.MAX_DPI:
        notes.append(f"The resolution of {document.dpi:,.0f} dpi was cut to 65,535.")
    return tuple(notes)
