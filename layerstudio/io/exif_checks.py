"""EXIF blocks that would take far more memory than they have bytes.

Pillow keeps a copy of every entry's value, and entries may share their bytes: 60 KB can claim
300 MB (EXIF 2.32, 4.6.2: the directories of TIFF 6.0).
"""

from __future__ import annotations

import struct

from layerstudio.errors import UnreadableFile

_MARK = b"Exif\0\0"
_VALUE_BYTES = (0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4)  # of one value, by type
_HARMLESS = 2**20
_MAX_CLAIM = 4  # times the bytes of the block


def check_exif(block: object, what: str) -> None:
    """Raise ``UnreadableFile`` for a block (with or without its mark) that claims too much.

    Anything that is no such block passes: whoever reads it finds nothing in it.
    """
    if not isinstance(block, bytes):
        return
    body = block.removeprefix(_MARK)
    if len(body) < 8 or _claimed(body) <= max(len(body) * _MAX_CLAIM, _HARMLESS):
        return
    raise UnreadableFile(f"{what} is damaged: its EXIF data claims more than it has.")


def jpeg_exif(data: bytes) -> bytes:
    """The EXIF segments of a JPEG in one piece, as its decoder joins them (ITU-T T.81, B.1.1.4)."""
    parts, place = [], 2
    while place + 4 <= len(data) and data[place] == 0xFF:
        marker, size = data[place + 1], int.from_bytes(data[place + 2 : place + 4])
        if marker == 0xFF:  # a filling byte
            place += 1
            continue
        segment = data[place + 4 : place + 2 + size]
        if marker == 0xE1 and segment.startswith(_MARK):
            parts.append(segment.removeprefix(_MARK))
        if marker == 0xDA or size < 2:
            break
        place += 2 + size
    return b"".join(parts)


def _claimed(body: bytes) -> int:
    """Bytes of all values of the first directory."""
    order = "<" if body.startswith(b"II") else ">"
    (place,) = struct.unpack_from(order + "I", body, 4)
    if place + 2 > len(body):
        return 0
    (count,) = struct.unpack_from(order + "H", body, place)
    end = min(place + 2 + 12 * count, len(body) - (len(body) - place - 2) % 12)
    entries = struct.iter_unpack(order + "HHI4x", body[place + 2 : end])
    return sum(_VALUE_BYTES[kind] * n for _, kind, n in entries if kind < len(_VALUE_BYTES))
