"""One channel of a PSD from bytes, whatever packed them: the counterpart of ``psd_channels``.

psd-tools' own ``decompress`` answers a damaged channel with black and a warning; a wrong picture
is worse than an error, so only its row decoder is used here.
"""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray
from psd_tools.compression import decode_rle

from layerstudio.errors import UnreadableFile
from layerstudio.io.psd_format import Compression

# PackBits packs at most 128 bytes into 2, deflate at most 1032 into 1 (its specification's
# longest match in the shortest code); what claims to hold more is not a channel of that size.
_MAX_EXPANSION = {Compression.RLE: 64, Compression.ZIP: 1040, Compression.ZIP_PREDICTED: 1040}
_HARMLESS_BYTES = 2**20


def decode(
    data: bytes, compression: int, shape: tuple[int, int], depth: int, version: int
) -> NDArray:
    """A channel's data, without the word that names the compression, as (h, w).

    ``depth`` is 1 (one row of bits per line, True where inked, as ``bool``), 8, 16 (native
    uint8, uint16) or 32 (float32). Raises ``UnreadableFile`` for data of another size than
    ``shape`` needs, before anything of that size is allocated.
    """
    height, width = shape
    row_bytes = (width * depth + 7) // 8
    size = row_bytes * height
    if size == 0:
        return np.zeros(shape, _DTYPES[depth].newbyteorder("="))
    kind = _compression(compression)
    if size > max(len(data) * _MAX_EXPANSION.get(kind, 1), _HARMLESS_BYTES):
        raise _broken(f"holds {len(data):,} bytes for {size:,}")
    if kind is Compression.RAW:
        raw = data[:size]
    elif kind is Compression.RLE:
        raw = _unpack_rows(data, shape, depth, version)
    else:
        raw = _inflate(data, size)
    if len(raw) != size:
        raise _broken(f"unpacks to {len(raw):,} bytes, not {size:,}")
    return _samples(raw, shape, depth, predicted=kind is Compression.ZIP_PREDICTED)


_DTYPES = {1: np.dtype(bool), 8: np.dtype("u1"), 16: np.dtype(">u2"), 32: np.dtype(">f4")}


def _unpack_rows(data: bytes, shape: tuple[int, int], depth: int, version: int) -> bytes:
    """psd-tools' decoder pads short rows and clips long ones, as writers differ in what they do
    at a row's end; a table that points beyond the data is damage."""
    height, width = shape
    table = np.dtype(">u2" if version == 1 else ">u4")
    if len(data) < height * table.itemsize:
        raise _broken("ends inside its table of rows")
    counts = np.frombuffer(data, table, height)
    if height * table.itemsize + int(counts.sum(dtype=np.int64)) > len(data):
        raise _broken("ends before its last row")
    try:
        return decode_rle(data, width, height, depth, version)
    except (ValueError, OSError) as error:
        raise _broken("cannot be unpacked") from error


def _inflate(data: bytes, size: int) -> bytes:
    """At most ``size`` + 1 bytes of the stream, so that a bomb stays small."""
    try:
        return zlib.decompressobj().decompress(data, size + 1)
    except zlib.error as error:
        raise _broken("is not a deflate stream") from error


def _samples(raw: bytes, shape: tuple[int, int], depth: int, *, predicted: bool) -> NDArray:
    height, width = shape
    if depth == 1:
        bits = np.frombuffer(raw, np.uint8).reshape(height, -1)
        return np.unpackbits(bits, axis=1, count=width).view(bool)
    if depth == 32 and predicted:
        # The four bytes of a row's floats stand in four planes, most significant first.
        planes = np.frombuffer(raw, np.uint8).reshape(height, 4 * width)
        summed = np.cumsum(planes, axis=1, dtype=np.uint8).reshape(height, 4, width)
        raw = np.ascontiguousarray(summed.transpose(0, 2, 1)).tobytes()
        predicted = False
    stored = np.frombuffer(raw, _DTYPES[depth]).reshape(shape)
    samples = stored.astype(stored.dtype.newbyteorder("="), copy=False)
    return np.cumsum(samples, axis=1, dtype=samples.dtype) if predicted else samples


def _compression(value: int) -> Compression:
    try:
        return Compression(value)
    except ValueError as error:
        raise _broken(f"has the unknown compression {value}") from error


def _broken(what: str) -> UnreadableFile:
    return UnreadableFile(f"The file is damaged: a channel {what}.")
