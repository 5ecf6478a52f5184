"""Given pictures brought to the size of a canvas, and layers flattened to condition on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from layerstudio.color import U8, to_depth, to_u8
from layerstudio.composite import composite_pixels
from layerstudio.document import Document, Layer
from layerstudio.geometry import Extent
from layerstudio.picture import Picture
from layerstudio.pipelines.layerdiffuse.conditions import fitted as covering


def fitted(picture: Picture, extent: Extent) -> U8:
    """(h, w, 4) uint8 of ``extent``: scaled to cover it and cut alike on opposite sides."""
    pixels = np.asarray(to_depth(picture.pixels, np.uint8), np.uint8)
    if picture.extent == extent:
        return pixels
    return to_u8(covering(pixels.astype(np.float32) / np.float32(255), extent))


def flattened(layers: Sequence[Layer], extent: Extent) -> U8:
    """What the layers show together, (h, w, 4) uint8."""
    shown = composite_pixels(Document(extent, tuple(layers)))
    return np.asarray(to_depth(shown, np.uint8), np.uint8)
