"""A PSD file as plain values: the only module that touches psd-tools' objects.

psd-tools checks much of what it parses, but by its nature raises nearly anything on damaged
input: ``ValueError`` with ``ParseLimitError``, ``OSError``, ``EOFError``, ``struct.error``,
``AssertionError``, ``KeyError``, ``IndexError``, ``TypeError``, ``AttributeError``,
``UnicodeDecodeError``, ``OverflowError``, ``ZeroDivisionError``, ``RecursionError`` and
``MemoryError`` were all seen or are in its source. ``_foreign`` is the boundary that turns
them into ``UnreadableFile``.
"""

from __future__ import annotations

import logging
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

from psd_tools import ParseLimits, PSDImage
from psd_tools.api.layers import AdjustmentLayer, Artboard, FillLayer, Group
from psd_tools.api.utils import has_transparency
from psd_tools.constants import ChannelID, ProtectedFlags, Resource, Tag

from layerstudio.document import TextContent
from layerstudio.errors import LayerStudioError, UnreadableFile
from layerstudio.geometry import Bounds, Extent
from layerstudio.io import psd_text
from layerstudio.io.limits import Limits

# Nested blocks are read once per level they are nested in; real files need less than 4 times
# their size.
_READ_FACTOR = 16
_RECORDS_PER_NODE = 2  # a group has one for each of its ends
_OBJECTS, _OBJECTS_PER_NODE = 100_000, 100  # psd-tools makes some 50,000 in a second
# "Layer blending ranges": two black values 0, two white values 255.
_EVERYTHING = (0, 0xFFFF)
_COLOR_KEYS = ((b"Rd  ", b"Grn ", b"Bl  "), (b"Gry ",) * 3)

# Photoshop files are full of blocks that psd-tools does not know, and it logs each of them.
logging.getLogger("psd_tools").setLevel(logging.CRITICAL)

Data = tuple[int, bytes]  # (compression, packed samples)


@dataclass(frozen=True)
class RawMask:
    bounds: Bounds
    data: Data
    outside: int
    enabled: bool
    includes_vector: bool  # Photoshop rendered the layer's vector mask into it
    is_softened: bool  # by density or feather, which the stored pixels do not show


@dataclass(frozen=True)
class RawNode:
    """A layer, or a group where ``children`` is not None; ``kind`` is psd-tools' word for it."""

    name: str
    kind: str
    bounds: Bounds
    blend: bytes
    opacity: float
    visible: bool
    locked: bool
    clipped: bool
    channels: dict[int, Data]
    mask: RawMask | None = None
    children: tuple[RawNode, ...] | None = None
    is_adjustment: bool = False
    is_fill: bool = False
    has_effects: bool = False
    has_vector_mask: bool = False
    special_blending: tuple[str, ...] = ()  # what Photoshop's advanced blending calls it
    fill: tuple[float, ...] | None = None  # 8-bit RGB
    artboard: Bounds | None = None
    text: TextContent | None = None


@dataclass(frozen=True)
class RawFile:
    """``merged`` is the flattened picture: all planes of the file one below the other."""

    extent: Extent
    version: int
    bits: int
    mode: int
    plane_count: int
    palette: bytes
    merged: Data
    merged_has_alpha: bool
    nodes: tuple[RawNode, ...]
    icc: bytes | None = None
    xmp: bytes | None = None
    dpi: float = 72.0


def parse(path: Path, limits: Limits) -> RawFile:
    """Raises ``UnreadableFile`` for what is missing, broken, above ``limits`` or no PSD."""
    size = _checked_size(path, limits)
    with _foreign(path):
        budget = ParseLimits(
            max_read_bytes=size,
            max_total_bytes=size * _READ_FACTOR,
            max_objects=_OBJECTS + limits.nodes * _OBJECTS_PER_NODE,
        )
        psd = PSDImage.open(path, parse_limits=budget)
        return _file(psd, limits)


