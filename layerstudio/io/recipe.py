"""The recipe: what made a document, and what its file format has no field for.

It travels as JSON in every file (XMP in PSD, TIFF and WebP, a text chunk in PNG, a metadata
element in SVG), so that a file can be run again, and so that roles, live text, provenance and
locks survive formats that do not know them.

The JSON is printable ASCII without ``< > &``: it goes verbatim into XML, HTML and PNG text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from xml.etree.ElementTree import ParseError
from xml.sax.saxutils import escape
from zlib import crc32

import numpy as np
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from layerstudio.color import to_depth
from layerstudio.document import Document, Layer, Node, NodePath, Provenance, Role, TextContent
from layerstudio.errors import UnreadableFile
from layerstudio.io.extras import (
    BAD_DATA,
    flag_from,
    metadata_from,
    provenance_from,
    provenance_to,
    request_from,
    strings_from,
    text_from,
    text_to,
)
from layerstudio.io.limits import DEFAULT_LIMITS
from layerstudio.io.xml_text import xml_text

Shown = tuple[int, int, int, int, int]  # x, y, width, height of the visible pixels; their CRC

VERSION = 1
TOOL = "LayerStudio"
NAMESPACE = "urn:layerstudio:recipe/"
_KEY = "layerstudio-recipe"

# XMP Specification Part 1 (ISO 16684-1), 7.3.2: the packet's fixed id, and a BOM as "begin".
_PACKET = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about=""
 xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:xmp="http://ns.adobe.com/xap/1.0/"
 xmlns:layerstudio="{namespace}">
<dc:creator><rdf:Seq><rdf:li>{creator}</rdf:li></rdf:Seq></dc:creator>
<xmp:CreatorTool>{tool}</xmp:CreatorTool>
<layerstudio:recipe>{recipe}</layerstudio:recipe>
</rdf:Description>
</rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>"""
# No format that we write cuts names shorter than this.
_SHORTEST_CUT = 31


@dataclass(frozen=True)
class NodeExtras:
    """What formats lose of one node; ``role`` is None for a group.

    ``shown`` tells whether the pixels are still those that the text describes.
    """

    name: str
    role: Role | None = None
    text: TextContent | None = None
    provenance: Provenance | None = None
    locked: bool = False
    shown: Shown | None = None  # of layers with text


@dataclass(frozen=True)
class Recipe:
    """``request``, ``metadata`` and ``notes`` of a document and the extras of its nodes."""

    request: Mapping[str, Any] | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    nodes: Mapping[NodePath, NodeExtras] = field(default_factory=dict)


def of(document: Document) -> Recipe:
    """The recipe of a document."""
    return Recipe(
        request=document.request,
        metadata=dict(document.metadata),
        notes=document.notes,
        nodes={path: _extras_of(node) for path, node in document.walk()},
    )


def apply(recipe: Recipe | None, document: Document) -> Document:
    """``document``, as its file's pixels gave it, with what the recipe remembers.

    A node gets its extras back where path and name are the recorded ones: nobody else's layer is
    given a role. A name that the format cut short counts, and is made whole. Text comes back only
    where the layer still covers the pixels that it covered. The recipe's notes come before those
    of the reader. None gives the document back.
    """
    if recipe is None:
        return document
    notes = (*recipe.notes, *(note for note in document.notes if note not in recipe.notes))
    document = replace(
        document,
        request=recipe.request,
        metadata={**document.metadata, **recipe.metadata},
        notes=notes,
    )
    return replace(document, children=_restored(document.children, (), recipe.nodes))


def to_json(document: Document) -> str:
    """One line of printable ASCII without ``<``, ``>`` and ``&``."""
    recipe = of(document)
    data = {
        _KEY: VERSION,
        "request": recipe.request and dict(recipe.request),
        "metadata": dict(recipe.metadata),
        "notes": list(recipe.notes),
        "nodes": [_node_to(path, extras) for path, extras in recipe.nodes.items()],
    }
    return markup_safe(json.dumps(data, separators=(",", ":")))


def from_json(text: str | bytes) -> Recipe | None:
    """The recipe in ``text``; None for anything else, and for a newer version.

    A recipe is an extra: a file whose pixels are sound must open even if this part is not.
    """
    try:
        written = text.encode(errors="replace") if isinstance(text, str) else text
        DEFAULT_LIMITS.check_text(written, "The recipe")
        data = json.loads(text)
        if not isinstance(data, dict) or data.get(_KEY) != VERSION:
            return None
        return Recipe(
            request=request_from(data["request"]),
            metadata=metadata_from(data["metadata"]),
            notes=strings_from(data["notes"]),
            nodes=dict(_node_from(item) for item in data["nodes"]),
        )
    except (*BAD_DATA, UnreadableFile):
        return None


