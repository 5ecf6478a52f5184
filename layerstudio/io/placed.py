"""What slides and web pages show of a layer: its visible pixels as an 8-bit PNG, and where."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from layerstudio.color import to_depth
from layerstudio.document import Document, Layer
from layerstudio.geometry import Bounds
from layerstudio.io.png_codec import encode_png
from layerstudio.ops.bleed import bleed


@dataclass(frozen=True)
class Placed:
    """A PNG file and the place of its pixels on the canvas."""

    bounds: Bounds
    png: bytes

    @property
    def data_uri(self) -> str:
        return "data:image/png;base64," + base64.b64encode(self.png).decode()


def placed_layer(layer: Layer, icc: bytes | None = None) -> Placed | None:
    """The layer cut to what is visible; mask and opacity are not applied. None if nothing is."""
    layer = layer.cropped_to_content()
    if layer.is_empty:
        return None
    pixels = bleed(np.ascontiguousarray(to_depth(layer.pixels, np.uint8), dtype=np.uint8))
    return Placed(layer.bounds, encode_png(pixels, icc=icc))


def placed_gray(values: NDArray, bounds: Bounds) -> Placed | None:
    """(h, w) gray values; None where there is no pixel."""
    if bounds.is_empty:
        return None
    return Placed(bounds, encode_png(np.ascontiguousarray(to_depth(values, np.uint8))))


def depth_notes(document: Document) -> tuple[str, ...]:
    """A note if the document holds more than the 8 bits that ``placed_layer`` writes."""
    if document.dtype == np.uint8:
        return ()
    return ("Colours of 16 bits were rounded to 8 bits.",)
