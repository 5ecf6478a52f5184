"""Pictures with more than 8 bits per channel, which Pillow would cut down when it opens them.

PNG goes through imagecodecs, TIFF through tifffile; both raise for data that ends too early.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from layerstudio.color import Pixels, to_float, to_u16, unpremultiply
from layerstudio.io.limits import DEFAULT_LIMITS, Limits
from layerstudio.io.tiff_checks import check_page
from layerstudio.picture import with_alpha

_WIDE_MODES = ("I", "F")


@dataclass(frozen=True)
class DeepPicture:
    """``pixels`` (h, w, 4) uint16, or None where ``kind`` is something that is not read."""

    pixels: Pixels | None
    kind: str = ""
    notes: tuple[str, ...] = ()


def is_deep(image: Image.Image, data: bytes) -> bool:
    """Whether the file has more bits than Pillow's mode shows, or the mode has more than 8."""
    if image.mode in _WIDE_MODES or image.mode.startswith("I;"):
        return True
    if image.format == "PNG":
        return data[24:25] == b"\x10"  # IHDR's bit depth, PNG specification 11.2.2
    if image.format == "TIFF" and data:
        bits = getattr(image, "tag_v2", {}).get(258, (8,))  # TIFF 6.0, tag BitsPerSample
        return max(bits) > 8
    return False


def read_deep(image: Image.Image, data: bytes, limits: Limits = DEFAULT_LIMITS) -> DeepPicture:
    """Decode what ``is_deep`` found; without ``data`` the image's own pixels are taken.

    Raises ``UnreadableFile`` for a TIFF whose first page is beyond ``limits``.
    """
    if data and image.format == "PNG":
        return DeepPicture(_rgba16(imagecodecs.png_decode(data)))
    if data and image.format == "TIFF":
        return _read_tiff(data, limits)
    values, notes = _to_u16(np.array(image))
    return DeepPicture(_rgba16(values), notes=notes)


def _read_tiff(data: bytes, limits: Limits) -> DeepPicture:
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages.first
        # Pillow and tifffile need not agree on what a damaged page says.
        check_page(page, "The picture", limits)
        photometric = page.photometric
        if photometric not in (
            tifffile.PHOTOMETRIC.MINISBLACK,
            tifffile.PHOTOMETRIC.MINISWHITE,
            tifffile.PHOTOMETRIC.RGB,
        ):
            name = getattr(photometric, "name", str(photometric))
            return DeepPicture(None, kind=f"{name} at more than 8 bits")
        values = page.asarray()
        if page.planarconfig == tifffile.PLANARCONFIG.SEPARATE and values.ndim == 3:
            values = np.moveaxis(values, 0, -1)
        extra = page.extrasamples
    if values.dtype.kind == "c" or values.ndim not in (2, 3):
        return DeepPicture(None, kind=f"an array of shape {values.shape} {values.dtype}")
    channels, notes = _to_u16(_full_range(values, page.bitspersample))
    if photometric == tifffile.PHOTOMETRIC.MINISWHITE:
        channels = 65535 - channels
    return _with_extra_samples(channels, extra, notes)


def _full_range(values: NDArray, bits: int) -> NDArray:
    """10, 12 or 14 bits stretched to 16; tifffile returns them as they lie in the file."""
    if values.dtype == np.uint16 and bits < 16:
        return to_u16(values / np.float32(2**bits - 1))
    return values


def _with_extra_samples(values: NDArray, extra: tuple, notes: tuple[str, ...]) -> DeepPicture:
    """TIFF 6.0 section 18: 1 is premultiplied alpha, 2 straight alpha, 0 something else."""
    values = values[..., None] if values.ndim == 2 else values
    colours = 3 if values.shape[2] >= 3 else 1
    if values.shape[2] == colours:
        return DeepPicture(_rgba16(values), notes=notes)
    kind = int(extra[0]) if extra else 2  # writers that leave the tag out mean alpha
    if kind == 0:
        note = "An extra channel of unknown meaning was left out."
        return DeepPicture(_rgba16(values[..., :colours]), notes=(*notes, note))
    rgba = _rgba16(values[..., : colours + 1])
    if kind == 1:
        rgba = to_u16(unpremultiply(to_float(rgba)))
    return DeepPicture(rgba, notes=notes)


def _rgba16(values: NDArray) -> Pixels:
    return with_alpha(values[..., None] if values.ndim == 2 else values)


def _to_u16(values: NDArray) -> tuple[NDArray, tuple[str, ...]]:
    """Any real numbers as uint16; integers by the range of their type, floats by 0..1.

    Floats beyond 1 are divided by the largest: a file that counts to 255 keeps its picture.
    """
    if values.dtype == np.uint16:
        return values, ()
    if values.dtype == np.uint32:
        return to_u16(values / np.float64(2**32 - 1)), ("32 bits were rounded to 16.",)
    if values.dtype.kind in "iu" and values.min() >= 0 and values.max() <= 65535:
        return values.astype(np.uint16), ()
    finite = np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=1.0, neginf=0.0)
    low, high = min(float(finite.min()), 0.0), max(float(finite.max()), 1.0)
    scaled = to_u16((finite - low) / (high - low))
    if (low, high) == (0.0, 1.0):
        return scaled, ("Floating point values were rounded to 16 bits.",)
    return scaled, (f"Values from {low:g} to {high:g} were scaled to 16 bits.",)
