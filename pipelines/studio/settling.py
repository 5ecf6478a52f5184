"""Layers seen in a picture, settled so that they recompose to it.

What lies in the box of a thing and plainly differs from the background that the network makes is
the thing's, even where the network gave it no alpha. What no thing covers is background, and is
kept as the picture has it. Under the things it is the network's, drawn to the same colours at
their edges by a smooth correction. Then every pixel is settled in the topmost layer that covers it
(``layerstudio.ops.exact``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32, channel_max, full_scale, to_depth, to_float, to_u8
from layerstudio.document import Document, Layer
from layerstudio.geometry import Bounds
from layerstudio.models.studio_network import BACKGROUND, SIDE
from layerstudio.ops.exact import make_exact
from layerstudio.ops.pyramid_fill import pyramid_fill
from layerstudio.picture import Picture

_PLAINLY = 0.15  # of the largest difference of a channel
_SPECK = 3.0  # pixels of the model's canvas; what is smaller is noise
_AROUND = 2.5  # pixels of the model's canvas: edges of things that alpha may have missed


def settled(picture: Picture, made: Mapping[int, Layer], boxes: Mapping[int, Bounds]) -> Document:
    """The document of the layers by number, of things in ``boxes``; it recomposes to within
    1/255."""
    unlike = _unlike(picture, made[BACKGROUND], boxes)
    for number in boxes:
        unlike[made[number].bounds.slices] &= made[number].pixels[..., 3] == 0
    things: list[Layer] = []
    for number in sorted(boxes, reverse=True):
        things.insert(0, _claiming(made[number], boxes[number], unlike))
    ground = _grounded(picture, made[BACKGROUND], things)
    return Document(picture.extent, make_exact([ground, *things], picture.pixels))


def _unlike(picture: Picture, ground: Layer, boxes: Mapping[int, Bounds]) -> NDArray[np.bool_]:
    """(h, w): where the picture plainly differs from the network's background."""
    outside = np.ones(picture.extent.shape, bool)
    for box in boxes.values():
        outside[box.slices] = False
    shown = to_float(picture.pixels)[..., :3]
    made = corrected(to_float(ground.pixels)[..., :3], shown, outside)
    off = channel_max(np.abs(shown - made)) > _PLAINLY
    reach = max(3, round(_SPECK * max(picture.extent) / SIDE))
    whole = np.ones((reach, reach), np.uint8)
    return cv2.morphologyEx(off.astype(np.uint8), cv2.MORPH_OPEN, whole) > 0


def _claiming(layer: Layer, box: Bounds, unclaimed: NDArray[np.bool_]) -> Layer:
    """``layer`` made opaque where its box holds what is ``unclaimed``, which is struck off."""
    pixels = np.zeros((*box.extent.shape, 4), layer.pixels.dtype)
    pixels[layer.bounds.relative_to(box).slices] = layer.pixels
    part = unclaimed[box.slices]
    pixels[part] = full_scale(pixels.dtype)
    part[...] = False
    return replace(layer, bounds=box, pixels=pixels)


def _grounded(picture: Picture, ground: Layer, things: list[Layer]) -> Layer:
    hidden = _hidden(picture, things)
    shown = to_float(picture.pixels)
    known = ~hidden & (shown[..., 3] == 1)
    if not known.any():
        return ground
    pixels = corrected(to_float(ground.pixels)[..., :3], shown[..., :3], known)
    opaque = to_u8(np.dstack([pixels, np.ones_like(pixels[..., :1])]))
    own = to_depth(opaque, picture.pixels.dtype)
    own[known] = picture.pixels[known]
    return replace(ground, pixels=own)


def corrected(made: F32, shown: F32, known: NDArray[np.bool_]) -> F32:
    """``made`` (h, w, 3) in [0, 1], changed smoothly so that it meets ``shown`` where that is
    ``known`` (h, w), and is it there."""
    lacking = np.dstack([(shown - made) / 2 + 0.5, known[..., None]]).astype(np.float32)
    change = (pyramid_fill(lacking) - np.float32(0.5)) * 2
    return np.where(known[..., None], shown, (made + change).clip(0, 1)).astype(np.float32)


def _hidden(picture: Picture, things: list[Layer]) -> NDArray[np.bool_]:
    """(h, w): where a thing is, and a little around it."""
    covered = np.zeros(picture.extent.shape, np.uint8)
    for layer in things:
        covered[layer.bounds.slices] |= (layer.pixels[..., 3] > 0).astype(np.uint8)
    reach = max(1, round(_AROUND * max(picture.extent) / SIDE))
    around = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    return cv2.dilate(covered, around) > 0
