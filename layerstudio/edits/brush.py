"""Parts of a layer hidden and shown again with a brush; the pixels themselves stay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from layerstudio.color import full_scale
from layerstudio.document import Document, Mask, Node, NodePath
from layerstudio.edits.checks import affordable, choice, number
from layerstudio.edits.editing import Edited, changed_each, check_unlocked
from layerstudio.edits.masks import full_mask
from layerstudio.edits.rendering import depth_of
from layerstudio.edits.stroke import Stroke
from layerstudio.geometry import Bounds

_LARGEST = 5000.0  # pixels


def brush(
    document: Document,
    paths: Sequence[NodePath],
    points: Sequence[Sequence[float]],
    *,
    mode: str,
    radius: float,
    hardness: float = 0.8,
    strength: float = 1.0,
) -> Edited:
    """One stroke on the masks of the chosen nodes: ``erase`` lowers them, ``restore`` raises them.

    ``points`` are (x, y) or (x, y, pressure), in canvas pixels; pressure 0 to 1 scales ``radius``
    (0.5 to 5000 pixels). ``hardness`` 0 to 1 is the share of the radius before the edge softens.
    ``strength`` 0 to 1 is by how much a stroke lowers or raises the mask. Erasing and restoring the
    same stroke leaves a full mask as it was. A mask grows by what the stroke needs of the node's
    bounds, and is switched on.
    """
    erase = choice(mode, "The mode", ("erase", "restore")) == "erase"
    size = number(radius, "The radius", 0.5, _LARGEST)
    stroke = Stroke.through(points, size, number(hardness, "Hardness", 0, 1))
    share = number(strength, "Strength", 0, 1)
    check_unlocked(document, paths)
    return changed_each(document, paths, lambda node: _painted(node, stroke, erase, share))


def _painted(node: Node, stroke: Stroke, erase: bool, strength: float) -> Node:
    mask = node.mask or full_mask(Bounds(0, 0, 0, 0), depth_of(node))
    region = stroke.bounds.intersection(node.bounds)
    if mask.outside == (0 if erase else 1):  # there is nothing to change out there
        region = region.intersection(mask.bounds)
    if region.is_empty or strength == 0:
        return node
    grown = _grown(mask, region)
    scale = full_scale(mask.pixels.dtype)
    change = np.rint(stroke.at(region) * np.float32(strength * scale)).astype(grown.pixels.dtype)
    pixels = grown.pixels.copy()
    window = pixels[region.relative_to(grown.bounds).slices]
    window[...] = cv2.subtract(window, change) if erase else cv2.add(window, change)
    return replace(node, mask=replace(grown, pixels=pixels, enabled=True))


def _grown(mask: Mask, region: Bounds) -> Mask:
    """The same mask with pixels at ``region`` too."""
    if mask.bounds.contains(region):
        return mask
    bounds = affordable(mask.bounds.union(region), "The mask")
    scale = full_scale(mask.pixels.dtype)
    pixels = np.full(bounds.extent.shape, mask.outside * scale, mask.pixels.dtype)
    if not mask.bounds.is_empty:
        pixels[mask.bounds.relative_to(bounds).slices] = mask.pixels
    return replace(mask, bounds=bounds, pixels=pixels)
