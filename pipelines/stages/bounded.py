"""Pictures as large as a network has use for."""

from __future__ import annotations

import cv2

from layerstudio.color import U8
from layerstudio.geometry import Extent

LARGEST_SIDE = 4096  # of what is handed to a library's own resizing, which holds it as float32


def bounded(rgb: U8, largest_side: int = LARGEST_SIDE) -> U8:
    """``rgb`` (h, w, 3), averaged down where it is larger; itself where it is not."""
    extent = Extent.of(rgb)
    scale = largest_side / extent.longest_side
    if scale >= 1:
        return rgb
    smaller = [max(1, round(side * scale)) for side in extent]
    return cv2.resize(rgb, smaller, interpolation=cv2.INTER_AREA).astype("uint8", copy=False)
