"""The size at which the network works on a picture of any size; needs no torch."""

from __future__ import annotations

import math

from layerstudio.geometry import Extent
from layerstudio.pipelines.qwen_layered.published import MULTIPLE


def bucket(extent: Extent, side: int) -> Extent:
    """The area of ``side`` squared in the proportions of ``extent``, in multiples of 32.

    As published, and beyond proportions of ``(side / 32)²`` to 1 (400 to 1 for 640) the shorter
    side stays at 32 pixels, where the published rule would make it 0.
    """
    ratio = extent.width / extent.height
    width = math.sqrt(side * side * ratio)
    most = side * side // MULTIPLE
    sides = (round(length / MULTIPLE) * MULTIPLE for length in (width, width / ratio))
    return Extent(*(min(max(length, MULTIPLE), most) for length in sides))
