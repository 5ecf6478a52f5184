"""A document as the bytes of a PSD or PSB.

We write the format ourselves, for speed and because psd-tools 1.26 as a writer would have to be
worked around in each of these (``tests/io/test_psd_traps.py`` has a test for every one):

- names outside MacRoman fail at save, names over 255 characters at creation;
- a document of mode RGB turns a layer's alpha into a mask, one of mode RGBA does not flag its
  fourth merged channel as transparency;
- ``save`` recomposites the whole document slowly and stores the result unpacked;
- an edge over 30,000 pixels fails even for PSB, whose header version must be set by hand before
  the first layer is made;
- there is no argument for an ICC profile, a resolution, XMP or a thumbnail.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np

from layerstudio.color import Pixels, full_scale, to_depth
from layerstudio.composite import composite_pixels
from layerstudio.document import BlendMode, Document, Group, Layer, Mask, Node
from layerstudio.geometry import Bounds
from layerstudio.io import psd_channels, psd_resources
from layerstudio.io.psd_format import (
    BLEND_KEYS,
    MAX_NAME_UNITS,
    Channel,
    Compression,
    Section,
)
from layerstudio.ops.bleed import bleed

_RGB = 3  # "File Header Section": colour mode
_HIDDEN = 1 << 1
_BIT_4_MEANS_SOMETHING = 1 << 3
_NO_PIXELS_OF_ITS_OWN = 1 << 4
_MASK_DISABLED = 1 << 1
_LOCK_ALL = 0x8000_0000
_NOWHERE = Bounds(0, 0, 0, 0)
_BOUNDARY_NAME = "</Layer group>"
# Every thread holds a layer's planes; more than this only take memory.
_MAX_THREADS = 8

Packed = list[tuple[int, bytes]]  # (channel id, packed data)


@dataclass(frozen=True)
class Style:
    """How a file is written: ``version`` 1 is PSD, 2 is PSB; ``depth`` is the pixels' type."""

    version: int
    depth: np.dtype
    compression: Compression

    @property
    def bits(self) -> int:
        return self.depth.itemsize * 8

    def length(self, value: int) -> bytes:
        """A length that grew from 4 to 8 bytes with PSB."""
        return struct.pack(">I" if self.version == 1 else ">Q", value)


@dataclass
class _Record:
    """One entry of the flat list that holds the tree: a layer, or either end of a group."""

    node: Node
    section: Section | None = None
    bounds: Bounds = _NOWHERE
    channels: Packed | None = None


def encode(document: Document, style: Style) -> list[bytes]:
    """The file in pieces, in order. Compositing and packing share the processor's cores."""
    records = list(_records(document.children))
    threads = min(os.cpu_count() or 1, _MAX_THREADS)
    with ThreadPoolExecutor(threads) as pool:
        jobs = [pool.submit(_pack, record, style) for record in records]
        matted = _over_white(composite_pixels(document, dtype=style.depth))
        merged = _merged(matted, style, pool)
        head = _header(document, style) + psd_resources.encode(document, matted)
        for record, job in zip(records, jobs, strict=True):
            record.channels = job.result()
    return [head, *_layers_section(records, style), *merged]


def name_of(node: Node) -> str:
    """The name as Photoshop can hold it: at most 255 UTF-16 units, no surrogate alone, no NUL."""
    units = node.name.replace("\0", " ").encode("utf-16-be", "replace")
    return units[: 2 * MAX_NAME_UNITS].decode("utf-16-be", "ignore")


def _records(children: tuple[Node, ...]) -> Iterator[_Record]:
    """Bottom to top: a group is a boundary, its children, and then its own record."""
    for node in children:
        if isinstance(node, Group):
            yield _Record(node, Section.BOUNDARY)
            yield from _records(node.children)
            yield _Record(node, Section.OPEN_FOLDER)
        else:
            yield _Record(node)


def _pack(record: _Record, style: Style) -> Packed:
    """The record's packed channels; sets its bounds to those of the pixels that show."""
    node = record.node
    pixels = np.zeros((0, 0, 4), style.depth)
    if isinstance(node, Layer):
        cropped = node.cropped_to_content()
        if not cropped.is_empty:
            record.bounds = cropped.bounds
            pixels = bleed(to_depth(cropped.pixels, style.depth))
    red, green, blue, alpha = cv2.split(pixels) if pixels.size else [pixels[..., 0]] * 4
    planes = [(Channel.TRANSPARENCY, alpha), (0, red), (1, green), (2, blue)]
    if node.mask is not None and record.section is not Section.BOUNDARY:
        planes.append((Channel.MASK, to_depth(node.mask.pixels, style.depth)))
    # Krita 5.1 refuses files with a mask on a layer any of whose channels is deflated.
    compression = style.compression if node.mask is None else Compression.RLE
    return [
        (int(channel), psd_channels.encode(plane, compression, style.version))
        for channel, plane in planes
    ]


def _header(document: Document, style: Style) -> bytes:
    """ "File Header Section" for RGB with transparency, and an empty "Color Mode Data"."""
    width, height = document.extent
    fields = (b"8BPS", style.version, 4, height, width, style.bits, _RGB)
    return struct.pack(">4sH6xHIIHH", *fields) + struct.pack(">I", 0)