@contextmanager
def _foreign(path: Path) -> Iterator[None]:
    """Code of a foreign parser at work on a stranger's bytes: whatever it raises, the file is
    to blame (see the module's docstring for why the catch has to be this broad)."""
    try:
        yield
    except LayerStudioError:
        raise
    except Exception as error:
        raise UnreadableFile(f"{path.name!r} is a damaged Photoshop file: {error}.") from error


def _checked_size(path: Path, limits: Limits) -> int:
    """The file's size, once its header promises a picture that the limits allow."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(26)
            records = _record_count(file, wide=head[4:6] == b"\0\2")
    except OSError as error:
        raise UnreadableFile(f"{str(path)!r} could not be read: {error.strerror}.") from error
    if len(head) < 26 or not head.startswith(b"8BPS"):
        raise UnreadableFile(f"{path.name!r} is not a Photoshop file, whatever its name says.")
    if size > limits.file_bytes:
        raise UnreadableFile(
            f"{path.name!r} has {size:,} bytes, more than the limit of {limits.file_bytes:,}."
        )
    height, width = struct.unpack_from(">II", head, 14)
    limits.check_extent(Extent(width, height), "The canvas")
    if records > limits.nodes * _RECORDS_PER_NODE:
        raise UnreadableFile(f"The file has {records:,} layers, more than {limits.nodes:,}.")
    return size


def _record_count(file: BinaryIO, *, wide: bool) -> int:
    """Records of the "Layer info" of a file at the end of its header, 0 where there are none.

    psd-tools takes seconds for as many as 16 bits can count, before we can ask it.
    """
    for _section in ("colour mode data", "image resources"):
        file.seek(int.from_bytes(file.read(4)), os.SEEK_CUR)
    size = 8 if wide else 4
    # The section and the layer info in it: behind an empty one, the flattened picture begins.
    if not int.from_bytes(file.read(size)) or not int.from_bytes(file.read(size)):
        return 0
    return abs(int.from_bytes(file.read(2), signed=True))


def _file(psd: PSDImage, limits: Limits) -> RawFile:
    record = psd._record
    count = sum(1 for _ in record._iter_layers())
    if count > limits.nodes:
        raise UnreadableFile(
            f"The file has {count:,} layers, more than the limit {limits.nodes:,}."
        )
    image = record.image_data
    resources = psd.image_resources
    resolution = resources.get_data(Resource.RESOLUTION_INFO)
    return RawFile(
        extent=Extent(psd.width, psd.height),
        version=record.header.version,
        bits=record.header.depth,
        mode=int(record.header.color_mode),
        plane_count=record.header.channels,
        palette=bytes(record.color_mode_data.value),
        merged=(int(image.compression), image.data),
        merged_has_alpha=has_transparency(psd),
        nodes=tuple(_node(layer, limits.depth) for layer in psd),
        icc=_bytes(resources.get_data(Resource.ICC_PROFILE)),
        xmp=_bytes(resources.get_data(Resource.XMP_METADATA)),
        dpi=0.0 if resolution is None else resolution.horizontal / 65536,
    )


def _node(layer: Any, depth: int) -> RawNode:
    if depth < 1:
        raise UnreadableFile("The file nests its groups deeper than the limit.")
    record = layer._record
    is_group = isinstance(layer, Group)
    opacity = layer.opacity / 255 * (1.0 if is_group else layer.fill_opacity / 255)
    return RawNode(
        name=layer.name,
        kind=layer.kind,
        bounds=Bounds.from_edges(record.left, record.top, record.right, record.bottom),
        blend=bytes(layer.blend_mode.value),
        opacity=opacity,
        visible=bool(layer.visible),
        locked=_is_locked(layer),
        clipped=int(record.clipping) == 1,
        channels=_channels(layer),
        mask=_mask(layer),
        children=tuple(_node(child, depth - 1) for child in layer) if is_group else None,
        is_adjustment=_is_adjustment(layer),
        is_fill=isinstance(layer, FillLayer) or layer.kind == "shape",
        has_effects=bool(layer.has_effects()),
        has_vector_mask=layer.vector_mask is not None and not layer.vector_mask.disabled,
        special_blending=tuple(_special_blending(record)),
        fill=_fill_color(layer),
        artboard=Bounds.from_edges(*layer.bbox) if isinstance(layer, Artboard) else None,
        text=psd_text.content(layer) if layer.kind == "type" else None,
    )


def _is_adjustment(layer: Any) -> bool:
    """psd-tools takes brightness/contrast layers of before Photoshop CS3 for pixels."""
    is_legacy = Tag.BRIGHTNESS_AND_CONTRAST in layer.tagged_blocks
    return isinstance(layer, AdjustmentLayer) or is_legacy


def _channels(layer: Any) -> dict[int, Data]:
    return {
        int(info.id): (int(data.compression), data.data)
        for info, data in zip(layer._record.channel_info, layer._channels, strict=False)
    }


def _mask(layer: Any) -> RawMask | None:
    """The user mask; where a vector mask was combined with it, the combination."""
    data = layer._record.mask_data
    channels = _channels(layer)
    user, real = int(ChannelID.USER_LAYER_MASK), int(ChannelID.REAL_USER_LAYER_MASK)
    if data is None or not (user in channels or real in channels):
        return None
    is_softened = data.parameters is not None and bool(data.flags.parameters_applied)
    if real in channels and data.real_flags is not None:
        edges = (data.real_left, data.real_top, data.real_right, data.real_bottom)
        flags, outside, channel = data.real_flags, data.real_background_color, real
    else:
        edges = (data.left, data.top, data.right, data.bottom)
        flags, outside, channel = data.flags, data.background_color, user
    if channel not in channels:
        return None
    return RawMask(
        bounds=Bounds.from_edges(*edges),
        data=channels[channel],
        outside=1 if outside >= 128 else 0,
        enabled=not flags.mask_disabled,
        includes_vector=channel == real or bool(flags.user_mask_from_render),
        is_softened=is_softened,
    )


def _is_locked(layer: Any) -> bool:
    """Locked as a whole; a lock of transparency or place alone does not count."""
    locks = layer.locks
    everything = ProtectedFlags.TRANSPARENCY | ProtectedFlags.COMPOSITE | ProtectedFlags.POSITION
    if locks is None:
        return False
    return bool(locks.value & ProtectedFlags.COMPLETE) or locks.value & 7 == everything


def _special_blending(record: Any) -> Iterator[str]:
    """Settings that hide parts of a layer by what it meets; nobody's pixels show them."""
    ranges = record.blending_ranges
    pairs = [*(ranges.composite_ranges or ()), *chain(*(ranges.channel_ranges or ()))]
    if any(tuple(pair) != _EVERYTHING for pair in pairs):
        yield "blend-if"
    if record.tagged_blocks.get_data(Tag.KNOCKOUT_SETTING):
        yield "knockout"
    if record.tagged_blocks.get_data(Tag.CHANNEL_BLENDING_RESTRICTIONS_SETTING):
        yield "restriction to some channels"


def _fill_color(layer: Any) -> tuple[float, ...] | None:
    """The colour of a solid fill, where the file gives it as RGB or grey."""
    settings = layer.tagged_blocks.get_data(Tag.SOLID_COLOR_SHEET_SETTING)
    color = None if settings is None else settings.get(b"Clr ")
    if color is None:
        return None
    for keys in _COLOR_KEYS:
        if all(key in color for key in keys):
            values = [float(color[key]) for key in keys]
            return tuple(values) if keys[0] == b"Rd  " else (255 * (1 - values[0] / 100),) * 3
    return None


def _bytes(value: Any) -> bytes | None:
    return bytes(value) if isinstance(value, bytes) and value else None
