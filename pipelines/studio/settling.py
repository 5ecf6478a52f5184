"""Layers seen in a picture, settled so that they recompose to it.

What no thing covers is background, and is kept as the picture has it. Under the things it is the
network's, drawn to the same colours at their edges by a smooth correction. Then every pixel is
settled in the topmost layer that covers it (``layerstudio.ops.exact``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32, to_depth, to_float, to_u8
from layerstudio.document import Document, Layer
from layerstudio.models.studio_network import BACKGROUND, SIDE
from layerstudio.ops.exact import make_exact
from layerstudio.ops.pyramid_fill import pyramid_fill
from layerstudio.picture import Picture

_AROUND = 2.5  # pixels of the model's canvas: edges of things that alpha may have missed


def settled(picture: Picture, made: Mapping[int, Layer]) -> Document:
    """The document of the layers by number; it recomposes to within 1/255."""
    things = [made[number] for number in sorted(made) if number != BACKGROUND]
    ground = _grounded(picture, made[BACKGROUND], things)
    return Document(picture.extent, make_exact([ground, *things], picture.pixels))


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
