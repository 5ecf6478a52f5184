"""Decoded layers as a document of the size asked for."""

from __future__ import annotations

from collections.abc import Sequence

from layerstudio.color import U8
from layerstudio.document import Document, Layer, Provenance, Role
from layerstudio.geometry import Bounds
from layerstudio.pipelines.multilayer.decoding import (
    BACKGROUND,
    COMPOSITE,
    FIRST_FOREGROUND,
    DecodedLayer,
)
from layerstudio.pipelines.stacking import layer_of, stack
from layerstudio.pipelines.steps import Canvas, to_uint8


def document_of(
    layers: Sequence[DecodedLayer | None],
    canvas: Canvas,
    *,
    names: Sequence[str] = (),
    provenances: Sequence[Provenance | None] = (),
) -> Document:
    """Background and foregrounds bottom to top, and hidden the composite that was made with them.

    ``names`` and ``provenances`` are the foregrounds', those without one being numbered. What the
    padding of the canvas added is cut off.
    """
    foregrounds = [
        _layer(layer, canvas, _name(names, k), Role.OBJECT, _of(provenances, k))
        for k, layer in enumerate(layers[FIRST_FOREGROUND:])
        if layer is not None
    ]
    return stack(
        canvas.wanted,
        background=_optional(layers, BACKGROUND, canvas, "Background", Role.BACKGROUND),
        foregrounds=[layer for layer in foregrounds if layer is not None],
        blended=_optional(layers, COMPOSITE, canvas, "Composite", Role.EFFECT),
    )


def _optional(
    layers: Sequence[DecodedLayer | None], number: int, canvas: Canvas, name: str, role: Role
) -> Layer | None:
    layer = layers[number] if number < len(layers) else None
    return None if layer is None else _layer(layer, canvas, name, role, None)


def _layer(
    layer: DecodedLayer, canvas: Canvas, name: str, role: Role, provenance: Provenance | None
) -> Layer | None:
    """None for a box that lies wholly in the padding."""
    place = canvas.place
    on_canvas = layer.bounds.moved(-place.x, -place.y)
    visible = on_canvas.clamped(canvas.wanted)
    if visible.is_empty:
        return None
    pixels: U8 = to_uint8(layer.rgba[None])[0][visible.relative_to(on_canvas).slices]
    return layer_of(name, pixels.copy(), role, Bounds(*visible), provenance)


def _name(names: Sequence[str], index: int) -> str:
    return names[index] if index < len(names) and names[index] else f"Layer {index + 1}"


def _of(provenances: Sequence[Provenance | None], index: int) -> Provenance | None:
    return provenances[index] if index < len(provenances) else None
