"""Pictures of some nodes by themselves, anywhere on or off the canvas."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import cv2
import numpy as np

from layerstudio.color import F32
from layerstudio.composite import bands, compile_items, on_all_cores, paint_items
from layerstudio.document import BlendMode, Layer, Node
from layerstudio.geometry import Bounds
from layerstudio.surface import Surface


def shown_bounds(nodes: Sequence[Node]) -> Bounds:
    """Where ``nodes`` can show, with their masks; empty if nothing of them is visible."""
    everywhere = Bounds.around(node.bounds for node in nodes)
    return Bounds.around(item.bounds for item in compile_items(nodes, everywhere))


def picture_of(nodes: Sequence[Node], bounds: Bounds) -> F32:
    """``nodes``, composited on nothing: (h, w, 4) float32 in [0, 1] at ``bounds``, straight."""
    items = compile_items(nodes, bounds)
    picture = np.empty((*bounds.extent.shape, 4), np.float32)

    def work(band: Bounds) -> None:
        surface = Surface(band)
        paint_items(items, surface)
        picture[band.relative_to(bounds).slices] = cv2.merge(list(surface.straight()))

    on_all_cores(work, bands(bounds))
    return picture


def bare(node: Node) -> Node:
    """What is in a node: NORMAL, opacity 1, no mask, visible, not clipped."""
    normal = BlendMode.NORMAL
    return replace(node, blend=normal, opacity=1.0, mask=None, visible=True, clipped=False)


def is_isolated(node: Node, clipped: Sequence[Node]) -> bool:
    """Whether a base with these nodes clipped to it is painted on nothing before it is blended."""
    through = node.blend is BlendMode.PASS_THROUGH
    return not through or any(each.visible and each.opacity > 0 for each in clipped)


def layers_in(node: Node) -> Iterator[Layer]:
    """The node itself if it is a layer, else all layers in it, bottom to top."""
    if isinstance(node, Layer):
        yield node
    else:
        for child in node.children:
            yield from layers_in(child)


def depth_of(*nodes: Node) -> np.dtype:
    """uint16 if a layer in one of the nodes is, else uint8."""
    layers = (layer for node in nodes for layer in layers_in(node))
    deep = any(layer.pixels.dtype == np.uint16 for layer in layers)
    return np.dtype(np.uint16 if deep else np.uint8)
