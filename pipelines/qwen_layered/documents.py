"""Decoded frames as a document."""

from __future__ import annotations

from torch import Tensor

from layerstudio.document import Document, Layer
from layerstudio.geometry import Bounds, Extent
from layerstudio.models.rgba_pictures import to_uint8
from layerstudio.pipelines.qwen_layered.naming import named


def document_of(layers: Tensor) -> Document:
    """(n, 4, h, w) in [0, 1], straight, bottom to top, as layers of the whole canvas with the
    network's own alpha."""
    extent = Extent(layers.shape[3], layers.shape[2])
    plain = [
        Layer(f"Layer {number}", Bounds.full(extent), pixels)
        for number, pixels in enumerate(to_uint8(layers), start=1)
    ]
    return Document(extent, tuple(named(plain, extent)))