def _layers_section(records: list[_Record], style: Style) -> list[bytes]:
    """ "Layer and Mask Information Section". Deep pixels live in its ``Lr16`` block, as
    Photoshop writes them; the ordinary list is then empty."""
    listed = _layer_list(records, style)
    size = sum(map(len, listed))
    listed.append(b"\0" * (-size % 4))
    size += -size % 4
    no_global_mask = struct.pack(">I", 0)
    if style.bits == 8:
        body = [style.length(size), *listed, no_global_mask]
    else:
        lr16 = b"8BIMLr16" + style.length(size)
        body = [style.length(0), no_global_mask, lr16, *listed]
    return [style.length(sum(map(len, body))), *body]


def _layer_list(records: list[_Record], style: Style) -> list[bytes]:
    """ "Layer info": the records, then the channels of each in the same order.

    A negative count says that the first extra channel of the merged picture is its
    transparency; a list of no layers has no sign to say so.
    """
    pieces = [struct.pack(">h", -len(records))]
    pieces += [_record_bytes(index, record, style) for index, record in enumerate(records, 1)]
    for record in records:
        assert record.channels is not None, record.node.name
        pieces += [data for _, data in record.channels]
    return pieces


def _record_bytes(identity: int, record: _Record, style: Style) -> bytes:
    """ "Layer records"."""
    node, bounds = record.node, record.bounds
    assert record.channels is not None, node.name
    is_boundary = record.section is Section.BOUNDARY
    parts = [
        _rectangle(bounds),
        struct.pack(">H", len(record.channels)),
        *(
            struct.pack(">h", channel) + style.length(len(data))
            for channel, data in record.channels
        ),
        b"8BIM",
        b"norm" if is_boundary else _record_blend(node),
        bytes([255 if is_boundary else round(node.opacity * 255)]),
        bytes([node.clipped and not is_boundary]),
        bytes([_flags(record)]),
        b"\0",
    ]
    extra = _extra(identity, record)
    return b"".join(parts) + struct.pack(">I", len(extra)) + extra


def _record_blend(node: Node) -> bytes:
    """Photoshop keeps a group's pass-through in its section divider only."""
    return BLEND_KEYS[BlendMode.NORMAL if node.blend is BlendMode.PASS_THROUGH else node.blend]


def _flags(record: _Record) -> int:
    is_boundary = record.section is Section.BOUNDARY
    flags = _BIT_4_MEANS_SOMETHING
    flags |= 0 if record.section is None else _NO_PIXELS_OF_ITS_OWN
    return flags | (0 if record.node.visible or is_boundary else _HIDDEN)


def _extra(identity: int, record: _Record) -> bytes:
    """Mask, blending ranges (none: the defaults), name and tagged blocks of a record."""
    node = record.node
    is_boundary = record.section is Section.BOUNDARY
    name = _BOUNDARY_NAME if is_boundary else name_of(node)
    blocks = [_block(b"luni", _unicode(name)), _block(b"lyid", struct.pack(">I", identity))]
    if record.section is not None:
        divider = struct.pack(">I", record.section)
        if not is_boundary:
            divider += b"8BIM" + BLEND_KEYS[node.blend]
        blocks.append(_block(b"lsct", divider))
    if node.locked and not is_boundary:
        blocks.append(_block(b"lspf", struct.pack(">I", _LOCK_ALL)))
    mask = None if is_boundary else node.mask
    return b"".join([_mask_data(mask), struct.pack(">I", 0), _pascal(name), *blocks])


def _mask_data(mask: Mask | None) -> bytes:
    """ "Layer mask / adjustment layer data"."""
    if mask is None:
        return struct.pack(">I", 0)
    flags = 0 if mask.enabled else _MASK_DISABLED
    return (
        struct.pack(">I", 20) + _rectangle(mask.bounds) + bytes([255 * mask.outside, flags, 0, 0])
    )


def _rectangle(bounds: Bounds) -> bytes:
    return struct.pack(">4i", bounds.y, bounds.x, bounds.bottom, bounds.right)


def _block(key: bytes, data: bytes) -> bytes:
    """ "Additional Layer Information"; Photoshop counts the padding to four as part of it."""
    padded = data + b"\0" * (-len(data) % 4)
    return b"8BIM" + key + struct.pack(">I", len(padded)) + padded


def _unicode(text: str) -> bytes:
    data = text.encode("utf-16-be")
    return struct.pack(">I", len(data) // 2) + data


def _pascal(name: str) -> bytes:
    """The name for programs from before Unicode: MacRoman, with ``?`` for what it lacks."""
    data = name.encode("mac_roman", "replace")[:255]
    counted = bytes([len(data)]) + data
    return counted + b"\0" * (-len(counted) % 4)


def _over_white(merged: Pixels) -> Pixels:
    """Photoshop stores the flattened picture's colour mixed with white by its alpha."""
    alpha = merged[..., 3]
    full = full_scale(merged.dtype)
    if int(alpha.min()) == full:
        return merged
    matted = merged.copy()
    rows, columns = Bounds.of_mask(alpha < full).slices
    window = matted[rows, columns]
    wide = np.uint32(full)
    weight = window[..., 3:].astype(np.uint32)
    mixed = window[..., :3] * weight + wide * (wide - weight) + wide // 2
    window[..., :3] = mixed // wide
    return matted


def _merged(matted: Pixels, style: Style, pool: ThreadPoolExecutor) -> list[bytes]:
    """ "Image Data Section": run lengths, the one packing that every reader knows here."""
    jobs = [pool.submit(psd_channels.packbits, matted[..., channel]) for channel in range(4)]
    planes = [job.result() for job in jobs]
    return [
        struct.pack(">H", Compression.RLE),
        *(psd_channels.row_counts(rows, style.version) for rows in planes),
        *(rows.packed for rows in planes),
    ]
