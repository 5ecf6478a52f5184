"""What a picture shows in the places of its layers, as tokens: ``StudioNetwork``'s views."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil, floor

import cv2
import numpy as np
import torch
from torch import Tensor

from layerstudio.color import F32, Pixels
from layerstudio.geometry import Bounds, Extent
from layerstudio.models.studio_codec import on_grey
from layerstudio.models.studio_network import BACKGROUND, SIDE
from layerstudio.pipelines.studio.model import StudioModel
from layerstudio.pipelines.studio.pixels import canvas_square, guess, on_canvas, square_of
from layerstudio.pipelines.studio.sampling import encoded

THING_SIDE = SIDE // 2


def views(
    model: StudioModel, pixels: Pixels, extent: Extent, boxes: Mapping[int, Bounds]
) -> dict[int, Tensor]:
    """Of the background and of the things in the squares ``boxes``, by number: (cells², VIEWS,
    values). The picture may be clear in places: those are filled in the second view, as the boxes
    of things are."""
    full = Bounds.full(extent)
    shown = _pixels(square_of(pixels, full, canvas_square(extent), SIDE))
    squares = {number: on_canvas(box, extent) for number, box in boxes.items()}
    clear = shown.copy()
    for left, top, side in squares.values():
        rows = slice(max(0, floor(top)), max(0, ceil(top + side)))
        columns = slice(max(0, floor(left)), max(0, ceil(left + side)))
        clear[rows, columns, 3] = 0
    behind = guess(clear)
    found = {BACKGROUND: _tokens(model, shown, behind)}
    for number, box in boxes.items():
        own = _pixels(square_of(pixels, full, box, THING_SIDE))
        found[number] = _tokens(model, own, _part(behind, squares[number]))
    return found


def _part(behind: F32, square: tuple[float, float, float]) -> F32:
    """A square of the canvas (SIDE, SIDE, 4) at the size of things; smooth, so linear will do."""
    left, top, side = square
    step = side / THING_SIDE
    to_source = np.array([[step, 0, left + step / 2 - 0.5], [0, step, top + step / 2 - 0.5]])
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    size = (THING_SIDE, THING_SIDE)
    part = cv2.warpAffine(behind, to_source, size, flags=how, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(part, np.float32)


def _tokens(model: StudioModel, *straight: F32) -> Tensor:
    """(cells², len(straight), values) of pictures (h, w, 4)."""
    own = [torch.from_numpy(np.ascontiguousarray(x)).movedim(-1, 0)[None] for x in straight]
    return torch.stack([encoded(model, on_grey(x)[0]) for x in own], dim=1)


def _pixels(straight: Tensor) -> F32:
    return straight.movedim(0, -1).contiguous().numpy()
