"""A layer in another colour, its shading kept.

The layer's dominant colour becomes the wanted one; black and white stay; in between all changes
in proportion, in OKLab. With L the lightness of a pixel, Ld the dominant's and Lt the target's,

    L' = L Lt / Ld for L <= Ld, else 1 - (1 - L) (1 - Lt) / (1 - Ld)
    (a, b)' = (a, b) + w ((at, bt) - (ad, bd)), w = L / Ld or (1 - L) / (1 - Ld)

so that lighter stays lighter, highlights stay white, deep shadows stay dark, and white letters on
a button stay white.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from layerstudio.color import U8, Pixels
from layerstudio.document import Document, Layer, NodePath
from layerstudio.edits.checks import number
from layerstudio.edits.colour_planes import ColourChange, with_colours
from layerstudio.edits.colours import document_colour
from layerstudio.edits.editing import Edited, changed_layers
from layerstudio.edits.oklab import from_oklab, to_oklab

_BITS = 4  # a channel: colours are counted in cells of 16 levels
_LOOKED_AT = 1_000_000  # pixels: enough to find what is common
_TINY = 1e-4  # of lightness


def recolour(
    document: Document, paths: Sequence[NodePath], color: str, amount: float = 1.0
) -> Edited:
    """The chosen layers, each with its dominant colour turned to ``color`` ("#rrggbb", sRGB).

    ``amount`` in [0, 1] is how far. Layers of which nothing is visible stay as they are. In a
    document with a profile the numbers of its colours are taken for sRGB's in OKLab.
    """
    target = np.array(document_colour(color, document.icc_profile), np.uint8)
    share = number(amount, "The amount", 0, 1)

    def change(layer: Layer) -> Layer:
        dominant = dominant_colour(layer.pixels)
        if share == 0 or dominant is None:
            return layer
        return with_colours(layer, _shift(dominant, target, share))

    return changed_layers(document, paths, change)


def dominant_colour(pixels: Pixels) -> NDArray | None:
    """(3,): the mean of the most common colours of (h, w, 4), weighted by alpha, at their depth;
    None where nothing is visible. Large layers are looked at in a grid of a million pixels."""
    step = max(1, int(np.sqrt(pixels.shape[0] * pixels.shape[1] / _LOOKED_AT)))
    seen = np.ascontiguousarray(pixels[::step, ::step]).reshape(-1, 4)
    weight = seen[:, 3].astype(np.float64)
    if not weight.any():
        return None
    coarse = (seen[:, :3] >> (8 * pixels.dtype.itemsize - _BITS)).astype(np.intp)
    cell = (coarse[:, 0] << 2 * _BITS) | (coarse[:, 1] << _BITS) | coarse[:, 2]
    members = cell == np.argmax(np.bincount(cell, weight))
    mean = np.average(seen[members, :3], axis=0, weights=weight[members])
    return np.rint(mean).astype(pixels.dtype)


def _shift(dominant: NDArray, target: U8, share: float) -> ColourChange:
    base = to_oklab(dominant.reshape(3, 1, 1))
    goal = base + np.float32(share) * (to_oklab(target.reshape(3, 1, 1)) - base)

    def change(planes: NDArray) -> NDArray:
        lab = to_oklab(planes)
        light = lab[0]
        below = (light <= base[0]) & (base[0] > _TINY)  # nothing is darker than black
        dark_side = light / np.maximum(base[0], _TINY)
        light_side = (1 - light) / np.maximum(1 - base[0], _TINY)
        weight = np.clip(np.where(below, dark_side, light_side), 0, 1)
        lab[1:] += weight * (goal[1:] - base[1:])
        lab[0] = np.where(below, weight * goal[0], 1 - weight * (1 - goal[0]))
        return from_oklab(lab, planes.dtype)

    return change
