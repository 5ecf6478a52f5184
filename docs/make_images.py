"""Draw the pictures of the README: ``python docs/make_images.py``.

The poster beside what ``layerstudio.decompose`` makes of it, its layers pulled apart.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

import layerstudio
from layerstudio import Document, Layer
from layerstudio.color import F32, U8, premultiply, to_float, to_u8
from layerstudio.composite import composite

ROOT = Path(__file__).resolve().parents[1]
_PAPER = (0.965, 0.962, 0.955)
_SHEET = (1.0, 1.0, 1.0, 0.06)  # a layer's transparent part
_FRAME = (0.45, 0.47, 0.52, 0.55)
_SIDE = 560  # of the flat picture, in pixels
_LEAN = np.array([[0.50, 0.0], [0.22, 0.86]])  # the sheets' axes on the drawing
_SPREAD = 1000  # pixels from the bottom sheet to the top one
_MARGIN = 44
_FINER = 2  # drawn this much larger, for smooth edges


def main() -> None:
    folder = ROOT / "docs" / "images"
    folder.mkdir(exist_ok=True)
    document = layerstudio.decompose(ROOT / "examples" / "poster.png")
    target = folder / "poster.png"
    Image.fromarray(pulled_apart(document)).save(target, optimize=True)
    print(f"{target.name}: {len(document.layers)} layers, {target.stat().st_size // 1024} KB")


def pulled_apart(document: Document) -> U8:
    """(h, w, 3): the flat picture, and to its right a sheet per layer, the bottom one first."""
    scale = _FINER * _SIDE / document.extent.longest_side
    size = scale * np.array(document.extent)
    lean, step = _LEAN * scale, _FINER * _SPREAD / max(1, len(document.layers) - 1)
    margin = _FINER * _MARGIN
    height = 2 * margin + max(size[1], _LEAN[1] @ size)
    start = 2 * margin + size[0]
    width = start + _LEAN[0, 0] * size[0] + _FINER * _SPREAD + margin
    drawing = np.empty((round(height), round(width), 3), np.float32)
    drawing[:] = _PAPER
    flat = np.diag([scale, scale])
    _lay(drawing, premultiply(composite(document)), flat, (margin, (height - size[1]) / 2))
    top = (height - _LEAN[1] @ size) / 2
    for index, layer in enumerate(document.layers):
        sheet = _sheet(document, layer, round(2 / scale))
        _lay(drawing, sheet, lean, (start + index * step, top))
    small = cv2.resize(drawing, None, fx=1 / _FINER, fy=1 / _FINER, interpolation=cv2.INTER_AREA)
    return to_u8(np.asarray(small, np.float32))


def _sheet(document: Document, layer: Layer, line: int) -> F32:
    """The layer on a translucent sheet of the canvas's size with a frame, premultiplied."""
    sheet_premul = np.empty((*document.extent.shape, 4), np.float32)
    sheet_premul[:] = premultiply(np.array([[_SHEET]], np.float32))
    box = layer.bounds.clamped(document.extent)
    pixels = layer.pixels[box.relative_to(layer.bounds).slices]
    pixels_premul = premultiply(to_float(pixels))
    under = sheet_premul[box.slices]
    under[:] = pixels_premul + under * (1 - pixels_premul[..., 3:])
    frame = premultiply(np.array([[_FRAME]], np.float32))
    for edge in (np.s_[:line], np.s_[-line:], np.s_[:, :line], np.s_[:, -line:]):
        sheet_premul[edge] = frame
    return sheet_premul


def _lay(drawing: F32, sheet_premul: F32, axes: np.ndarray, corner: tuple[float, float]) -> None:
    """``sheet_premul`` over ``drawing``, its axes and its corner where they are given."""
    place = np.column_stack([axes, corner])
    size = (drawing.shape[1], drawing.shape[0])
    shown = cv2.warpAffine(sheet_premul, place, size, flags=cv2.INTER_AREA)
    drawing *= 1 - shown[..., 3:]
    drawing += shown[..., :3]


if __name__ == "__main__":
    main()
