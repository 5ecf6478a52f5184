"""A slow compositor written apart from ours: float64, whole canvas, straight alpha throughout.

It takes the equations literally: general compositing of W3C Compositing and Blending Level 1 with
colour divided back to straight after every step, no premultiplied sums, no trimming, no bands.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from layerstudio.blend import BLEND_FUNCTIONS, dissolve_coverage
from layerstudio.document import BlendMode, Document, Group, Mask, Node
from layerstudio.geometry import Bounds

Straight = tuple[NDArray, NDArray]  # colour (h, w, 3), alpha (h, w)


def oracle(document: Document) -> NDArray:
    """(h, w, 4) float64 straight alpha; colour 0 under alpha 0."""
    colour, alpha = _paint(document.children, _nothing(document), document)
    return np.dstack([np.where(alpha[..., None] > 0, colour, 0), alpha])


def _nothing(document: Document) -> Straight:
    height, width = document.extent.shape
    return np.zeros((height, width, 3)), np.zeros((height, width))


def _paint(nodes: tuple[Node, ...], backdrop: Straight, document: Document) -> Straight:
    index = 0
    while index < len(nodes):
        base, index = nodes[index], index + 1
        clipped = []
        while index < len(nodes) and nodes[index].clipped:
            clipped.append(nodes[index])
            index += 1
        backdrop = _paint_run(base, tuple(clipped), backdrop, document)
    return backdrop


def _paint_run(
    base: Node, clipped: tuple[Node, ...], backdrop: Straight, document: Document
) -> Straight:
    if not base.visible:
        return backdrop
    weight = base.opacity * _mask(base.mask, document)
    through = base.blend is BlendMode.PASS_THROUGH
    shown = any(node.visible and node.opacity for node in clipped)
    if isinstance(base, Group) and through and not shown:
        painted = _paint(base.children, backdrop, document)
        return _mixed(backdrop, painted, weight)
    colour, alpha = _content(base, document)
    if clipped:
        opaque = np.ones_like(alpha)
        loose = tuple(_unclipped(node) for node in clipped)
        colour, _ = _paint(loose, (colour, opaque), document)
    mode = BlendMode.NORMAL if through else base.blend
    return _over(backdrop, (colour, alpha * weight), mode)


def _unclipped(node: Node) -> Node:
    return replace(node, clipped=False)


def _content(node: Node, document: Document) -> Straight:
    colour, alpha = _nothing(document)
    if isinstance(node, Group):
        return _paint(node.children, (colour, alpha), document)
    pixels = node.pixels / np.iinfo(node.pixels.dtype).max
    place = node.bounds.clamped(document.extent)
    if not place.is_empty:
        inside = pixels[place.relative_to(node.bounds).slices]
        colour[place.slices] = inside[..., :3]
        alpha[place.slices] = inside[..., 3]
    return colour, alpha


def _mask(mask: Mask | None, document: Document) -> NDArray:
    values = np.ones(document.extent.shape)
    if mask is None or not mask.enabled:
        return values
    values[...] = mask.outside
    place = mask.bounds.clamped(document.extent)
    if not place.is_empty:
        crop = mask.pixels[place.relative_to(mask.bounds).slices]
        values[place.slices] = crop / np.iinfo(crop.dtype).max
    return values


def _over(backdrop: Straight, source: Straight, mode: BlendMode) -> Straight:
    (cb, ab), (cs, alpha) = backdrop, source
    if mode is BlendMode.DISSOLVE:
        place = Bounds(0, 0, alpha.shape[1], alpha.shape[0])
        alpha = dissolve_coverage(alpha.astype(np.float32), place).astype(float)
    blended = BLEND_FUNCTIONS[mode](np.moveaxis(cb, 2, 0), np.moveaxis(cs, 2, 0))  # type: ignore
    as_, ab_ = alpha[..., None], ab[..., None]
    co = cs * as_ * (1 - ab_) + cb * ab_ * (1 - as_) + as_ * ab_ * np.moveaxis(blended, 0, 2)
    return _divided(co, alpha + ab * (1 - alpha))


def _mixed(before: Straight, after: Straight, weight: NDArray) -> Straight:
    """Both pictures added in the proportion of ``weight``, colour weighted by alpha."""
    alpha = before[1] * (1 - weight) + after[1] * weight
    co = before[0] * (before[1] * (1 - weight))[..., None]
    return _divided(co + after[0] * (after[1] * weight)[..., None], alpha)


def _divided(co: NDArray, alpha: NDArray) -> Straight:
    safe = np.where(alpha > 0, alpha, 1)[..., None]
    return np.where(alpha[..., None] > 0, co / safe, 0), alpha
