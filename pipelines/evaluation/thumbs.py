"""Small pictures of layers for a report, with their transparency."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable

import numpy as np
from PIL import Image

from layerstudio.color import U8, to_float, to_u8
from layerstudio.document import Document
from layerstudio.ops.rasterise import layers_of
from layerstudio.pipelines.evaluation.scores import Thumb

MAX_THUMBS = 24  # of one stack; a row of more says nothing
_QUALITY = 82


def thumbs_of(document: Document, side: int) -> tuple[Thumb, ...]:
    """The layers of what ``flattened`` made, bottom to top, the first 24 of them."""
    shown = zip(document.layers[:MAX_THUMBS], layers_of(document), strict=False)
    return tuple(thumb(layer.name, pixels, side) for layer, pixels in shown)


def thumb(caption: str, pixels: U8, side: int) -> Thumb:
    """(h, w, 4) straight uint8, its longest side at most ``side`` pixels."""
    buffer = io.BytesIO()
    Image.fromarray(shrunk(pixels, side)).save(buffer, "WEBP", quality=_QUALITY)
    return Thumb(caption, base64.b64encode(buffer.getvalue()).decode())


def shrunk(pixels: U8, side: int) -> U8:
    """(h, w, 4) straight, resampled premultiplied, as Pillow does; never enlarged."""
    height, width = pixels.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return pixels
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.HAMMING))


def contact_sheet(rows: Iterable[Iterable[U8]], side: int) -> U8:
    """(h, w, 3): rows of pictures on a checkerboard, each in a square of ``side`` pixels."""
    strips = [[_on_checker(shrunk(picture, side)) for picture in row] for row in rows]
    columns, cell = max(map(len, strips)), side + 4
    sheet = np.full((len(strips) * cell, columns * cell, 3), 40, np.uint8)
    for y, strip in enumerate(strips):
        for x, picture in enumerate(strip):
            height, width = picture.shape[:2]
            sheet[y * cell + 2 :, x * cell + 2 :][:height, :width] = picture
    return sheet


def _on_checker(pixels: U8) -> U8:
    straight = to_float(pixels)
    y, x = np.indices(pixels.shape[:2]) // 5
    board = np.where((x + y) % 2, np.float32(0.95), np.float32(0.75))[..., None]
    return to_u8(board + (straight[..., :3] - board) * straight[..., 3:])
