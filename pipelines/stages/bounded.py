"""Pictures as large as a network has use for."""

from __future__ import annotations

import cv2
import numpy as np

from layerstudio.color import U8
from layerstudio.geometry import Extent

LARGEST_SIDE = 4096  # of what is handed to a library's own resizing, which holds it as float32
THINNEST = 100  # times longer than wide: beyond it, resizing to a network's size leaves nothing


def bounded(rgb: U8, thinnest: int = THINNEST, largest_side: int = LARGEST_SIDE) -> U8:
    """``rgb`` (h, w, 3), averaged down where it is larger, and stretched where it is no wider than
    a thread; itself where neither is needed. Places on it change in proportion."""
    extent = Extent.of(rgb)
    scale = min(1.0, largest_side / extent.longest_side)
    longest = round(extent.longest_side * scale)
    wanted = Extent(*(max(1, -(-longest // thinnest), round(side * scale)) for side in extent))
    if wanted == extent:
        return rgb
    return np.asarray(cv2.resize(rgb, wanted, interpolation=cv2.INTER_AREA), np.uint8)
