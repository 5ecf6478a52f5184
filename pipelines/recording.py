"""What made a document, written into it: shared by every task."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from layerstudio.document import Document, Group, Node, Provenance

Signature = Callable[[Provenance | None], Provenance]
_TITLE_LENGTH = 80  # characters; titles are shown in tabs and title bars


def signed(document: Document, signature: Signature) -> Document:
    """``document`` with the provenance of each layer as ``signature`` completes what is known."""
    return replace(document, children=tuple(_signed(node, signature) for node in document.children))


def title_of(source: str | None, text: str = "") -> dict[str, str]:
    """What pages and slides are called by: the name of the picture's file, or the prompt."""
    if source:
        return {"title": Path(source).stem}
    words = " ".join(text.split())
    if len(words) > _TITLE_LENGTH:
        words = words[:_TITLE_LENGTH].rsplit(" ", 1)[0] + " …"
    return {"title": words} if words else {}


def _signed(node: Node, signature: Signature) -> Node:
    if isinstance(node, Group):
        return replace(node, children=tuple(_signed(child, signature) for child in node.children))
    return replace(node, provenance=signature(node.provenance))
