"""One channel of a PSD into bytes: Apple's PackBits per row, or deflate over row differences."""

from __future__ import annotations

from typing import NamedTuple

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from layerstudio.io.psd_format import Compression

# libdeflate's fastest level: beyond it, differences of pixels shrink by under 1 % here.
_DEFLATE_LEVEL = 1


class Rows(NamedTuple):
    """PackBits rows: the packed length of each, and all of them in one piece."""

    counts: list[int]
    packed: bytes


def encode(plane: NDArray, compression: Compression, version: int) -> bytes:
    """``plane`` (h, w) uint8 or uint16 as a layer's channel: compression, then its data.

    PSD (version 1) stores packed row lengths in 16 bits; a plane whose rows do not fit is
    deflated instead, which has no such limit. 16 bits are deflated without differences: Krita 5.1
    puts those together wrongly.
    """
    if plane.size == 0:
        return _word(Compression.RAW)
    if compression is Compression.RLE:
        rows = packbits(plane)
        if version == 2 or max(rows.counts) < 2**16:
            return _word(compression) + row_counts(rows, version) + rows.packed
    if plane.dtype == np.uint8:
        return _word(Compression.ZIP_PREDICTED) + _deflate(_differences(plane).tobytes())
    return _word(Compression.ZIP) + _deflate(big_endian(plane).tobytes())


def packbits(plane: NDArray) -> Rows:
    """Each row of ``plane`` (h, w) uint8 or uint16, big-endian, packed by itself."""
    rows = memoryview(big_endian(plane).tobytes())
    step = plane.shape[1] * plane.itemsize
    encode_row = imagecodecs.packbits_encode
    packed = [encode_row(rows[at : at + step]) for at in range(0, len(rows), step)]
    return Rows([len(row) for row in packed], b"".join(packed))


def row_counts(rows: Rows, version: int) -> bytes:
    """The table of packed lengths that comes before the rows."""
    return np.asarray(rows.counts, ">u2" if version == 1 else ">u4").tobytes()


def big_endian(plane: NDArray) -> NDArray:
    """The same values, contiguous and in the file's byte order."""
    return np.ascontiguousarray(plane, plane.dtype.newbyteorder(">"))


def _differences(plane: NDArray) -> NDArray:
    """Each sample minus its left neighbour, modulo its range."""
    encoded = plane.copy()
    np.subtract(plane[:, 1:], plane[:, :-1], out=encoded[:, 1:])
    return encoded


def _deflate(data: bytes) -> bytes:
    return bytes(imagecodecs.deflate_encode(data, _DEFLATE_LEVEL))


def _word(value: int) -> bytes:
    return int(value).to_bytes(2, "big")
