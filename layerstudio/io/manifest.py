"""A whole document as JSON, its pixels elsewhere: by reference to files or pages.

``describe`` makes the JSON and hands every array to a store, which answers with a reference;
``references`` checks a JSON from a stranger and lists what it refers to, before any of that is
decoded; ``restore`` builds the document from the arrays. Nothing is lost on the way.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerstudio.document import BlendMode, Document, Group, Layer, Mask, Node, Role
from layerstudio.errors import UnreadableFile
from layerstudio.geometry import Bounds, Extent
from layerstudio.io.extras import (
    BAD_DATA,
    bounds_from,
    flag_from,
    is_number,
    metadata_from,
    provenance_from,
    provenance_to,
    request_from,
    strings_from,
    text_from,
    text_to,
)
from layerstudio.io.limits import Limits
from layerstudio.io.recipe import markup_safe

VERSION = 1
_KEY = "layerstudio-document"
Ref = str | int
Store = Callable[[Node, "Mask | None"], Ref]
_NODE_FIELDS = ("name", "opacity", "visible", "locked", "clipped")


@dataclass(frozen=True)
class Reference:
    """An array that a manifest promises: RGBA of a layer, or gray of a mask."""

    ref: Ref
    extent: Extent
    is_mask: bool


def describe(document: Document, store: Store, **extra: Any) -> dict[str, Any]:
    """JSON-ready data. ``store(node, None)`` keeps a layer's pixels, ``store(node, mask)`` those
    of its mask; empty ones have no pixels and are not stored. ``extra`` joins the top level."""
    icc = document.icc_profile
    return {
        _KEY: VERSION,
        "extent": list(document.extent),
        "dpi": document.dpi,
        "icc": None if icc is None else b64encode(icc).decode(),
        "request": document.request and dict(document.request),
        "metadata": dict(document.metadata),
        "notes": list(document.notes),
        **extra,
        "children": [_node_to(node, store) for node in document.children],
    }


def dumps(data: Mapping[str, Any], indent: int | None = None) -> str:
    """Printable ASCII that needs no escaping in XML or HTML."""
    separators = (",", ":") if indent is None else None
    return markup_safe(json.dumps(data, indent=indent, separators=separators))


def loads(text: str | bytes) -> dict[str, Any] | None:
    """The manifest in ``text``, unchecked but for its kind; None for anything else."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) and _KEY in data else None


def references(data: Mapping[str, Any], limits: Limits) -> list[Reference]:
    """Every array that ``restore`` will need, each once.

    Raises ``UnreadableFile`` for data that is no manifest and for one beyond ``limits``.
    """
    try:
        if data.get(_KEY) != VERSION:
            raise UnreadableFile(
                f"The manifest has version {data.get(_KEY)!r}, not {VERSION}.",
                advice="Use a newer LayerStudio.",
            )
        limits.check_extent(_extent_from(data["extent"]), "The canvas")
        found = list(_walk(data["children"], limits, depth=1, count=[0]))
    except BAD_DATA as error:
        raise _broken(error) from error
    unique = {item.ref: item for item in found}
    # Layers that share their pixels count each: whatever works on the document meets them all.
    total = sum(item.extent.pixel_count for item in found)
    if total > limits.total_pixels:
        raise UnreadableFile(
            f"The layers have {total:,} pixels together, more than {limits.total_pixels:,}."
        )
    return list(unique.values())


def restore(data: Mapping[str, Any], arrays: Mapping[Ref, NDArray]) -> Document:
    """The document, after ``references`` approved of ``data``.

    Raises ``UnreadableFile`` where values contradict each other or the arrays.
    """
    try:
        if not is_number(data["dpi"]):
            raise ValueError("unexpected resolution")
        return Document(
            extent=_extent_from(data["extent"]),
            children=tuple(_node_from(item, arrays) for item in data["children"]),
            icc_profile=None if data["icc"] is None else b64decode(data["icc"], validate=True),
            dpi=data["dpi"],
            metadata=metadata_from(data["metadata"]),
            request=request_from(data["request"]),
            notes=strings_from(data["notes"]),
        )
    except BAD_DATA as error:
        raise _broken(error) from error


