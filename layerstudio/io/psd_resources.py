"""The "Image Resources Section": resolution, colour profile, recipe and thumbnail of a PSD."""

from __future__ import annotations

import struct
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ImageCms

from layerstudio.color import Pixels, to_depth
from layerstudio.document import Document
from layerstudio.geometry import Extent
from layerstudio.io import recipe
from layerstudio.io.psd_format import Resource

MAX_DPI = 65_535.0  # "ResolutionInfo structure": unsigned 16.16 fixed point
_PIXELS_PER_INCH = 1
_INCHES = 1
# Photoshop's own thumbnails are 160 pixels long; file browsers scale them anyway.
_THUMBNAIL_SIDE = 160
_THUMBNAIL_QUALITY = 80
_JPEG_RGB = 1


def encode(document: Document, matted: Pixels) -> bytes:
    """The whole section. ``matted`` (h, w, >= 3) is the flattened picture over white."""
    blocks = [
        _block(Resource.RESOLUTION, _resolution(document.dpi)),
        _block(Resource.VERSION, _version_info()),
        _block(Resource.XMP, recipe.to_xmp(document)),
        _block(Resource.THUMBNAIL, _thumbnail(matted)),
    ]
    blocks.append(_block(Resource.ICC_PROFILE, document.icc_profile or srgb_profile()))
    section = b"".join(blocks)
    return struct.pack(">I", len(section)) + section


@cache
def srgb_profile() -> bytes:
    """sRGB, for documents that name no profile.

    Untagged files are guesswork: Krita takes 16-bit ones for linear light. The date of making
    (ICC.1:2022, 7.2.1, bytes 24 to 35) is set, so that equal documents make equal files.
    """
    made = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return made[:24] + struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + made[36:]


def _block(resource: Resource, data: bytes) -> bytes:
    """ "Image resource block", with an empty name."""
    header = struct.pack(">4sHHI", b"8BIM", resource, 0, len(data))
    return header + data + b"\0" * (len(data) % 2)


def _resolution(dpi: float) -> bytes:
    fixed = round(min(dpi, MAX_DPI) * 65536)
    side = struct.pack(">IHH", fixed, _PIXELS_PER_INCH, _INCHES)
    return side + side


def _version_info() -> bytes:
    """Version 1, with "has real merged data" set: viewers may show the flattened picture."""
    name = _unicode(recipe.TOOL)
    return struct.pack(">I?", 1, True) + name + name + struct.pack(">I", 1)


def _unicode(text: str) -> bytes:
    data = text.encode("utf-16-be")
    return struct.pack(">I", len(data) // 2) + data


def _thumbnail(matted: Pixels) -> bytes:
    """ "Thumbnail resource format": a small JPEG."""
    extent = Extent.of(matted)
    shrink = min(1.0, _THUMBNAIL_SIDE / extent.longest_side)
    width = max(1, round(extent.width * shrink))
    height = max(1, round(extent.height * shrink))
    small = cv2.resize(_sampled(matted, shrink), (width, height), interpolation=cv2.INTER_AREA)
    bgr = np.ascontiguousarray(to_depth(small, np.uint8)[..., 2::-1])
    _, jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _THUMBNAIL_QUALITY])
    data = jpeg.tobytes()
    row_bytes = (width * 24 + 31) // 32 * 4
    sizes = (_JPEG_RGB, width, height, row_bytes, row_bytes * height, len(data), 24, 1)
    return struct.pack(">6I2H", *sizes) + data


def _sampled(matted: Pixels, shrink: float) -> NDArray:
    """Every n-th pixel, at most four per side of the thumbnail's: enough to average."""
    step = max(1, int(1 / shrink) // 4)
    return np.ascontiguousarray(matted[::step, ::step, :3])
