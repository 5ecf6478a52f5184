"""Between the squares that the model works on and layers on a canvas of any size."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from layerstudio.color import F32, U8, Pixels, premultiply, to_float, to_u8, unpremultiply
from layerstudio.geometry import Bounds, Extent
from layerstudio.models.studio_network import SIDE
from layerstudio.ops.pyramid_fill import pyramid_fill

_CLEAR, _OPAQUE = 0.08, 0.92  # alpha beyond these is the decoder's unrest


def canvas_square(extent: Extent) -> Bounds:
    """The square over the middle of the canvas that covers it: what the model's canvas is."""
    side = max(extent)
    return Bounds((extent.width - side) // 2, (extent.height - side) // 2, side, side)


def on_canvas(box: Bounds, extent: Extent) -> tuple[float, float, float]:
    """Left, top and side of a square in pixels of the model's canvas."""
    whole = canvas_square(extent)
    scale = SIDE / whole.width
    return (box.x - whole.x) * scale, (box.y - whole.y) * scale, box.width * scale


def thing_pixels(straight: Tensor, box: Bounds) -> U8:
    """(4, h, w) of a decoded foreground to (side, side, 4) for its square."""
    pixels = _pixels(straight)
    alpha = ((pixels[..., 3] - _CLEAR) / (_OPAQUE - _CLEAR)).clip(0, 1)
    return to_u8(_resized(np.dstack([pixels[..., :3], alpha]), box.width))


def ground_pixels(straight: Tensor, extent: Extent) -> U8:
    """(4, h, w) of a decoded background to the canvas, opaque."""
    whole = canvas_square(extent)
    opaque = np.ones((*straight.shape[1:], 1), np.float32)
    pixels = _resized(np.dstack([_pixels(straight)[..., :3], opaque]), whole.width)
    return to_u8(pixels[Bounds.full(extent).relative_to(whole).slices])


def square_of(pixels: Pixels, bounds: Bounds, box: Bounds, side: int) -> Tensor:
    """What a layer (h, w, 4) at ``bounds`` shows in the square ``box``: (4, side, side), straight,
    in [0, 1]."""
    canvas = np.zeros((box.height, box.width, 4), pixels.dtype)
    shared = bounds.intersection(box)
    if not shared.is_empty:
        canvas[shared.relative_to(box).slices] = pixels[shared.relative_to(bounds).slices]
    return torch.from_numpy(_resized(to_float(canvas), side)).movedim(-1, 0).contiguous()


def guess(straight: F32) -> F32:
    """What (h, w, 4) in [0, 1] would show where it is clear, by a smooth fill; opaque."""
    filled = pyramid_fill(np.ascontiguousarray(straight, np.float32))
    return np.dstack([filled, np.ones_like(filled[..., :1])])


def _pixels(straight: Tensor) -> F32:
    return straight.float().cpu().movedim(0, -1).numpy()


def _resized(straight: np.ndarray, side: int) -> F32:
    """A square (h, h, 4) in [0, 1] at another size, colour weighted by alpha."""
    own = premultiply(np.ascontiguousarray(straight, np.float32))
    if own.shape[0] != side:
        smaller = side < own.shape[0]
        how = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
        own = np.asarray(cv2.resize(own, (side, side), interpolation=how), np.float32)
    own[..., 3] = own[..., 3].clip(min=0)
    # Both overshoot at edges alike: colour must be divided by alpha before either is clipped.
    return unpremultiply(own).clip(0, 1)
