"""TIFF pages as layers: our own files exactly, anyone's as pixels with notes."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from tifffile import TiffFile, TiffFileError, TiffPage

from layerstudio.color import Pixels, full_scale, to_depth, to_float, to_u16, unpremultiply
from layerstudio.document import Document, Layer
from layerstudio.errors import UnreadableFile
from layerstudio.geometry import MAX_SIDE, Bounds, Extent
from layerstudio.io import manifest, recipe
from layerstudio.io.limits import Limits
from layerstudio.io.profiles import rgb_profile
from layerstudio.io.tiff_checks import (
    MAX_CLAIM,
    MAX_SEGMENTS,
    check_page,
    packed_bytes,
    segments,
)

XMP = 700
_ICC, _PAGE_NAME, _X_POSITION, _Y_POSITION = 34675, 285, 286, 287
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _CMYK, _YCBCR = 0, 1, 2, 3, 5, 6
_ASSOCIATED = 1  # ExtraSamples: premultiplied
_CENTIMETRE = 3
_COPY = 1 | 4  # NewSubfileType: a reduced copy, or a mask, of another page
_REFERENCE = re.compile(r"(?:page (\d{1,6}))?(?:, )?(?:alpha (\d{1,6}))?")
# What tifffile and the codecs raise for damaged files.
_BAD_TIFF = (
    TiffFileError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    ZeroDivisionError,
    OverflowError,
    RuntimeError,
    NotImplementedError,
    MemoryError,
    AssertionError,
    EOFError,
    OSError,
    struct.error,
    zlib.error,
    imagecodecs.DelayedImportError,
)


def read_tiff(path: Path, limits: Limits) -> Document:
    """The document; raises ``UnreadableFile`` for damaged files and beyond ``limits``."""
    try:
        if path.stat().st_size > limits.file_bytes:
            raise UnreadableFile(f"{path.name!r} is larger than {limits.file_bytes:,} bytes.")
        with TiffFile(path) as tiff:
            pages = _checked_pages(tiff, limits)
            description = (pages[0].description or "").encode(errors="replace")
            limits.check_text(description, "The description")
            data = manifest.loads(description)
            if data is not None:
                return _original(data, pages, limits)
            return _foreign(pages, limits)
    except _BAD_TIFF as error:
        what = str(error) or type(error).__name__
        raise UnreadableFile(f"{path.name!r} is not a sound TIFF: {what[:200]}.") from error


def _checked_pages(tiff: TiffFile, limits: Limits) -> list[TiffPage]:
    """All pages, once their sizes proved to be allowed."""
    pages: list[TiffPage] = []
    total = pieces = claimed = 0
    for index, page in enumerate(_pages(tiff, limits)):
        total += check_page(page, f"Page {index}", limits)
        pieces += segments(page)
        claimed += packed_bytes(page)
        if claimed > tiff.filehandle.size * MAX_CLAIM:
            raise UnreadableFile("The pages claim more bytes than the file has.")
        if total > limits.total_pixels or pieces > limits.nodes + MAX_SEGMENTS:
            raise UnreadableFile(f"The pages have more than {limits.total_pixels:,} pixels.")
        pages.append(page)
    if not pages:
        raise UnreadableFile("The TIFF has no pages.")
    return pages


def _pages(tiff: TiffFile, limits: Limits) -> Iterator[TiffPage]:
    """One by one: their number is not asked for, as it has no end where pages form a circle."""
    seen: set[int] = set()
    tiff.pages.useframes = False
    for index in range(limits.nodes + 1):
        try:
            page = tiff.pages.get(index)
        except IndexError:
            return
        if not isinstance(page, TiffPage) or page.offset in seen:
            raise UnreadableFile(f"Page {index} is not a picture.")
        seen.add(page.offset)
        yield page
    raise UnreadableFile(f"There are more than {limits.nodes:,} pages.")


def _original(data: Mapping[str, Any], pages: Sequence[TiffPage], limits: Limits) -> Document:
    """The document that was written, from its manifest."""
    grays: Sequence[Any] = pages[0].pages or ()
    arrays: dict[manifest.Ref, NDArray] = {}
    for item in manifest.references(data, limits):
        page_number, gray_number = _numbers(item.ref)
        gray = None
        if gray_number is not None:
            gray = _sized(grays[gray_number].aspage(), item, limits)
        if item.is_mask or page_number is None:
            if gray is None:
                raise UnreadableFile(f"The manifest is damaged: {item.ref!r} is no mask.")
            arrays[item.ref] = gray
            continue
        pixels = _sized(pages[page_number], item, limits)
        if gray is not None:
            pixels = pixels.copy()
            pixels[..., 3] = gray
        arrays[item.ref] = pixels
    return manifest.restore(data, arrays)


def _numbers(ref: manifest.Ref) -> tuple[int | None, int | None]:
    match = _REFERENCE.fullmatch(str(ref))
    if match is None or not any(match.groups()):
        raise UnreadableFile(f"The manifest is damaged: {str(ref)[:80]!r} is no page.")
    page, gray = (None if group is None else int(group) for group in match.groups())
    return page, gray


def _sized(page: TiffPage, item: manifest.Reference, limits: Limits) -> NDArray:
    """The pixels of a page, once it is known to have the size that the manifest says."""
    check_page(page, "A page", limits)
    extent = Extent(page.imagewidth, page.imagelength)
    if extent != item.extent:
        raise UnreadableFile(f"A page is {extent} pixels, not {item.extent}.")
    return page.asarray()


def _foreign(pages: Sequence[TiffPage], limits: Limits) -> Document:
    """A layer per page, the first one at the bottom."""
    reader = _Reader(limits)
    shown = [page for page in pages if not page.subfiletype & _COPY]
    if not shown:
        raise UnreadableFile("The TIFF has only copies and masks, no picture.")
    layers = [reader.layer(page, index) for index, page in enumerate(shown)]
    if len(layers) < len(pages):
        reader.notes.append("Smaller copies and masks among the pages were left out.")
    dpi = _dpi(pages[0])
    extent = Bounds.around([Bounds(0, 0, 1, 1), *(layer.bounds for layer in layers)]).extent
    limits.check_extent(extent, "The canvas")
    document = Document(
        extent=extent,
        children=tuple(layers),
        icc_profile=rgb_profile(pages[0].tags.valueof(_ICC)),
        dpi=dpi if 0 < dpi < 1e6 else 72.0,
        notes=tuple(dict.fromkeys(reader.notes)),
    )
    packet = pages[0].tags.valueof(XMP)
    return recipe.apply(recipe.from_xmp(packet) if isinstance(packet, bytes) else None, document)


@dataclass
class _Reader:
    """Pages to layers, noting what is changed."""

    limits: Limits
    notes: list[str] = field(default_factory=list)

    def layer(self, page: TiffPage, index: int) -> Layer:
        name = page.tags.valueof(_PAGE_NAME)
        if isinstance(name, str):
            self.limits.check_name(name)
        pixels = self._pixels(page, index)
        dpi = _dpi(page)
        x, y = (_place(page, code, dpi) for code in (_X_POSITION, _Y_POSITION))
        return Layer(
            name=name if isinstance(name, str) and name else f"Page {index + 1}",
            bounds=Bounds(x, y, *Extent.of(pixels)),
            pixels=pixels,
        )

    def _pixels(self, page: TiffPage, index: int) -> Pixels:
        values = _channels_last(page)
        kind, colours = int(page.photometric), _colours(page)
        if kind == _PALETTE:
            values = _palette(page, values)
        elif kind in (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _YCBCR, _CMYK):
            values = _integers(values, page.bitspersample)
        else:
            raise UnreadableFile(f"Page {index + 1} has colours that cannot be read ({kind}).")
        if page.dtype is not None and page.dtype.kind == "f":
            self.notes.append("Colours of floating point were cut to 0..1 and rounded to 16 bits.")
        color = values[..., :colours]
        if kind == _WHITE_IS_ZERO:
            color = full_scale(values.dtype) - color
        if kind == _CMYK:
            self.notes.append("CMYK was converted to RGB without its colour profile.")
            color = _from_cmyk(color)
        rgba: NDArray = np.empty((*values.shape[:2], 4), values.dtype)
        rgba[..., :3] = color
        rgba[..., 3] = values[..., colours] if values.shape[2] > colours else full_scale(rgba.dtype)
        if values.shape[2] > colours + 1:
            self.notes.append("Channels beyond colour and alpha were left out.")
        if page.extrasamples and int(page.extrasamples[0]) == _ASSOCIATED:
            rgba = to_depth(unpremultiply(to_float(rgba)), rgba.dtype)
        return rgba


def _channels_last(page: TiffPage) -> NDArray:
    """(h, w, channels), whatever the planar configuration."""
    values = np.squeeze(page.asarray())
    shape = (page.imagelength, page.imagewidth)
    if page.samplesperpixel > 1 and int(page.planarconfig) == 2:
        return np.moveaxis(values.reshape(page.samplesperpixel, *shape), 0, -1)
    return values.reshape(*shape, -1)


def _colours(page: TiffPage) -> int:
    kind = int(page.photometric)
    return {_RGB: 3, _YCBCR: 3, _CMYK: 4, _PALETTE: 3}.get(kind, 1)


def _integers(values: NDArray, bits: int) -> Pixels:
    """Any sample type as uint8 or uint16, full scale for full scale."""
    if values.dtype.kind == "f":
        return to_u16(np.nan_to_num(values.astype(np.float32), nan=0, posinf=1, neginf=0))
    if values.dtype == bool:
        return values.astype(np.uint8) * np.uint8(255)
    if values.dtype.kind != "u" or bits > 32:
        raise UnreadableFile(f"Samples of type {values.dtype} cannot be read.")
    if bits in (8, 16) and values.dtype.itemsize * 8 == bits:
        native: NDArray = values.astype(values.dtype.newbyteorder("="), copy=False)
        return native
    scaled = values.astype(np.float64) * (65535 / (2**bits - 1))
    return np.rint(scaled).astype(np.uint16)


def _palette(page: TiffPage, values: NDArray) -> Pixels:
    colormap = page.colormap
    if colormap is None:
        raise UnreadableFile("A page with a palette has none.")
    # Writers fill the 16 bits of an entry as v * 256 or v * 257: the high byte is v in both.
    return (colormap.T[values[..., 0]] >> 8).astype(np.uint8)


def _from_cmyk(cmyk: NDArray) -> NDArray:
    """RGB = (1 - ink)(1 - key), the conversion of TIFF 6.0, section 16, read backwards."""
    light = 1 - to_float(cmyk)
    return to_depth(light[..., :3] * light[..., 3:], cmyk.dtype)


def _dpi(page: TiffPage) -> float:
    values = page.get_resolution("inch")
    return float(values[0]) if values[0] > 1 else 72.0


def _place(page: TiffPage, code: int, dpi: float) -> int:
    """XPosition or YPosition in pixels; 0 where there is none."""
    value = page.tags.valueof(code)
    if not isinstance(value, tuple) or len(value) != 2 or not value[1]:
        return 0
    units = float(value[0]) / float(value[1])
    if page.resolutionunit == _CENTIMETRE:
        units /= 2.54
    return min(max(round(units * dpi), 0), MAX_SIDE)
