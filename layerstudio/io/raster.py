"""Encoded pictures of pixels (PNG, JPEG, TIFF, WebP, GIF, ...) to ``Picture``.

Pillow reads the header and every 8-bit picture; ``deep`` reads what Pillow would cut to 8 bits.
"""

from __future__ import annotations

import io
import math
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from layerstudio.color import Pixels, to_float, to_u8, unpremultiply
from layerstudio.errors import OutOfMemory, UnreadableFile
from layerstudio.geometry import MAX_SIDE, Extent
from layerstudio.io.deep import DeepPicture, is_deep, read_deep
from layerstudio.io.exif_checks import check_exif, jpeg_exif
from layerstudio.io.limits import Limits
from layerstudio.io.profiles import Profiled, to_rgb_profile
from layerstudio.picture import Picture

# Formats with a signature and a decoder inside Pillow. Left out on purpose: EPS and PDF start other
# programs, TGA and friends have no signature, so that any file could pass for one.
_PILLOW_FORMATS = (
    "PNG", "JPEG", "TIFF", "WEBP", "GIF", "BMP", "PPM", "JPEG2000", "AVIF", "ICO",
)  # fmt: skip
_LOSSY_FORMATS = {"JPEG", "MPO", "JPEG2000", "AVIF"}
_TILE_WIDTH, _TILE_LENGTH = 322, 323  # TIFF 6.0, section 15
_ANY_PIXELS = 2**62
_COUNTED = 100  # pages of a TIFF: Pillow's time to count them grows with their square
_READS, _FREE_BYTES = 4, 2**22
_ORIENTATION = 0x0112  # EXIF 2.32, table 4, tag "Orientation"

# What decoders raise for broken data; Pillow's documentation promises OSError only.
_DECODER_ERRORS = (
    OSError, ValueError, SyntaxError, TypeError, KeyError, IndexError, AttributeError,
    OverflowError, RuntimeError, EOFError, struct.error, zlib.error, ZeroDivisionError,
    Image.DecompressionBombError, AssertionError,
)  # fmt: skip

_pillow_lock = threading.Lock()


def read_raster(data: bytes, what: str, limits: Limits) -> Picture:
    """Decode one file; ``what`` names it in errors. Raises ``UnreadableFile``, ``OutOfMemory``."""
    with _pillow_guarded(limits), _reported(what):
        image = _open(data, what)
        _check_size(image, what, limits)
        lossy = _is_lossy(image, data)
        if is_deep(image, data):
            return _picture_of_deep(image, read_deep(image, data, limits), what, lossy)
        return picture_of_image(image, what, lossy=lossy)


@dataclass(frozen=True)
class Header:
    """What a file says before it is decoded: Pillow's name of its format, its size as stored."""

    format: str
    extent: Extent
    has_pages: bool


def read_header(data: bytes, what: str) -> Header:
    """The header of one file, of any size; nothing is decoded. Raises ``UnreadableFile``."""
    with _pillow_guarded(Limits(pixels=_ANY_PIXELS)), _reported(what):
        image = _open(data, what)
        extent, kind = Extent(*image.size), image.format or ""
        has_pages = kind == "TIFF" and bool(getattr(image, "is_animated", False))
    return Header(kind, extent, has_pages)


def picture_of_image(image: Image.Image, what: str, *, lossy: bool | None = None) -> Picture:
    """A PIL image, decoded or not, as a picture. Raises ``UnreadableFile`` and ``OutOfMemory``."""
    with _reported(what):
        notes = _frame_notes(image)
        image.load()
        if is_deep(image, b""):
            return _picture_of_deep(image, read_deep(image, b""), what, lossy=False)
        profiled = to_rgb_profile(image)
        pixels = _upright(_rgba8(profiled.image), _orientation(image))
    if lossy is None:
        lossy = image.format in _LOSSY_FORMATS
    return _picture(image, pixels, profiled, (*notes, *profiled.notes), lossy)


def _picture_of_deep(image: Image.Image, deep: DeepPicture, what: str, lossy: bool) -> Picture:
    if deep.pixels is None:
        raise UnreadableFile(
            f"{what} holds {deep.kind}, which is not read.", advice="Save it as 16-bit RGB first."
        )
    profiled = to_rgb_profile(image, deep.pixels)
    pixels = _upright(profiled.pixels, _orientation(image))
    notes = (*_frame_notes(image), *deep.notes, *profiled.notes)
    return _picture(image, pixels, profiled, notes, lossy)


def _picture(
    image: Image.Image, pixels: Pixels, profiled: Profiled, notes: tuple[str, ...], lossy: bool
) -> Picture:
    return Picture(
        pixels, icc_profile=profiled.icc, dpi=_dpi(image), lossy=lossy, notes=tuple(notes)
    )


