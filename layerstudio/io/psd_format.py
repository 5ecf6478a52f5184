"""Constants of Photoshop's file format, shared by the writer and the reader.

Section and field names are those of "Adobe Photoshop File Formats Specification" (2019).
"""

from __future__ import annotations

from enum import IntEnum, StrEnum

from layerstudio.document import BlendMode

# "File Header Section": sides go to 30,000 in a PSD and to 300,000 in a PSB.
PSD_MAX_SIDE = 30_000
# "Large Document Format": everything in a PSD must lie within reach of a signed 32-bit offset.
PSD_MAX_BYTES = 2**31 - 1
# No program places layers further off than this; the format itself ends at 2**31.
MAX_COORDINATE = 2**24
# Longest name that Photoshop's layer panel takes, in UTF-16 units.
MAX_NAME_UNITS = 255

BLEND_KEYS: dict[BlendMode, bytes] = {
    BlendMode.PASS_THROUGH: b"pass",
    BlendMode.NORMAL: b"norm",
    BlendMode.DISSOLVE: b"diss",
    BlendMode.DARKEN: b"dark",
    BlendMode.MULTIPLY: b"mul ",
    BlendMode.COLOR_BURN: b"idiv",
    BlendMode.LINEAR_BURN: b"lbrn",
    BlendMode.DARKER_COLOR: b"dkCl",
    BlendMode.LIGHTEN: b"lite",
    BlendMode.SCREEN: b"scrn",
    BlendMode.COLOR_DODGE: b"div ",
    BlendMode.LINEAR_DODGE: b"lddg",
    BlendMode.LIGHTER_COLOR: b"lgCl",
    BlendMode.OVERLAY: b"over",
    BlendMode.SOFT_LIGHT: b"sLit",
    BlendMode.HARD_LIGHT: b"hLit",
    BlendMode.VIVID_LIGHT: b"vLit",
    BlendMode.LINEAR_LIGHT: b"lLit",
    BlendMode.PIN_LIGHT: b"pLit",
    BlendMode.HARD_MIX: b"hMix",
    BlendMode.DIFFERENCE: b"diff",
    BlendMode.EXCLUSION: b"smud",
    BlendMode.SUBTRACT: b"fsub",
    BlendMode.DIVIDE: b"fdiv",
    BlendMode.HUE: b"hue ",
    BlendMode.SATURATION: b"sat ",
    BlendMode.COLOR: b"colr",
    BlendMode.LUMINOSITY: b"lum ",
}
BLENDS: dict[bytes, BlendMode] = {key: mode for mode, key in BLEND_KEYS.items()}


class Coding(StrEnum):
    """How a caller may ask for pixels to be packed: run lengths or deflate."""

    RLE = "rle"
    ZIP = "zip"


class Compression(IntEnum):
    """ "Channel image data": the first two bytes of every channel."""

    RAW = 0
    RLE = 1
    ZIP = 2
    ZIP_PREDICTED = 3


class Channel(IntEnum):
    """ "Channel information"; colours count up from 0."""

    TRANSPARENCY = -1
    MASK = -2


class Section(IntEnum):
    """ "Section divider setting" (``lsct``)."""

    OPEN_FOLDER = 1
    BOUNDARY = 3


class Resource(IntEnum):
    """ "Image Resource IDs"."""

    RESOLUTION = 1005
    THUMBNAIL = 1036
    ICC_PROFILE = 1039
    VERSION = 1057
    XMP = 1060
