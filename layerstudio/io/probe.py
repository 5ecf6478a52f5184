"""What a file is and how large its canvas is, by its content and without decoding any pixels."""

from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from layerstudio.errors import UnreadableFile
from layerstudio.geometry import Extent
from layerstudio.io.archive import Shelf, open_zip
from layerstudio.io.limits import Limits
from layerstudio.io.picture import read_bytes, refuse_other_kinds
from layerstudio.io.raster import read_header

_PSD, _ZIP = b"8BPS", b"PK\x03\x04"
_SUFFIXES = {
    "PNG": ".png", "JPEG": ".jpg", "MPO": ".jpg", "TIFF": ".tif", "WEBP": ".webp", "GIF": ".gif",
    "BMP": ".bmp", "PPM": ".ppm", "JPEG2000": ".jp2", "AVIF": ".avif", "ICO": ".ico",
}  # fmt: skip


@dataclass(frozen=True)
class Probe:
    """``document`` is a layered file, ``picture`` a flat one; ``suffix`` is that of its content."""

    kind: Literal["picture", "document"]
    suffix: str
    extent: Extent


def probe(path: Path, limits: Limits) -> Probe:
    """Look into a file whose name says nothing.

    Its pixels are not counted against ``limits``: that is the caller's, who may want to say so in
    other words. Raises ``UnreadableFile`` for what is neither a picture nor a layered file.
    """
    data = read_bytes(path, limits)
    what = repr(path.name)
    if data.startswith(_PSD):
        return _psd(data, what)
    if data.startswith(_ZIP):
        return _zip(path, what, limits)
    refuse_other_kinds(data, what)
    header = read_header(data, what)
    kind = "document" if header.has_pages else "picture"
    return Probe(kind, _SUFFIXES.get(header.format, ".png"), header.extent)


def _psd(data: bytes, what: str) -> Probe:
    """Adobe's "File Header Section": version, 6 bytes, channels, height, width."""
    if len(data) < 26:
        raise UnreadableFile(f"{what} is broken: the file ends too early.")
    (version,) = struct.unpack_from(">H", data, 4)
    height, width = struct.unpack_from(">II", data, 14)
    return Probe("document", ".psb" if version == 2 else ".psd", Extent(width, height))


def _zip(path: Path, what: str, limits: Limits) -> Probe:
    with open_zip(path, limits) as shelf:
        names = shelf.names()
        if "stack.xml" in names:
            return Probe("document", ".ora", _ora_extent(shelf, what, limits))
        if "manifest.json" in names:
            return Probe("document", ".zip", _manifest_extent(shelf, what, limits))
    raise UnreadableFile(
        f"{what} is an archive without layers.",
        advice="OpenRaster files and the zips that LayerStudio writes are read.",
    )


def _ora_extent(shelf: Shelf, what: str, limits: Limits) -> Extent:
    stack = shelf.read("stack.xml")
    limits.check_text(stack, "stack.xml")
    try:
        image = fromstring(stack)
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        raise UnreadableFile(f"{what} is broken: its stack.xml is damaged.") from None
    return Extent(_side(image.get("w"), what), _side(image.get("h"), what))


def _manifest_extent(shelf: Shelf, what: str, limits: Limits) -> Extent:
    text = shelf.read("manifest.json")
    limits.check_text(text, "manifest.json")
    try:
        width, height = json.loads(text)["extent"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise UnreadableFile(f"{what} is broken: its manifest.json is damaged.") from None
    return Extent(_side(width, what), _side(height, what))


def _side(value: object, what: str) -> int:
    try:
        side = float(str(value))
    except ValueError:
        side = math.nan
    if not 1 <= side < 2**31:
        raise UnreadableFile(f"{what} is broken: its canvas has no size.")
    return int(side)
