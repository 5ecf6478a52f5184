"""What a good matting network and LaMa would answer for a design whose layers are known."""

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from layerstudio.color import U8
from layerstudio.document import Document, Layer
from layerstudio.geometry import Extent
from layerstudio.metrics.grouping import group_layers
from layerstudio.ops.fill import fill

MATTE_SIDE = 512  # pixels that LayerD's network looks at
SURE = (0.004, 0.985)  # a sigmoid never reaches 0 and 1


def on_canvas(layer: Layer, extent: Extent) -> U8:
    canvas = np.zeros((*extent.shape, 4), np.uint8)
    canvas[layer.bounds.slices] = layer.pixels
    return canvas


def canvases(document: Document) -> list[U8]:
    return [on_canvas(layer, document.extent) for layer in document.layers]


def knowing_matting(document: Document) -> Callable[[U8], np.ndarray]:
    """Each call finds the next group of layers that nothing covers, as blurred and unsure as a
    network at its working size; after the last but one it finds nothing."""
    groups = group_layers(canvases(document))[1:]
    alphas = [seen(group[..., 3] / np.float32(255)) for group in reversed(groups)]
    return in_turn(alphas)


def in_turn(alphas: Sequence[np.ndarray]) -> Callable[[U8], np.ndarray]:
    left = list(alphas)

    def matting(rgb: U8) -> np.ndarray:
        return left.pop(0) if left else np.full(rgb.shape[:2], SURE[0] / 2, np.float32)

    return matting


def seen(alpha: np.ndarray) -> np.ndarray:
    """``alpha`` (h, w) by way of the network's working size."""
    small = cv2.resize(alpha, (MATTE_SIDE, MATTE_SIDE), interpolation=cv2.INTER_AREA)
    large = cv2.resize(small, alpha.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return np.clip(large, *SURE).astype(np.float32)


def rough_fill(rgb: U8, holes: np.ndarray) -> U8:
    """As inpainting networks fill designs: edges go on, and colours are a few levels off."""
    filled = fill(rgb, holes).image
    rng = np.random.default_rng(0)
    off = cv2.GaussianBlur(rng.normal(0, 30, rgb.shape).astype(np.float32), (0, 0), 4)
    filled[holes] = np.clip(filled + off, 0, 255).astype(np.uint8)[holes]
    return filled
