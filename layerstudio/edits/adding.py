"""New layers: an empty one to work on, and one of a single colour as a background."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from layerstudio.color import full_scale
from layerstudio.document import Document, Layer, NodePath, Role
from layerstudio.edits.checks import node_name
from layerstudio.edits.colours import document_colour
from layerstudio.edits.editing import Edited, Slot, check_open, rebuilt
from layerstudio.edits.paths import children_at, chosen
from layerstudio.geometry import Bounds


def add_layer(document: Document, paths: Sequence[NodePath], name: str | None = None) -> Edited:
    """An empty layer right above the topmost chosen node, or on top of all if none is chosen.

    Where the next node above is clipped, so is the new layer: what is clipped stays so.
    """
    top = chosen(document, paths)[-1] if paths else (len(document.children) - 1,)
    parent, index = top[:-1], top[-1] + 1
    if parent:
        check_open(document, parent)
    siblings = children_at(document, parent)
    empty = Layer(
        name=f"Layer {len(document.layers) + 1}" if name is None else node_name(name),
        bounds=Bounds(0, 0, 0, 0),
        pixels=np.zeros((0, 0, 4), document.dtype),
        clipped=index < len(siblings) and index > 0 and siblings[index].clipped,
    )
    return rebuilt(document, {}, {(*parent, index): [Slot(empty)]})


def fill_colour(document: Document, color: str, name: str = "Background") -> Edited:
    """A layer of one sRGB colour ("#rrggbb") below everything, as large as the canvas.

    What was lowest has something to be clipped to now, and is not.
    """
    dtype = document.dtype
    step = full_scale(dtype) // 255
    pixels = np.empty((*document.extent.shape, 4), dtype)
    red, green, blue = document_colour(color, document.icc_profile)
    pixels[:] = np.array([red * step, green * step, blue * step, 255 * step], dtype)
    background = Layer(
        name=node_name(name),
        bounds=Bounds.full(document.extent),
        pixels=pixels,
        role=Role.BACKGROUND,
    )
    children = document.children
    if children and children[0].clipped:
        children = (replace(children[0], clipped=False), *children[1:])
    return Edited(replace(document, children=(background, *children)), ((0,),))
