"""Composite a document: from its tree of layers to one picture.

The tree is first compiled into items, which know where they show on the canvas and what is
clipped to them; whatever cannot show is gone by then. Bands of rows small enough for a core's
cache are then painted one by one, on all cores.

How Photoshop's features are read, where the W3C has no word for them:

- A group that does not pass through is isolated: painted on nothing, then blended as one layer.
- A pass-through group paints its children straight on the backdrop; an opacity or mask below 1
  mixes the result with the backdrop as it was.
- Layers clipped to a base blend with the base's colour as if it were opaque, and the base's alpha,
  mask, opacity and mode shape the result. A clipped node with nothing below is drawn unclipped,
  and a hidden base hides what is clipped to it. A pass-through group with visible nodes clipped
  to it, wherever they are, is isolated.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import cv2
import numpy as np

from layerstudio.color import F32, Pixels, to_depth
from layerstudio.document import BlendMode, Document, Group, Layer, Node, clipping_runs
from layerstudio.geometry import Bounds
from layerstudio.surface import Source, Surface, layer_source, lerp, mask_at

# Four float32 planes of target and of source are 1 MiB together: half a core's second cache.
_BAND_PIXELS = 32_768


@dataclass(frozen=True)
class Item:
    """A node that shows at ``bounds`` of the canvas, with what is inside it and clipped to it.

    Hidden nodes are gone. A group that ``passes_through`` paints straight on its backdrop.
    """

    node: Node
    bounds: Bounds
    children: tuple[Item, ...] = ()
    clipped: tuple[Item, ...] = ()
    passes_through: bool = False


def composite(document: Document, bounds: Bounds | None = None) -> F32:
    """The picture of ``document``: (h, w, 4) float32 in [0, 1], straight alpha.

    ``bounds`` is the part wanted, by default the canvas; beyond the canvas nothing is drawn.
    Colour is 0 where alpha is 0.
    """
    bounds = Bounds.full(document.extent) if bounds is None else bounds
    picture = np.zeros((*bounds.extent.shape, 4), np.float32)

    def store(straight: F32, band: Bounds) -> None:
        picture[band.relative_to(bounds).slices] = cv2.merge(list(straight))

    _composite_bands(document, bounds, store)
    return picture


def composite_pixels(
    document: Document, bounds: Bounds | None = None, dtype: np.dtype | type | None = None
) -> Pixels:
    """``composite`` as integers by rounding: (h, w, 4) of ``dtype`` (uint8 or uint16), by default
    the document's own depth."""
    bounds = Bounds.full(document.extent) if bounds is None else bounds
    depth = document.dtype if dtype is None else np.dtype(dtype)
    picture = np.zeros((*bounds.extent.shape, 4), depth)

    def store(straight: F32, band: Bounds) -> None:
        picture[band.relative_to(bounds).slices] = cv2.merge(list(to_depth(straight, depth)))

    _composite_bands(document, bounds, store)
    return picture


def _composite_bands(
    document: Document, bounds: Bounds, store: Callable[[F32, Bounds], None]
) -> None:
    """Give ``store`` the straight planes of every band of ``bounds`` that is on the canvas."""
    region = bounds.clamped(document.extent)
    items = compile_items(document.children, region)

    def work(band: Bounds) -> None:
        surface = Surface(band)
        paint_items(items, surface)
        store(surface.straight(), band)

    on_all_cores(work, bands(region))


def on_all_cores(work: Callable[[Bounds], None], places: Sequence[Bounds]) -> None:
    """Call ``work`` once for each place and raise what it raises; numpy lets go of the lock."""
    workers = min(os.cpu_count() or 1, len(places))
    if workers <= 1:
        for place in places:
            work(place)
        return
    with ThreadPoolExecutor(workers) as pool:
        for _ in pool.map(work, places):  # iterating raises what a worker raised
            pass


def bands(region: Bounds) -> list[Bounds]:
    """``region`` cut into rows that a core's cache has room for."""
    if region.is_empty:
        return []
    rows = max(1, _BAND_PIXELS // region.width)
    tops = range(region.y, region.bottom, rows)
    return [Bounds(region.x, top, region.width, min(rows, region.bottom - top)) for top in tops]


def compile_items(nodes: Sequence[Node], region: Bounds) -> tuple[Item, ...]:
    """Items of the nodes that can show in ``region``, bottom to top."""
    items = []
    for base, clipped in clipping_runs(nodes):
        item = _compile_node(base, region)
        if item is not None:
            above = tuple(above for node in clipped if (above := _compile_node(node, item.bounds)))
            through = item.passes_through and not any(map(_shows, clipped))
            items.append(replace(item, clipped=above, passes_through=through))
    return tuple(items)


def _compile_node(node: Node, region: Bounds) -> Item | None:
    """The node alone, or None where it is hidden, empty or outside ``region``."""
    if not _shows(node):
        return None
    if node.mask is not None and node.mask.enabled and node.mask.outside == 0:
        region = region.intersection(node.mask.bounds)
    if isinstance(node, Layer):
        bounds = region.intersection(node.bounds)
        return None if bounds.is_empty else Item(node, bounds)
    children = compile_items(node.children, region)
    bounds = Bounds.around(child.bounds for child in children)
    through = node.blend is BlendMode.PASS_THROUGH
    return None if bounds.is_empty else Item(node, bounds, children, passes_through=through)


def _shows(node: Node) -> bool:
    return node.visible and node.opacity > 0


def paint_items(items: Sequence[Item], surface: Surface) -> None:
    """Paint ``items``, bottom to top, on what is on ``surface``.

    Painting in several goes, or in parts of the canvas, gives the same to the bit as in one.
    """
    for item in items:
        place = item.bounds.intersection(surface.bounds)
        if place.is_empty:
            continue
        if item.passes_through:
            _paint_through(item, surface, place)
        else:
            source = _source(item, place)
            if source is not None:
                _fade(source, item.node)
                surface.paint(source, _blend_as_source(item.node))


def _blend_as_source(node: Node) -> BlendMode:
    through = node.blend is BlendMode.PASS_THROUGH
    return BlendMode.NORMAL if through else node.blend


def _paint_through(item: Item, surface: Surface, place: Bounds) -> None:
    """A pass-through group: its children on the backdrop, mixed with it by opacity and mask."""
    target = surface.part(place)
    painted = Surface(place, target.copy())
    paint_items(item.children, painted)
    result = Source(place, painted.planes_premul, None)
    _fade(result, item.node)
    lerp(target, result.planes, result.coverage)


def _source(item: Item, place: Bounds) -> Source | None:
    """The colour and own alpha of an item, with what is clipped to it; None where it is empty."""
    if isinstance(item.node, Group):
        surface = Surface(place)
        paint_items(item.children, surface)
        source = surface.as_source()
    else:
        source = layer_source(item.node, place)
    if source is not None and item.clipped:
        # The fourth plane is 1, so that clipped items see an opaque backdrop, and it stays 1.
        paint_items(item.clipped, Surface(source.bounds, source.planes))
    return source


def _fade(source: Source, node: Node) -> None:
    """Apply the node's opacity and mask."""
    source.fade(float(node.opacity))
    if node.mask is not None and node.mask.enabled:
        source.fade(mask_at(node.mask, source.bounds))
