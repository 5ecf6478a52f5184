"""Edits of the canvas: another size or origin, or cut to what is visible."""

from __future__ import annotations

from dataclasses import replace

from layerstudio.composite import composite_pixels
from layerstudio.document import Document
from layerstudio.edits.checks import canvas_affordable, near, pixels
from layerstudio.edits.editing import Edited
from layerstudio.errors import InvalidRequest
from layerstudio.geometry import MAX_SIDE, Bounds, Extent


def resize_canvas(
    document: Document, width: float, height: float, x: float = 0, y: float = 0
) -> Edited:
    """A canvas of ``width`` x ``height`` pixels whose corner lies at (x, y) of the one before.

    Layers, locked ones too, keep their place in the picture: they move by (-x, -y), and what is off
    the canvas stays in the document. Sides are 1 to 300,000 pixels, 400 million together.
    """
    extent = Extent(
        pixels(width, "The width", 1, MAX_SIDE), pixels(height, "The height", 1, MAX_SIDE)
    )
    canvas_affordable(extent.width, extent.height)
    return Edited(_recut(document, extent, pixels(x, "x"), pixels(y, "y")), ())


def trim(document: Document) -> Edited:
    """The canvas cut to the visible pixels on it.

    Raises ``InvalidRequest`` if there are none.
    """
    shown = Bounds.of_mask(composite_pixels(document)[..., 3] > 0)
    if shown.is_empty:
        raise InvalidRequest("Nothing is visible, so there is nothing to cut the canvas to.")
    return Edited(_recut(document, shown.extent, shown.x, shown.y), ())


def _recut(document: Document, extent: Extent, x: int, y: int) -> Document:
    if extent == document.extent and not (x or y):
        return document
    children = document.children
    if x or y:
        for child in children:
            near(child.bounds.moved(-x, -y), f"{child.name!r}")
        children = tuple(child.moved(-x, -y) for child in children)
    return replace(document, extent=extent, children=children)
