"""What a good matting network and LaMa would answer for a design whose layers are known."""

from collections.abc import Callable, Sequence
from functools import reduce

import cv2
import numpy as np
from PIL import Image

from layerstudio.color import U8
from layerstudio.document import Document, Layer
from layerstudio.geometry import Extent
from layerstudio.metrics.grouping import group_layers
from layerstudio.pipelines.layerd.networks import Networks

MATTE_SIDE = 512  # pixels that LayerD's network looks at
SURE = (0.004, 0.985)  # a sigmoid never reaches 0 and 1


def on_canvas(layer: Layer, extent: Extent) -> U8:
    canvas = np.zeros((*extent.shape, 4), np.uint8)
    canvas[layer.bounds.slices] = layer.pixels
    return canvas


def canvases(document: Document) -> list[U8]:
    return [on_canvas(layer, document.extent) for layer in document.layers]


def knowing_networks(document: Document) -> Networks:
    """Two networks for one run. Each call of the first finds the next group of layers that nothing
    covers, as blurred and unsure as a network at its working size, and after the last but one
    nothing; the second completes what that group hid, a few levels off."""
    groups = group_layers(canvases(document))
    alphas = [seen(group[..., 3] / np.float32(255)) for group in reversed(groups[1:])]
    plates = [reduce(over, groups[:count])[..., :3] for count in range(len(groups) - 1, 0, -1)]

    def inpainting(rgb: U8, holes: np.ndarray) -> U8:
        made = noisy(plates.pop(0)) if holes.any() else rgb
        return np.where(holes[..., None], made, rgb)

    return Networks(in_turn(alphas), inpainting)


def over(lower: U8, upper: U8) -> U8:
    return np.asarray(Image.alpha_composite(Image.fromarray(lower), Image.fromarray(upper)))


def noisy(rgb: U8) -> U8:
    """A few levels off in spots, as what networks make up."""
    off = np.random.default_rng(0).normal(0, 30, rgb.shape).astype(np.float32)
    return np.clip(rgb + cv2.GaussianBlur(off, (0, 0), 4), 0, 255).astype(np.uint8)


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
