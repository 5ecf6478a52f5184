"""Any flat picture to ``Picture``: content decides what a file is, never its suffix.

A picture keeps its depth (8 or 16 bits), alpha, colour profile and resolution. What reading had to
change (a first frame taken, CMYK converted) is listed in ``Picture.notes``.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from layerstudio.color import Pixels, to_u8
from layerstudio.errors import InvalidRequest, UnreadableFile
from layerstudio.geometry import Extent
from layerstudio.io.limits import DEFAULT_LIMITS, Limits
from layerstudio.io.raster import picture_of_image, read_raster
from layerstudio.picture import Picture, with_alpha

PictureSource = str | os.PathLike[str] | bytes | Image.Image | NDArray | Picture

# What is taken out of a folder as a flat picture; layered files lie there as results.
PICTURE_SUFFIXES = {
    ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".gif", ".bmp", ".tif", ".tiff",
    ".ppm", ".pgm", ".pbm", ".jp2", ".avif", ".ico",
}  # fmt: skip

_ADDRESS = re.compile(r"^([a-z][a-z0-9+.-]+://|data:)", re.IGNORECASE)

# What people drop by mistake, by the first bytes of the file; the sentence says what to do instead.
_NOT_PICTURES = (
    (b"%PDF", "a PDF document", "Export the page as PNG first."),
    (b"%!PS", "a PostScript drawing", "Export it as PNG first."),
    (b"<svg", "an SVG drawing", "Export it as PNG first."),
    (b"<?xml", "an XML or SVG file", "Export the drawing as PNG first."),
    (b"<!doctype html", "a web page", "Save the picture itself, not the page that shows it."),
    (b"<html", "a web page", "Save the picture itself, not the page that shows it."),
)
_LAYERED = {b"8BPS": ".psd", b"PK\x03\x04": ".ora"}


def read_picture(source: PictureSource, limits: Limits = DEFAULT_LIMITS) -> Picture:
    """A picture from a path, the bytes of a file, a PIL image, an array or a ``Picture``.

    Arrays are (h, w), (h, w, 1..4) of bool, uint8, uint16 or float in [0, 1]; two channels are
    grey and alpha. A PSD, PSB or ORA path gives its flattened picture. Raises ``UnreadableFile``
    for a file or address that is no readable picture, ``InvalidRequest`` for a useless array.
    """
    if isinstance(source, Picture):
        return source
    if isinstance(source, np.ndarray):
        return picture_of_array(source)
    if isinstance(source, Image.Image):
        limits.check_extent(Extent(*source.size), "The image")
        return picture_of_image(source, "The image")
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _picture_of_bytes(bytes(source), "The data", limits)
    if isinstance(source, (str, os.PathLike)):
        return _read_path(source, limits)
    raise InvalidRequest(
        f"A picture is a path, bytes, a PIL image or an array, not {type(source).__name__}."
    )


def picture_of_array(array: NDArray) -> Picture:
    """An array as a picture; raises ``InvalidRequest`` for shapes and values without a meaning."""
    values = array[..., None] if array.ndim == 2 else array
    if values.ndim != 3 or not 1 <= values.shape[2] <= 4 or 0 in values.shape:
        raise InvalidRequest(f"A picture is (h, w) or (h, w, 1 to 4), not {array.shape}.")
    return Picture(with_alpha(_integers(values)))


def _integers(values: NDArray) -> Pixels:
    if values.dtype in (np.uint8, np.uint16):
        return values
    if values.dtype == bool:
        return values.astype(np.uint8) * np.uint8(255)
    if values.dtype.kind == "f":
        if not np.isfinite(values).all() or values.min() < 0 or values.max() > 1:
            raise InvalidRequest("A picture of floating point numbers has values from 0 to 1.")
        return to_u8(values)
    raise InvalidRequest(f"A picture is bool, uint8, uint16 or float, not {values.dtype}.")


def _read_path(source: str | os.PathLike[str], limits: Limits) -> Picture:
    name = os.fspath(source)
    refuse_address(name)
    path = Path(name)
    data = read_bytes(path, limits)
    suffix = _LAYERED.get(data[:4])
    if suffix == ".ora" and path.suffix.lower() == ".zip":
        suffix = ".zip"
    if suffix is not None:
        from layerstudio.io.flattened import read_flattened  # it pulls in every layered reader

        return read_flattened(path, suffix, limits)
    return replace(_picture_of_bytes(data, repr(path.name), limits), source=name)


def refuse_address(name: str) -> None:
    """Raise ``UnreadableFile`` for a web address or data URL where a path is expected."""
    if _ADDRESS.match(name):
        raise UnreadableFile(
            f"{name[:80]!r} is an address, and LayerStudio opens files only.",
            advice="Download the picture and give its path.",
        )


def read_bytes(path: Path, limits: Limits) -> bytes:
    """The whole file; raises ``UnreadableFile`` for what is not a readable, not too large file."""
    try:
        if path.is_dir():
            raise UnreadableFile(f"{str(path)!r} is a folder, not a picture.")
        if not path.exists():
            raise UnreadableFile(f"{str(path)!r} does not exist.")
        if not path.is_file():
            raise UnreadableFile(f"{str(path)!r} is a device, not a picture.")
        size = path.stat().st_size
        if size > limits.file_bytes:
            raise UnreadableFile(f"{path.name!r} is {size:,} bytes, more than the limit.")
        return path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        reason = getattr(error, "strerror", None) or error
        raise UnreadableFile(f"{str(path)!r} could not be read: {reason}.") from error


def _picture_of_bytes(data: bytes, what: str, limits: Limits) -> Picture:
    refuse_other_kinds(data, what)
    return read_raster(data, what, limits)


def refuse_other_kinds(data: bytes, what: str) -> None:
    """Raise ``UnreadableFile`` for what people take for a picture; ``data`` is the file or its
    beginning, 4,096 bytes or more of it."""
    if not data:
        raise UnreadableFile(f"{what} is empty: it has no bytes.")
    start = data[:64].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    for magic, kind, advice in _NOT_PICTURES:
        if start.startswith(magic.lower()):
            raise UnreadableFile(f"{what} is {kind}, not a picture of pixels.", advice=advice)
    if _is_text(data[:4096]):
        raise UnreadableFile(f"{what} is a text file, not a picture.")


def _is_text(head: bytes) -> bool:
    """Printable UTF-8 throughout; the plain forms of PNM (P1 to P3) are pictures all the same."""
    if re.match(rb"P[1-6]\s", head):
        return False
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:  # a character cut by the end of the head is no evidence
            return False
        text = head[: error.start].decode("utf-8")
    return all(character.isprintable() or character in "\t\r\n\f" for character in text)
