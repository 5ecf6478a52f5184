"""A sheet of thumbnails: the composite and every layer at its place, on a checkerboard."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from layerstudio.color import U8, Pixels, to_depth, to_u8
from layerstudio.composite import composite
from layerstudio.document import Document, Layer
from layerstudio.errors import UnwritableFile
from layerstudio.geometry import Bounds, Extent
from layerstudio.ui.cli.boundary import one_line

_CELL = 280  # longest side of a thumbnail, in pixels
_MARGIN = 12
_CAPTION = 22
_COLUMNS = 4
_CHECKER = 8
_LIGHT, _DARK = 172, 152  # between black and white, so that layers of either show


def save_sheet(document: Document, path: Path) -> None:
    """Write the sheet as PNG; raises ``UnwritableFile``."""
    if path.suffix.lower() != ".png":
        raise UnwritableFile(f"The sheet {path.name!r} is a PNG.", advice="End its name in .png.")
    partial = path.with_name(f".{path.name}.part")
    try:
        with partial.open("wb") as file:
            draw_sheet(document).save(file, "PNG")
        os.replace(partial, path)
    except OSError as error:
        reason = error.strerror or error
        raise UnwritableFile(f"{str(path)!r} could not be written: {reason}.") from error
    finally:
        partial.unlink(missing_ok=True)


def draw_sheet(document: Document) -> Image.Image:
    """The composite first, then the layers from the top to the bottom."""
    pictures = [("composite", thumbnail(document))]
    for layer in reversed(document.layers):
        pictures.append((f"{layer.name} ({layer.role})", _layer_thumbnail(layer, document)))
    cell_w = max(picture.shape[1] for _, picture in pictures) + _MARGIN
    cell_h = max(picture.shape[0] for _, picture in pictures) + _MARGIN + _CAPTION
    columns = min(_COLUMNS, len(pictures))
    rows = -(-len(pictures) // columns)
    size = (columns * cell_w + _MARGIN, rows * cell_h + _MARGIN)
    sheet = Image.new("RGB", size, (245, 245, 245))
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for index, (caption, picture) in enumerate(pictures):
        x = _MARGIN + index % columns * cell_w
        y = _MARGIN + index // columns * cell_h
        sheet.paste(Image.fromarray(picture), (x, y))
        text = _fitting(one_line(caption), font, cell_w - _MARGIN)
        draw.text((x, y + picture.shape[0] + 3), text, (40, 40, 40), font)
    return sheet


def thumbnail(document: Document) -> U8:
    """(h, w, 3): the composite over a checkerboard, longest side at most 280 pixels."""
    return _on_checkerboard(_shrunk_premul(composite(document), document.extent))


def _layer_thumbnail(layer: Layer, document: Document) -> U8:
    """The layer alone at its place, shown whole: as if visible, normal and opaque."""
    alone = replace(layer, visible=True, clipped=False, opacity=1.0, blend="normal", mask=None)
    shown = alone.bounds.clamped(document.extent)
    if shown.is_empty:
        return thumbnail(replace(document, children=()))
    cut = shown.relative_to(alone.bounds)
    pixels = to_depth(alone.pixels[cut.slices], np.uint8)
    return _on_checkerboard(_placed_premul(pixels, shown, document.extent))


def _placed_premul(pixels: Pixels, place: Bounds, extent: Extent) -> np.ndarray:
    """A part of the canvas in the frame of its thumbnail, (h, w, 4) float32 premultiplied."""
    frame = _fitted(extent)
    canvas = np.zeros((*frame.shape, 4), np.float32)
    scale_x, scale_y = frame.width / extent.width, frame.height / extent.height
    box = Bounds.from_edges(
        int(place.x * scale_x),
        int(place.y * scale_y),
        max(int(place.x * scale_x) + 1, round(place.right * scale_x)),
        max(int(place.y * scale_y) + 1, round(place.bottom * scale_y)),
    ).clamped(frame)
    premul = pixels.astype(np.float32) / 255
    premul[..., :3] *= premul[..., 3:]
    canvas[box.slices] = cv2.resize(premul, box.extent, interpolation=cv2.INTER_AREA)
    return canvas


def _shrunk_premul(straight: np.ndarray, extent: Extent) -> np.ndarray:
    premul = straight.copy()
    premul[..., :3] *= premul[..., 3:]
    return cv2.resize(premul, _fitted(extent), interpolation=cv2.INTER_AREA)


def _fitted(extent: Extent) -> Extent:
    scale = min(1.0, _CELL / extent.longest_side)
    return Extent(max(1, round(extent.width * scale)), max(1, round(extent.height * scale)))


def _on_checkerboard(premul: np.ndarray) -> U8:
    rows, columns = np.indices(premul.shape[:2]) // _CHECKER
    board = np.where((rows + columns) % 2, _DARK, _LIGHT)[..., None] / np.float32(255)
    return to_u8(premul[..., :3] + (1 - premul[..., 3:]) * board)


def _fitting(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "\N{HORIZONTAL ELLIPSIS}") > width:
        text = text[:-1]
    return text + "\N{HORIZONTAL ELLIPSIS}"
