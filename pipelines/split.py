"""A layer taken apart again, in its place."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from layerstudio.composite import composite_pixels
from layerstudio.document import Document, Group, Layer, NodePath
from layerstudio.errors import InvalidRequest
from layerstudio.metrics.recompose import recomposition_error
from layerstudio.picture import Picture
from layerstudio.pipelines.api import decompose
from layerstudio.pipelines.runtime import Runtime
from layerstudio.progress import CancelToken, ProgressCallback
from layerstudio.requests import DecomposeRequest

ERROR_KEY = "split_max_error"


def split(
    document: Document,
    layer: str | Sequence[int],
    *,
    runtime: Runtime | None = None,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
    **options: Any,
) -> Document:
    """``document`` with a group of its parts in the place of one layer.

    The group takes over name, opacity, blend mode, mask, visibility, lock and clipping, so that
    the document looks as before; ``metadata["split_max_error"]`` is the measured difference of the
    flattened documents, in [0, 1]. Raises ``InvalidRequest`` for a layer that is not there, a
    group, an empty layer or an unknown option, and whatever ``decompose`` raises.
    """
    path = find_layer(document, layer)
    whole = document.at(path)
    assert isinstance(whole, Layer), path
    parts = _decomposed(whole.cropped_to_content(), document, options, runtime, progress, cancel)
    group = Group(
        name=whole.name,
        children=parts.children,
        opacity=whole.opacity,
        blend=whole.blend,
        visible=whole.visible,
        locked=whole.locked,
        clipped=whole.clipped,
        mask=whole.mask,
    )
    changed = document.replaced(path, group)
    error = recomposition_error(changed, composite_pixels(document))
    return replace(
        changed,
        metadata={**changed.metadata, ERROR_KEY: f"{error.max_error:.6f}"},
        notes=(*changed.notes, *parts.notes),
    )


def find_node(document: Document, layer: str | Sequence[int]) -> NodePath:
    """The path of the one layer or group meant; raises ``InvalidRequest`` if none or several are.

    ``layer`` is a name, a path of child indices, or that path as "0.2".
    """
    nodes = dict(document.walk())
    if not isinstance(layer, str):
        found = [path for path in nodes if path == tuple(layer)]
    else:
        found = [path for path, node in nodes.items() if node.name == layer]
        if not found and re.fullmatch(r"\d+(\.\d+)*", layer):
            found = [path for path in nodes if path == tuple(map(int, layer.split(".")))]
    if len(found) > 1:
        places = ", ".join(".".join(map(str, path)) for path in found)
        raise InvalidRequest(
            f"{len(found)} layers are named {layer!r}.", advice=f"Give one of the paths {places}."
        )
    if not found:
        raise InvalidRequest(
            f"There is no layer {layer!r}.", advice="`layerstudio inspect` lists them."
        )
    return found[0]


def find_layer(document: Document, layer: str | Sequence[int]) -> NodePath:
    """The path of the one layer meant; raises ``InvalidRequest`` if it is a group or empty."""
    path = find_node(document, layer)
    node = document.at(path)
    if isinstance(node, Group):
        raise InvalidRequest(f"{node.name!r} is a group.", advice="Name one of its layers.")
    if not node.pixels[..., 3].any():
        raise InvalidRequest(f"The layer {node.name!r} is empty, so there is nothing to split.")
    return path


def _decomposed(
    whole: Layer,
    document: Document,
    options: dict[str, Any],
    runtime: Runtime | None,
    progress: ProgressCallback | None,
    cancel: CancelToken | None,
) -> Document:
    """The parts of ``whole``, moved to where it lies on the canvas."""
    picture = Picture(whole.pixels, icc_profile=document.icc_profile, dpi=document.dpi)
    request = DecomposeRequest.from_dict(options)
    parts = decompose(picture, request, runtime=runtime, progress=progress, cancel=cancel)
    moved = tuple(node.moved(whole.bounds.x, whole.bounds.y) for node in parts.children)
    return replace(parts, children=moved)