def _open(data: bytes, what: str) -> Image.Image:
    Image.init()  # registers every plugin; a format not yet registered would be a KeyError
    if data.startswith(b"\xff\xd8"):
        check_exif(jpeg_exif(data), what)
    try:
        return Image.open(_Metered(data), formats=_PILLOW_FORMATS)
    except Image.UnidentifiedImageError as error:
        raise UnreadableFile(
            f"{what} is not a picture, or it is broken from its first bytes on.",
            advice="PNG, JPEG, TIFF, WebP, GIF, BMP, AVIF and PSD are read.",
        ) from error
    except Image.DecompressionBombError as error:
        raise UnreadableFile(
            f"{what} has more pixels than the limit allows.",
            advice="Raise the limit with --max-pixels if you trust the file.",
        ) from error


class _Metered(io.BytesIO):
    """Gives a few times its bytes, and no more: the entries of a TIFF may all lie in one place."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._left = len(data) * _READS + _FREE_BYTES

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self._left -= len(data)
        if self._left < 0:
            raise OSError("the same bytes are read over and over")
        return data


def _check_size(image: Image.Image, what: str, limits: Limits) -> None:
    check_exif(image.info.get("exif"), what)
    extent = Extent(*image.size)
    limits.check_extent(extent, what)
    if extent.longest_side > MAX_SIDE:
        raise UnreadableFile(f"{what} is {extent} pixels; sides go to {MAX_SIDE:,}.")
    if image.format == "TIFF":
        tags = getattr(image, "tag_v2", {})
        tile = Extent(int(tags.get(_TILE_WIDTH, 1)), int(tags.get(_TILE_LENGTH, 1)))
        limits.check_extent(tile, f"A tile of {what}")


@contextmanager
def _pillow_guarded(limits: Limits) -> Iterator[None]:
    """Pillow's own size limit is a global; ours is set for the time of one file."""
    with _pillow_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = Image.MAX_IMAGE_PIXELS
        Image.MAX_IMAGE_PIXELS = limits.pixels
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = before


@contextmanager
def _reported(what: str) -> Iterator[None]:
    try:
        yield
    except MemoryError as error:
        raise OutOfMemory(f"{what} needs more memory than this machine has free.") from error
    except _DECODER_ERRORS as error:
        raise UnreadableFile(f"{what} is broken: {_reason(error)}.") from error


def _reason(error: Exception) -> str:
    if "truncated" in str(error).lower() or isinstance(error, EOFError):
        return "the file ends too early"
    return "its data cannot be decoded"


def _rgba8(image: Image.Image) -> Pixels:
    """Any 8-bit mode to (h, w, 4); transparency of palettes and colour keys becomes alpha."""
    if image.mode in ("RGBa", "La"):
        return _straight(image)
    if image.mode == "RGBA":
        return np.array(image)
    return np.array(image.convert("RGBA"))


def _straight(image: Image.Image) -> Pixels:
    bands = np.array(image)
    premul = np.dstack([bands[..., :1]] * 3 + [bands[..., 1:]]) if image.mode == "La" else bands
    return to_u8(unpremultiply(to_float(premul)))


def _orientation(image: Image.Image) -> int:
    value = image.getexif().get(_ORIENTATION, 1)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _upright(pixels: NDArray, orientation: int) -> NDArray:
    """Undo an EXIF orientation: 2 mirrored, 3 turned by 180, 4 flipped, 5 to 8 lying."""
    turned = pixels.swapaxes(0, 1) if orientation >= 5 else pixels
    if orientation in (3, 4, 7, 8):
        turned = turned[::-1]
    if orientation in (2, 3, 6, 7):
        turned = turned[:, ::-1]
    return np.ascontiguousarray(turned)


def _dpi(image: Image.Image) -> float:
    try:
        dpi = float(image.info["dpi"][0])
    except (KeyError, TypeError, ValueError, IndexError, ZeroDivisionError):
        return 72.0
    return dpi if math.isfinite(dpi) and 1 <= dpi <= 1e5 else 72.0


def _frame_notes(image: Image.Image) -> tuple[str, ...]:
    if image.format == "TIFF" and getattr(image, "is_animated", False):
        count = _page_count(image)
    else:
        count = str(getattr(image, "n_frames", 1))
    if count == "1":
        return ()
    return (f"The file holds {count} pictures; only the first one was taken.",)


def _page_count(image: Image.Image) -> str:
    """In words where it is large or where a page is damaged; leaves the image at its first."""
    try:
        image.seek(_COUNTED)
    except EOFError:
        return str(getattr(image, "n_frames", 1))
    except _DECODER_ERRORS:
        return "several"
    finally:
        image.seek(0)
    return f"over {_COUNTED}"


def _is_lossy(image: Image.Image, data: bytes) -> bool:
    if image.format == "WEBP":
        return b"VP8L" not in data[:4096]
    return image.format in _LOSSY_FORMATS or image.info.get("compression") == "jpeg"
