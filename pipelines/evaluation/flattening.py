"""Any document as the plain stack of layers that the metrics compare."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from layerstudio.color import U8, Pixels, to_depth, to_float, to_u8
from layerstudio.document import BlendMode, Document, Group, Layer, Node, clipping_runs
from layerstudio.geometry import Bounds, Extent
from layerstudio.ops.bake import bake_unsupported
from layerstudio.ops.rasterise import layers_of
from layerstudio.pipelines.resizing import fitted

_NORMAL = frozenset({BlendMode.NORMAL})


def flattened(document: Document) -> tuple[Document, tuple[str, ...]]:
    """The visible layers alone, NORMAL, without groups, masks and clipping, and a note for each
    change that could not keep a layer as it was.

    The picture stays the same: blend modes are worked into colours, masks into alpha. Hidden layers
    and such as show no pixel are left out, without a note.
    """
    shown = replace(document, children=tuple(_shown(document.children)))
    baked, notes = bake_unsupported(shown, _NORMAL)
    leaves = tuple(leaf for leaf in baked.layers if _is_seen(leaf, document.extent))
    return replace(baked, children=leaves), notes


def stack_of(document: Document, extent: Extent) -> tuple[U8, ...]:
    """The layers of what ``flattened`` made, (h, w, 4) uint8 of ``extent``; a document of another
    size is stretched to it."""
    layers = layers_of(document)
    if document.extent == extent:
        return layers
    return tuple(to_u8(fitted(to_float(layer), extent, "resize")) for layer in layers)


def resized_layers(document: Document, extent: Extent) -> Document:
    """What ``flattened`` made, stretched to ``extent``, in 8 bits, each layer as large as that."""
    names = [(layer.name, layer.role) for layer in document.layers]
    place = Bounds.full(extent)
    layers = tuple(
        Layer(name, place, pixels, role=role)
        for (name, role), pixels in zip(names, stack_of(document, extent), strict=True)
    )
    return replace(document, extent=extent, children=layers)


def resized_pixels(pixels: Pixels, extent: Extent) -> Pixels:
    """(h, w, 4) straight, stretched premultiplied to ``extent``, in the same depth."""
    return to_depth(fitted(to_float(pixels), extent, "resize"), pixels.dtype)


def _shown(nodes: Sequence[Node]) -> Iterator[Node]:
    """Without what is hidden; a hidden base hides what is clipped to it."""
    for base, clipped in clipping_runs(nodes):
        if not base.visible or base.opacity == 0:
            continue
        for node in (base, *clipped):
            if node.visible and node.opacity > 0:
                inner = isinstance(node, Group)
                yield replace(node, children=tuple(_shown(node.children))) if inner else node


def _is_seen(layer: Layer, extent: Extent) -> bool:
    place = layer.bounds.clamped(extent)
    if place.is_empty or not layer.visible or layer.opacity == 0:
        return False
    return bool(layer.pixels[place.relative_to(layer.bounds).slices][..., 3].any())
