"""How large edits may make a document: what may be opened may be made, and no more.

Without these a document of one layer could be doubled until the memory of everybody is full.
"""

from __future__ import annotations

from dataclasses import dataclass

from layerstudio.document import Document, NodePath
from layerstudio.edits import Edited
from layerstudio.io.limits import Limits
from layerstudio.ui.web.errors_json import TooLarge
from layerstudio.ui.web.studio import Edit


@dataclass(frozen=True)
class _Size:
    """Of a document: nodes, levels of groups, pixels of the canvas and of all layers together."""

    nodes: int
    depth: int
    canvas: int
    pixels: int

    @classmethod
    def of(cls, document: Document) -> _Size:
        places = [(len(path), node) for path, node in document.walk()]
        return cls(
            nodes=len(places),
            depth=max((length for length, _ in places), default=0),
            canvas=document.extent.pixel_count,
            pixels=sum(layer.bounds.area for layer in document.layers),
        )


def within(edit: Edit, limits: Limits) -> Edit:
    """``edit``, unless it makes a document that is over the limits, or farther over them than it
    was; then it raises ``TooLarge``."""

    def checked(document: Document, paths: tuple[NodePath, ...]) -> Edited:
        edited = edit(document, paths)
        if edited.document is not document:
            _check(_Size.of(document), _Size.of(edited.document), limits)
        return edited

    return checked


def _check(before: _Size, after: _Size, limits: Limits) -> None:
    for what, was, now, most in (
        ("layers and groups", before.nodes, after.nodes, limits.nodes),
        ("levels of groups", before.depth, after.depth, limits.depth),
        ("pixels on its canvas", before.canvas, after.canvas, limits.pixels),
        ("pixels in its layers", before.pixels, after.pixels, limits.total_pixels),
    ):
        if now > max(was, most):
            raise TooLarge(f"The document would have {now:,} {what}, more than {most:,}.")