def _node_to(node: Node, store: Store) -> dict[str, Any]:
    data: dict[str, Any] = {"kind": "layer" if isinstance(node, Layer) else "group"}
    data |= {key: getattr(node, key) for key in _NODE_FIELDS}
    data["blend"] = node.blend.value
    data["mask"] = None if node.mask is None else _mask_to(node, node.mask, store)
    if isinstance(node, Group):
        return data | {"children": [_node_to(child, store) for child in node.children]}
    return data | {
        "bounds": list(node.bounds),
        "depth": node.pixels.itemsize * 8,
        "pixels": None if node.is_empty else store(node, None),
        "role": node.role.value,
        "text": text_to(node.text),
        "provenance": provenance_to(node.provenance),
    }


def _mask_to(node: Node, mask: Mask, store: Store) -> dict[str, Any]:
    return {
        "bounds": list(mask.bounds),
        "depth": mask.pixels.itemsize * 8,
        "pixels": None if mask.bounds.is_empty else store(node, mask),
        "outside": mask.outside,
        "enabled": mask.enabled,
    }


def _walk(nodes: Any, limits: Limits, depth: int, count: list[int]) -> Iterator[Reference]:
    if not isinstance(nodes, list):
        raise ValueError("children that are no list")
    if depth > limits.depth:
        raise UnreadableFile(f"The groups are nested deeper than {limits.depth} levels.")
    count[0] += len(nodes)
    if count[0] > limits.nodes:
        raise UnreadableFile(f"There are more than {limits.nodes:,} layers.")
    for data in nodes:
        limits.check_name(data["name"])
        if data["mask"] is not None:
            yield from _reference(data["mask"], limits, is_mask=True)
        if data["kind"] == "group":
            yield from _walk(data["children"], limits, depth + 1, count)
        else:
            yield from _reference(data, limits, is_mask=False)


def _reference(data: Mapping[str, Any], limits: Limits, *, is_mask: bool) -> Iterator[Reference]:
    bounds, ref = bounds_from(data["bounds"]), data["pixels"]
    if bounds.is_empty:
        return
    limits.check_extent(bounds.extent, "A mask" if is_mask else "A layer")
    if isinstance(ref, bool) or not isinstance(ref, (str, int)):
        raise ValueError(f"unexpected reference {ref!r}")
    yield Reference(ref, bounds.extent, is_mask)


def _node_from(data: Mapping[str, Any], arrays: Mapping[Ref, NDArray]) -> Node:
    for key in ("visible", "locked", "clipped"):
        flag_from(data[key])
    if not is_number(data["opacity"]):
        raise ValueError("unexpected opacity")
    strings_from([data["name"]])
    shared = {key: data[key] for key in _NODE_FIELDS}
    shared["blend"] = BlendMode(data["blend"])
    shared["mask"] = None if data["mask"] is None else _mask_from(data["mask"], arrays)
    if data["kind"] == "group":
        children = tuple(_node_from(child, arrays) for child in data["children"])
        return Group(children=children, **shared)
    bounds = bounds_from(data["bounds"])
    return Layer(
        bounds=bounds,
        pixels=_pixels_of(data, bounds, (4,), arrays),
        role=Role(data["role"]),
        text=text_from(data["text"]),
        provenance=provenance_from(data["provenance"]),
        **shared,
    )


def _mask_from(data: Mapping[str, Any], arrays: Mapping[Ref, NDArray]) -> Mask:
    bounds = bounds_from(data["bounds"])
    pixels = _pixels_of(data, bounds, (), arrays)
    return Mask(bounds, pixels, data["outside"], flag_from(data["enabled"]))


def _pixels_of(
    data: Mapping[str, Any],
    bounds: Bounds,
    channels: tuple[int, ...],
    arrays: Mapping[Ref, NDArray],
) -> NDArray:
    dtype = {8: np.uint8, 16: np.uint16}[data["depth"]]
    if bounds.is_empty:
        return np.zeros((*bounds.extent.shape, *channels), dtype)
    pixels = arrays[data["pixels"]]
    if pixels.dtype != dtype:
        raise ValueError(f"pixels of {pixels.itemsize * 8} bits for {data['depth']}")
    return pixels


def _extent_from(values: Any) -> Extent:
    bounds = bounds_from([0, 0, *values])
    if bounds.is_empty:
        raise ValueError(f"a canvas of {bounds.extent}")
    return bounds.extent


def _broken(error: BaseException) -> UnreadableFile:
    what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
    return UnreadableFile(f"The manifest is damaged: {what[:200]}.")
