"""Given pictures brought to the size of a canvas.

Modes and resampling filters are those of layerdiffusion/sd-forge-layerdiffuse.
"""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np

from layerstudio.color import F32
from layerstudio.errors import InvalidRequest
from layerstudio.geometry import Extent

ResizeMode = Literal["crop", "resize", "fill"]


def fitted(rgba: F32, extent: Extent, resize_mode: ResizeMode = "crop") -> F32:
    """(h, w, 4) in [0, 1], straight, brought to ``extent``.

    "crop" covers the canvas and cuts what stands out alike on opposite sides, "fill" keeps all
    and fills the rest with the median of the border's pixels, "resize" stretches. Colour is
    resampled premultiplied, so that what alpha hides leaves no fringe.
    """
    if resize_mode not in ("crop", "resize", "fill"):
        raise InvalidRequest(
            f"There is no resize mode {resize_mode!r}.", advice="Known: crop, resize, fill."
        )
    if Extent.of(rgba) == extent:
        return rgba
    if resize_mode == "resize":
        return _resampled(rgba, extent)
    sides = (extent.width / rgba.shape[1], extent.height / rgba.shape[0])
    scale = max(sides) if resize_mode == "crop" else min(sides)
    size = Extent(*(max(1, round(side * scale)) for side in Extent.of(rgba)))
    resampled = _resampled(rgba, size)
    if resize_mode == "crop":
        left, top = (size.width - extent.width) // 2, (size.height - extent.height) // 2
        return resampled[top : top + extent.height, left : left + extent.width]
    filled = np.empty((*extent.shape, 4), np.float32)
    filled[:] = _median_of_border(rgba)
    left, top = (extent.width - size.width) // 2, (extent.height - size.height) // 2
    filled[top : top + size.height, left : left + size.width] = resampled
    return filled


def _resampled(rgba: F32, size: Extent) -> F32:
    """INTER_AREA to a smaller area, else LANCZOS4."""
    shrinks = size.pixel_count < Extent.of(rgba).pixel_count
    filtering = cv2.INTER_AREA if shrinks else cv2.INTER_LANCZOS4
    premul = np.concatenate((rgba[..., :3] * rgba[..., 3:], rgba[..., 3:]), axis=-1)
    resized = np.clip(cv2.resize(premul, tuple(size), interpolation=filtering), 0, 1)
    resized[..., :3] /= np.where(resized[..., 3:] == 0, 1, resized[..., 3:])
    return np.asarray(np.clip(resized, 0, 1), np.float32)


def _median_of_border(rgba: F32) -> F32:
    border = np.concatenate((rgba[0], rgba[-1], rgba[:, 0], rgba[:, -1]))
    return np.median(border, axis=0)
