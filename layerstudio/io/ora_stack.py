"""What an OpenRaster stack can say, and how a document is said in it.

Baseline: https://www.openraster.org/baseline/layer-stack-spec.html. Krita adds ``krita:``
operators, named in its KoCompositeOpRegistry.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from layerstudio.color import Pixels, full_scale
from layerstudio.composite import composite_pixels
from layerstudio.document import BlendMode, Document, Group, Layer, Mask, Node
from layerstudio.geometry import Bounds

OPERATORS: dict[BlendMode, str] = {
    BlendMode.NORMAL: "svg:src-over",
    BlendMode.MULTIPLY: "svg:multiply",
    BlendMode.SCREEN: "svg:screen",
    BlendMode.OVERLAY: "svg:overlay",
    BlendMode.DARKEN: "svg:darken",
    BlendMode.LIGHTEN: "svg:lighten",
    BlendMode.COLOR_DODGE: "svg:color-dodge",
    BlendMode.COLOR_BURN: "svg:color-burn",
    BlendMode.HARD_LIGHT: "svg:hard-light",
    BlendMode.SOFT_LIGHT: "svg:soft-light",
    BlendMode.DIFFERENCE: "svg:difference",
    BlendMode.COLOR: "svg:color",
    BlendMode.LUMINOSITY: "svg:luminosity",
    BlendMode.HUE: "svg:hue",
    BlendMode.SATURATION: "svg:saturation",
    BlendMode.LINEAR_DODGE: "svg:plus",
    BlendMode.DISSOLVE: "krita:dissolve",
    BlendMode.LINEAR_BURN: "krita:linear_burn",
    BlendMode.DARKER_COLOR: "krita:darker color",
    BlendMode.LIGHTER_COLOR: "krita:lighter color",
    BlendMode.VIVID_LIGHT: "krita:vivid_light",
    BlendMode.LINEAR_LIGHT: "krita:linear light",
    BlendMode.PIN_LIGHT: "krita:pin_light",
    BlendMode.HARD_MIX: "krita:hard_mix_photoshop",
    BlendMode.EXCLUSION: "krita:exclusion",
    BlendMode.SUBTRACT: "krita:subtract",
    BlendMode.DIVIDE: "krita:divide",
}
# Other names of the same modes that programs write.
_ALIASES = {
    "svg:add": BlendMode.LINEAR_DODGE,
    "svg:exclusion": BlendMode.EXCLUSION,
    "krita:add": BlendMode.LINEAR_DODGE,
    "krita:linear_dodge": BlendMode.LINEAR_DODGE,
    "krita:soft_light": BlendMode.SOFT_LIGHT,
}
MODES = {name: mode for mode, name in OPERATORS.items()} | _ALIASES


@dataclass(frozen=True)
class Plain:
    """A document that a stack can say, and one sentence for each thing that was changed."""

    document: Document
    notes: tuple[str, ...]


def plain(document: Document) -> Plain:
    """``document`` without masks and clipping, looking the same.

    A layer's mask goes into its alpha. What is clipped together, and a group with a mask, become
    one flat layer each: no operator of the format says the same at soft edges.
    """
    notes: list[str] = []
    children = _plain_children(document.children, document, notes)
    notes += _notes_on_modes(document)
    return Plain(replace(document, children=children), tuple(dict.fromkeys(notes)))


def with_mask_applied(pixels: Pixels, bounds: Bounds, mask: Mask) -> Pixels:
    """The pixels at ``bounds`` with their alpha multiplied by ``mask``, rounded."""
    coverage = np.full(bounds.extent.shape, np.float32(mask.outside))
    common = bounds.intersection(mask.bounds)
    if not common.is_empty:
        inside = mask.pixels[common.relative_to(mask.bounds).slices]
        scale = np.float32(1 / full_scale(mask.pixels.dtype))
        coverage[common.relative_to(bounds).slices] = inside * scale
    masked = pixels.copy()
    masked[..., 3] = np.rint(pixels[..., 3] * coverage)
    return masked


def _plain_children(
    nodes: Sequence[Node], document: Document, notes: list[str]
) -> tuple[Node, ...]:
    return tuple(_plain_run(run, document, notes) for run in _runs(nodes))


def _runs(nodes: Sequence[Node]) -> list[list[Node]]:
    """Each node with the clipped ones right above it; clipped ones above nothing stand alone."""
    runs: list[list[Node]] = []
    for node in nodes:
        if node.clipped and runs:
            runs[-1].append(node)
        else:
            runs.append([replace(node, clipped=False)])
    return runs


def _plain_run(run: list[Node], document: Document, notes: list[str]) -> Node:
    base = run[0]
    mask = base.mask if base.mask is not None and base.mask.enabled else None
    if len(run) > 1:
        notes.append(f"{base.name!r} and what is clipped to it are one flat layer.")
        return _flattened(run, document)
    if base.mask is not None and mask is None:
        notes.append(f"The disabled mask of {base.name!r} is left out.")
    if isinstance(base, Layer):
        if mask is None:
            return replace(base, mask=None)
        notes.append(f"The mask of {base.name!r} is part of its alpha.")
        pixels = with_mask_applied(base.pixels, base.bounds, mask)
        return replace(base, pixels=pixels, mask=None)
    if mask is not None:
        notes.append(f"The group {base.name!r} and its mask are one flat layer.")
        _note_isolation(base, notes)
        return _flattened(run, document)
    if base.opacity < 1:
        _note_isolation(base, notes)
    return replace(base, mask=None, children=_plain_children(base.children, document, notes))


def _note_isolation(group: Group, notes: list[str]) -> None:
    """An opacity or a mask isolates a group in this format, by its specification."""
    if not is_isolated(group):
        notes.append(
            f"The group {group.name!r} does not pass through as it does here: blend modes inside"
            " it may look different."
        )


def _flattened(run: list[Node], document: Document) -> Layer:
    """A run as one layer with the base's name, place, opacity and mode, cut at the canvas."""
    base = run[0]
    mode = BlendMode.NORMAL if base.blend is BlendMode.PASS_THROUGH else base.blend
    shown = replace(base, opacity=1.0, visible=True, blend=BlendMode.NORMAL)
    bounds = base.bounds.clamped(document.extent)
    if bounds.is_empty:
        bounds = Bounds(0, 0, 0, 0)
    alone = replace(document, children=(shown, *run[1:]))
    pixels: NDArray = composite_pixels(alone, bounds)
    return Layer(base.name, bounds, pixels, base.opacity, mode, base.visible, base.locked)


def _notes_on_modes(document: Document) -> list[str]:
    used = {node.blend for _, node in document.walk()} - {BlendMode.PASS_THROUGH}
    return [
        f"The blend mode {mode.value} is known to Krita; other programs may show it as normal."
        for mode in sorted(used)
        if OPERATORS[mode].startswith("krita:")
    ]


def is_isolated(group: Group) -> bool:
    return group.blend is not BlendMode.PASS_THROUGH
