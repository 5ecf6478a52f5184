"""Given pictures brought to the size of a canvas, and layers flattened to be given."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

import numpy as np
from PIL import Image, ImageCms

from layerstudio.color import U8, to_depth, to_u8
from layerstudio.composite import composite_pixels
from layerstudio.document import Document, Layer
from layerstudio.geometry import Extent
from layerstudio.picture import Picture
from layerstudio.pipelines.resizing import fitted as covering


def fitted(picture: Picture, extent: Extent) -> U8:
    """(h, w, 4) uint8 sRGB of ``extent``: scaled to cover it, cut alike on opposite sides."""
    pixels = _srgb(picture)
    if picture.extent == extent:
        return pixels
    return to_u8(covering(pixels.astype(np.float32) / np.float32(255), extent))


def flattened(layers: Sequence[Layer], extent: Extent) -> U8:
    """What the layers show together, (h, w, 4) uint8."""
    shown = composite_pixels(Document(extent, tuple(layers)))
    return np.asarray(to_depth(shown, np.uint8), np.uint8)


def _srgb(picture: Picture) -> U8:
    """The colours that the networks know; a profile that cannot be used is taken for sRGB."""
    pixels = np.array(to_depth(picture.pixels, np.uint8), np.uint8)
    if picture.icc_profile is None:
        return pixels
    image = Image.fromarray(np.ascontiguousarray(pixels[..., :3]))
    try:
        profile = ImageCms.ImageCmsProfile(BytesIO(picture.icc_profile))
        converted = ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"))
    except (ImageCms.PyCMSError, OSError):
        return pixels
    pixels[..., :3] = np.asarray(converted)
    return pixels
