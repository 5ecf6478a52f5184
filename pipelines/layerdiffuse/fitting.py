"""Given pictures brought to the size of a canvas, and layers flattened to condition on."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from layerstudio.color import U8, to_depth
from layerstudio.composite import composite_pixels
from layerstudio.document import Document, Layer
from layerstudio.geometry import Extent
from layerstudio.picture import Picture


def fitted(picture: Picture, extent: Extent) -> U8:
    """(h, w, 4) uint8 of ``extent``: scaled to cover it and cut alike on opposite sides.

    Colour is scaled premultiplied, so that what lies under alpha 0 does not bleed into edges.
    """
    pixels = np.asarray(to_depth(picture.pixels, np.uint8), np.uint8)
    if picture.extent == extent:
        return pixels
    scale = max(extent.width / pixels.shape[1], extent.height / pixels.shape[0])
    size = (
        max(extent.width, round(pixels.shape[1] * scale)),
        max(extent.height, round(pixels.shape[0] * scale)),
    )
    scaled = _scaled(pixels, size)
    left, top = (size[0] - extent.width) // 2, (size[1] - extent.height) // 2
    return scaled[top : top + extent.height, left : left + extent.width].copy()


def flattened(layers: Sequence[Layer], extent: Extent) -> U8:
    """What the layers show together, (h, w, 4) uint8."""
    shown = composite_pixels(Document(extent, tuple(layers)))
    return np.asarray(to_depth(shown, np.uint8), np.uint8)


def _scaled(pixels: U8, size: tuple[int, int]) -> U8:
    alpha = pixels[..., 3:].astype(np.float32) / 255
    premul = np.concatenate((pixels[..., :3] * alpha, alpha * 255), axis=-1)
    shrinks = size[0] < pixels.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LANCZOS4
    scaled = np.clip(cv2.resize(premul, size, interpolation=method), 0, 255)
    share = np.maximum(scaled[..., 3:] / 255, 1e-6)
    straight = np.concatenate((scaled[..., :3] / share, scaled[..., 3:]), axis=-1)
    return np.clip(np.rint(straight), 0, 255).astype(np.uint8)
