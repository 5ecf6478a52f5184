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
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from layerstudio.color import U8, Pixels, to_float
from layerstudio.document import Document, Node, NodePath
from layerstudio.edits.checks import number
from layerstudio.edits.colour_planes import ColourChange, with_colours
from layerstudio.edits.colours import document_colour
from layerstudio.edits.editing import Edited, changed_each, check_unlocked, with_layers
from layerstudio.edits.paths import chosen, normalised
from layerstudio.edits.rendering import layers_in
from layerstudio.oklab import from_oklab, to_oklab

_BITS = 4  # a channel: colours are counted in cells of 16 levels
_LOOKED_AT = 1_000_000  # pixels: enough to find what is common
_TINY = 1e-4  # of lightness


def recolour(
    document: Document, paths: Sequence[NodePath], color: str, amount: float = 1.0
) -> Edited:
    """The chosen nodes, each with its dominant colour turned to ``color`` ("#rrggbb", sRGB).

    A group changes as one, by the colour that is dominant in all of it. ``amount`` in [0, 1] is how
    far. Nodes of which nothing is visible stay as they are. In a document with a profile the
    numbers of its colours are taken for sRGB's in OKLab.
    """
    target = np.array(document_colour(color, document.icc_profile), np.uint8)
    share = number(amount, "The amount", 0, 1)
    wanted = normalised(document, paths)
    check_unlocked(document, wanted)

    def change(node: Node) -> Node:
        dominant = dominant_colour([layer.pixels for layer in layers_in(node)])
        if share == 0 or dominant is None:
            return node
        shift = _shift(dominant, target, share)
        return with_layers(node, lambda layer: with_colours(layer, shift))

    return replace(changed_each(document, wanted, change), selection=chosen(document, paths))


def dominant_colour(pictures: Sequence[Pixels]) -> NDArray | None:
    """(3,): the mean of the most common colours of pictures (h, w, 4), weighted by alpha.

    None where nothing is visible. Large pictures are looked at in a grid of a million pixels.
    """
    found = [_most_common(pixels) for pixels in pictures if pixels.size]
    weight, colour = max(found, key=lambda each: each[0], default=(0.0, None))
    return colour if weight > 0 else None


def _most_common(pixels: Pixels) -> tuple[float, NDArray]:
    """How much alpha, in opaque pixels, has the most common colours, and (3,) their mean."""
    step = max(1, int(np.sqrt(pixels.shape[0] * pixels.shape[1] / _LOOKED_AT)))
    seen = np.ascontiguousarray(pixels[::step, ::step]).reshape(-1, 4)
    weight = to_float(seen[:, 3])
    coarse = (seen[:, :3] >> (8 * pixels.dtype.itemsize - _BITS)).astype(np.intp)
    cell = (coarse[:, 0] << 2 * _BITS) | (coarse[:, 1] << _BITS) | coarse[:, 2]
    weights = np.bincount(cell, weight)
    fullest = int(np.argmax(weights))
    if weights[fullest] == 0:
        return 0.0, seen[0, :3]
    members = cell == fullest
    mean = np.average(seen[members, :3], axis=0, weights=weight[members])
    return float(weights[fullest]) * step * step, np.rint(mean).astype(pixels.dtype)


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
