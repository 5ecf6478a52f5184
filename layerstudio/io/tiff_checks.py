"""Whether a page of a TIFF may be decoded at all: what it claims, before anything is allocated."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from tifffile import TiffPage

from layerstudio.errors import UnreadableFile
from layerstudio.geometry import MAX_SIDE, Extent
from layerstudio.io.limits import Limits

_SAMPLES = 64  # channels of a page; nobody paints with more
_PIXEL_BYTES = 8  # RGBA of 16 bits; the limits count such pixels
# Strips or tiles of one page. Each takes some 30 microseconds, whatever it holds; strips of one row
# on the tallest pictures, and tiles of 256 on the largest, stay below.
MAX_SEGMENTS = 100_000
MAX_CLAIM = 2  # times the file's size: pieces that lie over each other are read again each time
_JPEG = 7
_HARMLESS_PIXELS = 2**16  # frames are padded to whole blocks
_FRAME_WITHIN = 2**18  # bytes
# TIFF 6.0 and Adobe's notes: none, CCITT, LZW, JPEG, deflate (twice), PackBits; and Zstandard. The
# codecs of other numbers decide themselves how much they unpack.
_COMPRESSIONS = frozenset({1, 2, 3, 4, 5, _JPEG, 8, 32946, 32773, 50000})
# ITU-T T.81, B.2.2: marker of a frame, length, precision, height, width, number of components.
_FRAME = re.compile(rb"\xff[\xc0-\xc3\xc5-\xc7\xc9-\xcb\xcd-\xcf](..).(..)(..)(.)", re.DOTALL)


def check_page(page: TiffPage, what: str, limits: Limits) -> int:
    """The number of pixels of a page that may be decoded; ``what`` names it.

    Raises ``UnreadableFile`` for more than ``limits`` allow, and for strips or tiles that are out
    of all proportion to the page.
    """
    extent = Extent(page.imagewidth, page.imagelength)
    if not (1 <= extent.width <= MAX_SIDE and 1 <= extent.height <= MAX_SIDE):
        raise UnreadableFile(f"{what} of {extent} pixels is impossible.")
    limits.check_extent(extent, what)
    if page.samplesperpixel > _SAMPLES or page.imagedepth != 1:
        raise UnreadableFile(f"{what} has {page.samplesperpixel} channels, too many to be read.")
    if page.nbytes > limits.pixels * _PIXEL_BYTES:
        raise UnreadableFile(f"{what} unpacks to {page.nbytes:,} bytes.")
    if int(page.compression) not in _COMPRESSIONS:
        raise UnreadableFile(
            f"{what} is packed in a way that is not read ({int(page.compression)}).",
            advice="Save it with deflate, LZW, or without compression.",
        )
    _check_segments(page, what, limits)
    return extent.pixel_count


def segments(page: TiffPage) -> int:
    """How many strips or tiles a page has; raises ``ZeroDivisionError`` for tiles of no size."""
    return max(math.prod(page.chunked), len(page.dataoffsets))


def packed_bytes(page: TiffPage) -> int:
    """What the strips or tiles of a page claim to take in the file."""
    return sum(page.databytecounts)


def _check_segments(page: TiffPage, what: str, limits: Limits) -> None:
    """Strips and tiles are unpacked whole, however little of the page they cover."""
    if segments(page) > MAX_SEGMENTS:
        raise UnreadableFile(f"{what} is cut into too many pieces to be read.")
    if packed_bytes(page) > page.parent.filehandle.size * MAX_CLAIM:
        raise UnreadableFile(f"{what} is damaged: it claims more bytes than the file has.")
    width, height = page.imagewidth, page.rowsperstrip
    if page.is_tiled:
        width, height = page.tilewidth, page.tilelength * page.tiledepth
        limits.check_extent(Extent(width, height), f"A tile of {what.lower()}")
    if int(page.compression) != _JPEG:
        return
    for packed in _packed(page):
        if _frame_pixels(packed) > max(width * height, _HARMLESS_PIXELS):
            raise UnreadableFile(f"{what} is damaged: a JPEG in it has another size.")


def _packed(page: TiffPage) -> Iterator[bytes]:
    yield page.jpegtables or b""
    for _, place in zip(range(MAX_SEGMENTS), page.dataoffsets, strict=False):
        page.parent.filehandle.seek(place)
        yield page.parent.filehandle.read(_FRAME_WITHIN)


def _frame_pixels(jpeg: bytes) -> int:
    """Pixels of the largest frame that a JPEG states; its decoder believes it."""
    sizes = [0]
    for length, height, width, components in _FRAME.findall(jpeg):
        if int.from_bytes(length) == 8 + 3 * components[0]:
            sizes.append(int.from_bytes(height) * int.from_bytes(width))
    return max(sizes)
