"""Contact sheets: a design's true groups of layers above the groups that a method found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from layerstudio.color import U8, to_float, to_u8
from layerstudio.document import Document
from layerstudio.metrics.grouping import group_layers
from layerstudio.ops.rasterise import layers_of
from training.designs import Design

_CELL = 300  # pixels
_CHECKER = 12


def save_sheet(path: Path, design: Design, found: Document) -> None:
    """Write a PNG of two rows: the picture and its true groups; the same for what was found."""
    truth = group_layers(layers_of(design.document))
    groups = group_layers(layers_of(found))
    rows = [[design.picture.pixels, *truth], [design.picture.pixels, *groups]]
    columns = max(map(len, rows))
    sheet = np.vstack([_strip(row, columns) for row in rows])
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(sheet).save(path)


def _strip(pictures: Sequence[U8], columns: int) -> U8:
    strip = np.full((_CELL + 4, columns * (_CELL + 4), 3), 40, np.uint8)
    for index, picture in enumerate(pictures):
        cell = _on_checker(picture)
        x = index * (_CELL + 4) + 2
        strip[2 : 2 + cell.shape[0], x : x + cell.shape[1]] = cell
    return strip


def _on_checker(picture: U8) -> U8:
    """(h, w, 4) over a checkerboard, shrunk into a cell."""
    straight = to_float(picture)
    height, width = picture.shape[:2]
    y, x = np.mgrid[:height, :width] // _CHECKER
    board = np.where((x + y) % 2, np.float32(0.95), np.float32(0.75))[..., None]
    shown = board + (straight[..., :3] - board) * straight[..., 3:]
    scale = _CELL / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return to_u8(cv2.resize(shown, size, interpolation=cv2.INTER_AREA))
