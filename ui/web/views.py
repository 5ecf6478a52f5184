"""A document as JSON, for a page: ``DocumentView`` and ``NodeView`` of the wire."""

from __future__ import annotations

import math
from typing import Any

from layerstudio.document import Document, Group, Layer, Node, NodePath
from layerstudio.edits import dotted
from layerstudio.ui.web.history import Snapshot
from layerstudio.ui.web.studio import Moment
from layerstudio.viewing import Viewer

_ERROR = "recomposition_max_error"


def document_view(moment: Moment, viewer: Viewer) -> dict[str, Any] | None:
    """What a page needs to show a document; None if none is open."""
    snapshot = moment.snapshot
    if snapshot is None:
        return None
    document = snapshot.document
    request = document.request or {}
    return {
        "id": snapshot.opened_as,
        "revision": moment.revision,
        "name": snapshot.name,
        "width": document.extent.width,
        "height": document.extent.height,
        "dpi": document.dpi,
        "recomposition_max_error": _error(snapshot),
        "notes": list(document.notes),
        "has_source": snapshot.source is not None,
        "method": request.get("method"),
        "has_recipe": document.request is not None,
        "nodes": _nodes(document, viewer),
        "selection": [dotted(path) for path in moment.selection],
        "history": _history(moment),
        "solo": [dotted(path) for path in moment.solo],
    }


def _error(snapshot: Snapshot) -> float | None:
    """The measured error of the document as made, in [0, 1]; None once it looks different."""
    if not snapshot.as_made:
        return None
    try:
        error = float(snapshot.document.metadata.get(_ERROR, ""))
    except ValueError:
        return None
    return error if math.isfinite(error) else None


def _history(moment: Moment) -> dict[str, Any]:
    return {
        "entries": [
            {"index": index, "label": label, "label_key": key}
            for index, (label, key) in enumerate(moment.trail)
        ],
        "position": moment.position,
        "can_undo": moment.position > 0,
        "can_redo": moment.position < len(moment.trail) - 1,
    }


def _nodes(document: Document, viewer: Viewer) -> list[dict[str, Any]]:
    return [_node(node, (index,), viewer) for index, node in enumerate(document.children)]


def _node(node: Node, path: NodePath, viewer: Viewer) -> dict[str, Any]:
    view: dict[str, Any] = {
        "path": dotted(path),
        "kind": "group" if isinstance(node, Group) else "layer",
        "name": node.name,
        "visible": node.visible,
        "locked": node.locked,
        "opacity": node.opacity,
        "blend": str(node.blend),
        "clipped": node.clipped,
        "role": str(node.role) if isinstance(node, Layer) else None,
        "bounds": list(node.bounds),
        "has_mask": node.mask is not None,
        "mask_enabled": node.mask is not None and node.mask.enabled,
        "text": node.text.string if isinstance(node, Layer) and node.text else None,
        "thumb": viewer.key(node),
    }
    if isinstance(node, Group):
        view["children"] = [
            _node(child, (*path, index), viewer) for index, child in enumerate(node.children)
        ]
    return view
