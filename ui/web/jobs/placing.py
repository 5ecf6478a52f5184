"""Where the answer of a long job belongs in a document that was edited meanwhile."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from layerstudio.document import Document, Layer, NodePath
from layerstudio.edits.editing import check_open
from layerstudio.errors import InvalidRequest


@dataclass(frozen=True)
class Place:
    """The layer that a job started from, as it is now; it moved by (``dx``, ``dy``) pixels."""

    path: NodePath
    layer: Layer
    dx: int = 0
    dy: int = 0


def place_of(document: Document, started: Layer) -> Place:
    """Where the layer ``started`` is in ``document``: the same object, or the one layer that still
    has its pixels after an edit of its place or attributes.

    Raises ``InvalidRequest`` if it is gone, its pixels changed, or it was locked.
    """
    layers = [(path, node) for path, node in document.walk() if isinstance(node, Layer)]
    found = [(path, node) for path, node in layers if node is started]
    found = found or [(path, node) for path, node in layers if _same_pixels(node, started)]
    if len(found) != 1:
        raise InvalidRequest(
            f"The layer {started.name!r} was changed or deleted while the job ran, so its result"
            " has no place any more.",
            advice="Undo to before the change and start the job again.",
        )
    path, layer = found[0]
    check_open(document, path)
    return Place(path, layer, layer.bounds.x - started.bounds.x, layer.bounds.y - started.bounds.y)


def _same_pixels(one: Layer, other: Layer) -> bool:
    """Whether both show the same memory, which edits share as long as they can."""
    return one.pixels.shape == other.pixels.shape and np.shares_memory(one.pixels, other.pixels)
