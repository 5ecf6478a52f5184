"""A document's layers as plain pictures of the canvas's size."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from layerstudio.color import F32, U8, to_depth
from layerstudio.composite import composite
from layerstudio.document import Document, Layer, Node
from layerstudio.geometry import Bounds, Extent
from layerstudio.surface import mask_at

# What a node's settings leave of what it holds: (h, w) in [0, 1], or one number, at a place.
_Fade = Callable[[Bounds], F32 | float]


def layers_of(document: Document) -> tuple[U8, ...]:
    """The visible layers, bottom to top: (h, w, 4) uint8 of the canvas's size, straight alpha.

    Opacity, masks and clipping, the layer's own and its groups', are worked into alpha; colour
    stays as it is, also under alpha 0, and is 0 outside the layer. Blend modes are not applied,
    and groups are not flattened.
    """
    found = _visible(document.children, document.extent, ())
    return tuple(_rasterised(layer, fades, document.extent) for layer, fades in found)


def _visible(
    nodes: Sequence[Node], extent: Extent, fades: tuple[_Fade, ...]
) -> Iterator[tuple[Layer, tuple[_Fade, ...]]]:
    """Layers that are not hidden, each with everything that fades it."""
    base: Node | None = None
    for node in nodes:
        base = base if node.clipped and base is not None else node
        if not node.visible or not base.visible:
            continue
        own = (*fades, _own_fade(node))
        if node is not base:
            own = (*own, _clip_fade(base, extent))
        if isinstance(node, Layer):
            yield node, own
        else:
            yield from _visible(node.children, extent, own)


def _own_fade(node: Node) -> _Fade:
    mask = node.mask
    if mask is None or not mask.enabled:
        return lambda place: node.opacity
    return lambda place: mask_at(mask, place) * np.float32(node.opacity)


def _clip_fade(base: Node, extent: Extent) -> _Fade:
    """The alpha that the base shows by itself."""
    alone = Document(extent, (replace(base, clipped=False),))
    return lambda place: composite(alone, place)[..., 3]


def _rasterised(layer: Layer, fades: tuple[_Fade, ...], extent: Extent) -> U8:
    canvas = np.zeros((*extent.shape, 4), np.uint8)
    place = layer.bounds.clamped(extent)
    if place.is_empty:
        return canvas
    pixels = to_depth(layer.pixels[place.relative_to(layer.bounds).slices], np.uint8)
    canvas[place.slices] = pixels
    coverage = np.ones(place.extent.shape, np.float32)
    for fade in fades:
        coverage *= fade(place)
    if coverage.min() < 1:
        alpha = canvas[place.slices][..., 3]
        alpha[...] = np.rint(alpha * coverage)
    return canvas
