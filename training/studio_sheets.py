"""Pictures for the card of ``studio``: captions, posters taken apart, and what went wrong."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw
from torch import Tensor

from layerstudio.color import to_u8
from layerstudio.composite import composite
from layerstudio.document import Document, Layer, Role
from training.studio_apart import Apart
from training.studio_quality import Shown

_COLUMNS, _CELL, _SMALL, _LABEL, _GAP = 3, 192, 64, 14, 6  # pixels
_GREY = (128, 128, 128)
_HEADINGS = ("picture", "background", "things", "plate filled")


def caption_sheet(made: Sequence[Shown]) -> Image.Image:
    """Each caption's picture, and beside it its layers by themselves; what was not recognised is
    framed."""
    width, height = _CELL + _SMALL, _CELL + _LABEL
    page = _page(_COLUMNS * (width + _GAP), -(-len(made) // _COLUMNS) * height)
    draw = ImageDraw.Draw(page)
    for index, one in enumerate(made):
        left, top = index % _COLUMNS * (width + _GAP), index // _COLUMNS * height
        whole = Image.fromarray(np.ascontiguousarray(to_u8(composite(one.document))[..., :3]))
        page.paste(whole.resize((_CELL, _CELL)), (left, top))
        for place, (layer, hit) in enumerate(zip(_things(one.document), one.hits, strict=True)):
            corner = left + _CELL, top + place * _SMALL
            _paste(page, draw, Image.fromarray(layer.pixels, "RGBA"), corner, hit)
        draw.text((left + 2, top + _CELL + 1), one.caption[:60], "black")
    return page


def poster_sheet(apart: Sequence[Apart], columns: int) -> Image.Image:
    """Of each poster: the picture, the background and the things that the method made of it, and
    what the network fills into the background's clear squares."""
    width = 3 * _CELL + _SMALL
    rows = -(-len(apart) // columns)
    page = _page(columns * (width + _GAP), _LABEL + rows * (_CELL + _GAP))
    draw = ImageDraw.Draw(page)
    starts = (0, _CELL, 2 * _CELL, 2 * _CELL + _SMALL)
    for column in range(columns):
        for start, heading in zip(starts, _HEADINGS, strict=True):
            draw.text((column * (width + _GAP) + start + 2, 1), heading, "black")
    for index, one in enumerate(apart):
        left = index % columns * (width + _GAP)
        top = _LABEL + index // columns * (_CELL + _GAP)
        first = one.document.layers[0].pixels[..., :3]
        pictures = to_u8(one.scene.flat), np.ascontiguousarray(first), _pixels(one.plate)
        for start, picture in zip((starts[0], starts[1], starts[3]), pictures, strict=True):
            page.paste(Image.fromarray(picture).resize((_CELL, _CELL)), (left + start, top))
        for place, (layer, hit) in enumerate(zip(_things(one.document), one.hits, strict=True)):
            corner = left + starts[2], top + place * _SMALL
            _paste(page, draw, Image.fromarray(layer.pixels, "RGBA"), corner, hit)
    return page


def failure_sheet(missed: Sequence[Shown], worst: Sequence[Apart]) -> Image.Image:
    """Captions of which a thing was not recognised, above the posters that came apart worst."""
    parts = [*([caption_sheet(missed)] if missed else []), poster_sheet(worst, 1)]
    page = _page(max(part.width for part in parts), sum(part.height + _GAP for part in parts))
    top = 0
    for part in parts:
        page.paste(part, (0, top))
        top += part.height + _GAP
    return page


def _paste(
    page: Image.Image,
    draw: ImageDraw.ImageDraw,
    own: Image.Image,
    corner: tuple[int, int],
    hit: bool,
) -> None:
    x, y = corner
    own.thumbnail((_SMALL - 4, _SMALL - 4))
    draw.rectangle((x, y, x + _SMALL - 1, y + _SMALL - 1), _GREY, None if hit else "red")
    page.paste(own, (x + 2, y + 2), own)


def _page(width: int, height: int) -> Image.Image:
    return Image.new("RGB", (width, height), "white")


def _things(document: Document) -> list[Layer]:
    return [layer for layer in document.layers if layer.role is not Role.BACKGROUND]


def _pixels(straight: Tensor) -> np.ndarray:
    """(4, h, w) to (h, w, 3) in 8 bits."""
    return to_u8(np.ascontiguousarray(straight[:3].movedim(0, -1).clamp(0, 1).numpy()))
