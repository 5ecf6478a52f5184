"""PNG as bytes: 8 and 16 bit, gray or straight RGBA, with profile, resolution and text.

Chunks follow the PNG Specification (Third Edition, W3C 2025); section numbers below are its own.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping

import numpy as np
from imagecodecs import PngError, deflate_encode, png_decode
from numpy.typing import NDArray

from layerstudio.color import Pixels, full_scale
from layerstudio.errors import UnreadableFile
from layerstudio.geometry import Extent
from layerstudio.io.limits import DEFAULT_LIMITS, Limits

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GRAY, _RGBA = 0, 6  # colour types, 11.2.1
_SUB, _UP = 1, 2  # filter types, 9.2
_LEVEL = 1  # measured here: higher levels take twice the time for 6 % fewer bytes
_MAX_CHUNK = 1 << 26  # chunks may have 2**31 - 1 bytes; smaller ones spare readers the buffer
_MAX_ICC = 16 * 2**20  # bytes; real profiles stay below 4 MiB
# Deflate packs at most 1032 bytes into 1 (its specification's longest match in the shortest code).
_MAX_EXPANSION = 1040
_HARMLESS_BYTES = 2**20
_MAX_CHUNKS = 2**20  # of a file; the usual ones of 8 KiB make 8 GiB
_METRES_PER_INCH = 0.0254


def encode_png(
    pixels: NDArray,
    *,
    icc: bytes | None = None,
    dpi: float | None = None,
    text: Mapping[str, str] | None = None,
) -> bytes:
    """A PNG file of (h, w, 4) straight RGBA or (h, w) gray pixels, uint8 or uint16, not empty.

    ``text`` becomes international text chunks; its keys are Latin-1 of 1 to 79 characters.
    """
    height, width = pixels.shape[:2]
    assert height > 0 and width > 0, pixels.shape
    colour_type = _GRAY if pixels.ndim == 2 else _RGBA
    header = struct.pack(">IIBBBBB", width, height, pixels.itemsize * 8, colour_type, 0, 0, 0)
    parts = [_SIGNATURE, _chunk(b"IHDR", header)]
    if icc:
        parts.append(_chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(icc)))
    if dpi is not None:
        per_metre = min(max(1, round(dpi / _METRES_PER_INCH)), 2**31 - 1)
        parts.append(_chunk(b"pHYs", struct.pack(">IIB", per_metre, per_metre, 1)))
    for key, value in (text or {}).items():
        parts.append(_text_chunk(key, value))
    data = memoryview(deflate_encode(_filtered(pixels).tobytes(), _LEVEL, raw=False))
    for start in range(0, len(data), _MAX_CHUNK):
        parts.append(_chunk(b"IDAT", data[start : start + _MAX_CHUNK]))
    parts.append(_chunk(b"IEND", b""))
    return b"".join(parts)


def decode_png(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Pixels:
    """Any PNG as (h, w, 4) straight RGBA, uint8 or uint16.

    Raises ``UnreadableFile`` for damaged data and for more pixels than ``limits`` allows.
    """
    values = _decode(data, limits)
    if values.ndim == 2:
        values = values[..., None]
    channels = values.shape[2]
    if channels == 4:
        return values
    rgba: NDArray = np.empty((*values.shape[:2], 4), values.dtype)
    rgba[..., :3] = values[..., :3] if channels == 3 else values[..., :1]
    rgba[..., 3] = values[..., 1] if channels == 2 else full_scale(values.dtype)
    return rgba


def decode_gray_png(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Pixels:
    """A PNG without colour as (h, w); raises ``UnreadableFile`` like ``decode_png``."""
    values = _decode(data, limits)
    if values.ndim != 2:
        raise UnreadableFile("A mask is a PNG with colour, not one of gray values.")
    return values


def png_extent(data: bytes) -> Extent:
    """The size that the header states; raises ``UnreadableFile`` where there is none."""
    if len(data) < 33 or not data.startswith(_SIGNATURE) or data[12:16] != b"IHDR":
        raise UnreadableFile("A PNG picture is damaged: it has no header.")
    width, height = struct.unpack(">II", data[16:24])
    return Extent(width, height)


def _decode(data: bytes, limits: Limits) -> Pixels:
    extent = png_extent(data)
    limits.check_extent(extent, "A PNG picture")
    # 11.2.1: eight bits or more a pixel; palettes and one bit go down to an eighth of it.
    if extent.pixel_count // 8 > max(len(data) * _MAX_EXPANSION, _HARMLESS_BYTES):
        raise UnreadableFile(f"A PNG picture is damaged: {len(data):,} bytes for {extent} pixels.")
    try:
        return png_decode(data)
    except (PngError, ValueError, MemoryError) as error:
        raise UnreadableFile(f"A PNG picture is damaged: {error}.") from error


def _filtered(pixels: NDArray) -> NDArray[np.uint8]:
    """(h, 1 + row bytes): each row behind its filter type; one filter for the whole picture."""
    height = pixels.shape[0]
    big_endian = np.ascontiguousarray(pixels.astype(pixels.dtype.newbyteorder(">"), copy=False))
    rows = big_endian.view(np.uint8).reshape(height, -1)
    step = rows.shape[1] // pixels.shape[1]
    out = np.empty((height, rows.shape[1] + 1), np.uint8)
    if _prefers_sub(rows, step):
        out[:, 0] = _SUB
        out[:, 1 : step + 1] = rows[:, :step]
        np.subtract(rows[:, step:], rows[:, :-step], out=out[:, step + 1 :])
    else:
        out[:, 0] = _UP
        out[0, 1:] = rows[0]
        np.subtract(rows[1:], rows[:-1], out=out[1:, 1:])
    return out


def _prefers_sub(rows: NDArray[np.uint8], step: int) -> bool:
    """Whether differences along rows are smaller than across, by a sample of the rows (12.7)."""
    sampled = range(1, rows.shape[0], max(1, rows.shape[0] // 64))
    along = sum(_size(rows[y, step:] - rows[y, :-step]) for y in sampled)
    across = sum(_size(rows[y, step:] - rows[y - 1, step:]) for y in sampled)
    return along < across


def _size(differences: NDArray[np.uint8]) -> int:
    return int(np.abs(differences.view(np.int8).astype(np.int16)).sum())


def _chunk(kind: bytes, data: bytes | memoryview) -> bytes:
    checksum = zlib.crc32(data, zlib.crc32(kind))
    return b"".join((struct.pack(">I", len(data)), kind, data, struct.pack(">I", checksum)))


def _text_chunk(key: str, value: str) -> bytes:
    """iTXt, 11.3.3.4, not compressed, so that the recipe can be found by a plain search."""
    assert 1 <= len(key) <= 79, key
    return _chunk(b"iTXt", key.encode("latin-1") + b"\0\0\0\0\0" + value.encode())


def png_text(data: bytes) -> dict[str, str]:
    """Texts of the iTXt chunks that are not compressed, as ``encode_png`` writes them."""
    texts = {}
    for kind, body in _chunks(data):
        key, _, rest = body.partition(b"\0")
        if kind == b"iTXt" and rest.startswith(b"\0\0"):
            _language, _, rest = rest[2:].partition(b"\0")
            _translated, _, value = rest.partition(b"\0")
            texts[key.decode("latin-1")] = value.decode("utf-8", errors="replace")
    return texts


def png_icc(data: bytes) -> bytes | None:
    """The ICC profile of a PNG file; None where there is none that can be read."""
    for kind, body in _chunks(data):
        if kind == b"iCCP":
            _name, _, packed = body.partition(b"\0")
            try:
                return zlib.decompressobj().decompress(packed[1:], _MAX_ICC) or None
            except zlib.error:
                return None
        if kind == b"IDAT":
            break
    return None


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = len(_SIGNATURE)
    for _ in range(_MAX_CHUNKS):
        if place + 12 > len(data):
            return
        (size,) = struct.unpack_from(">I", data, place)
        yield data[place + 4 : place + 8], data[place + 8 : place + 8 + size]
        place += 12 + size