def to_xmp(document: Document) -> bytes:
    """A UTF-8 XMP packet with the recipe, the tool, and the metadata's author as creator."""
    creator = xml_text(document.metadata.get("author", "")) or TOOL
    packet = _PACKET.format(
        namespace=NAMESPACE, creator=escape(creator), tool=TOOL, recipe=to_json(document)
    )
    return packet.encode()


def from_xmp(packet: bytes) -> Recipe | None:
    """The recipe in an XMP packet; None where there is none, whatever else the bytes are."""
    # Photoshop's own packets reach many megabytes; ours are UTF-8 and name the recipe.
    if NAMESPACE.encode() not in packet:
        return None
    try:
        DEFAULT_LIMITS.check_text(packet, "The recipe")
        root = fromstring(packet.strip(b"\0 \r\n\t"))
    except (ParseError, DefusedXmlException, ValueError, LookupError, UnreadableFile):
        return None
    element = root.find(f".//{{{NAMESPACE}}}recipe")
    return None if element is None else from_json(element.text or "")


def markup_safe(json_text: str) -> str:
    """Equal JSON that needs no escaping in XML or HTML (the characters occur in strings only)."""
    for character in "<>&":
        json_text = json_text.replace(character, f"\\u{ord(character):04x}")
    return json_text


def _extras_of(node: Node) -> NodeExtras:
    if isinstance(node, Layer):
        shown = None if node.text is None else _shown(node)
        return NodeExtras(node.name, node.role, node.text, node.provenance, node.locked, shown)
    return NodeExtras(node.name, locked=node.locked)


def _shown(layer: Layer) -> Shown:
    """Where the layer is visible, and a checksum of its alpha: neither cropping, nor bleeding,
    nor another depth changes them, but an edit in another program does."""
    cropped = layer.cropped_to_content()
    if cropped.is_empty:
        return 0, 0, 0, 0, 0
    x, y, width, height = cropped.bounds
    alpha = to_depth(cropped.pixels[..., 3], np.uint8)
    return x, y, width, height, crc32(alpha.tobytes())


def _node_to(path: NodePath, extras: NodeExtras) -> dict[str, Any]:
    data = {
        "path": list(path),
        "name": extras.name,
        "role": extras.role,
        "text": text_to(extras.text),
        "provenance": provenance_to(extras.provenance),
        "locked": extras.locked or None,
        "shown": extras.shown,
    }
    return {key: value for key, value in data.items() if value is not None}


def _node_from(data: Mapping[str, Any]) -> tuple[NodePath, NodeExtras]:
    role = data.get("role")
    extras = NodeExtras(
        name=strings_from([data["name"]])[0],
        role=None if role is None else Role(role),
        text=text_from(data.get("text")),
        provenance=provenance_from(data.get("provenance")),
        locked=flag_from(data.get("locked", False)),
        shown=_shown_from(data.get("shown")),
    )
    return tuple(int(index) for index in data["path"]), extras


def _shown_from(data: Any) -> Shown | None:
    if data is None:
        return None
    x, y, width, height, checksum = (int(value) for value in data)
    return x, y, width, height, checksum


def _restored(
    children: tuple[Node, ...], parent: NodePath, nodes: Mapping[NodePath, NodeExtras]
) -> tuple[Node, ...]:
    return tuple(
        _restored_node(node, (*parent, index), nodes) for index, node in enumerate(children)
    )


def _restored_node(node: Node, path: NodePath, nodes: Mapping[NodePath, NodeExtras]) -> Node:
    extras = nodes.get(path)
    known = extras is not None and _same_name(extras.name, node.name)
    if isinstance(node, Layer):
        if not known or extras is None or extras.role is None:
            return node
        is_untouched = extras.shown is not None and extras.shown == _shown(node)
        return replace(
            node,
            name=extras.name,
            role=extras.role,
            text=extras.text if is_untouched else node.text,
            provenance=extras.provenance,
            locked=extras.locked,
        )
    node = replace(node, children=_restored(node.children, path, nodes))
    if not known or extras is None or extras.role is not None:
        return node
    return replace(node, name=extras.name, locked=extras.locked)


def _same_name(recorded: str, found: str) -> bool:
    return recorded == found or (len(found) >= _SHORTEST_CUT and recorded.startswith(found))
