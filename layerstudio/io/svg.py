"""SVG: groups, pictures at their places, masks, blend modes and live text.

SVG 2 (W3C), Compositing and Blending Level 1 for ``mix-blend-mode`` and ``isolation``, and
Inkscape's attributes for the names in its layer list. Links are ``xlink:href``: SVG 1.1 readers
know no other, and SVG 2 readers must read it.
"""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

from layerstudio.document import BlendMode, Document, Group, Layer, Mask, Node, NodePath
from layerstudio.geometry import Bounds
from layerstudio.io.placed import depth_notes, placed_gray, placed_layer
from layerstudio.io.recipe import NAMESPACE as RECIPE
from layerstudio.io.recipe import to_json
from layerstudio.io.svg_text import text_element
from layerstudio.io.text_lines import LIVE, check_text_option, live_text, live_text_notes
from layerstudio.io.xml_text import xml_text
from layerstudio.ops.bake import CSS_MODES, bake_unsupported

SVG = "http://www.w3.org/2000/svg"
XLINK = "http://www.w3.org/1999/xlink"
INKSCAPE = "http://www.inkscape.org/namespaces/inkscape"
SODIPODI = "http://sodipodi.sourceforge.net/DTD/sodipodi-0.dtd"  # Inkscape's former name

_LIBXML_LIMIT = 10_000_000  # XML_MAX_TEXT_LENGTH, the longest attribute libxml2 reads unasked


def write(document: Document, path: Path, *, text: str = LIVE) -> tuple[str, ...]:
    """Write ``document`` as one SVG file without outside references.

    ``text="live"`` makes ``<text>`` of layers whose text is known well enough, ``"pixels"`` keeps
    all as pictures, which shows the composite exactly. Raises ``InvalidRequest`` for other values.
    """
    check_text_option(text)
    baked, notes = bake_unsupported(document, CSS_MODES, keep_masks=True, keep_groups=True)
    drawing = _Drawing(baked, text)
    data = ET.tostring(drawing.root(to_json(document)), encoding="utf-8", xml_declaration=True)
    Path(path).write_bytes(data)
    return (*depth_notes(document), *notes, *drawing.notes, *live_text_notes(drawing.live))


class _Drawing:
    """One file: elements for nodes, masks collected on the way, notes."""

    def __init__(self, document: Document, text: str) -> None:
        self.document = document
        self.text = text
        self.masks = ET.Element("defs")
        self.notes: list[str] = []
        self.live: list[str] = []

    def root(self, recipe: str) -> ET.Element:
        width, height = self.document.extent
        root = ET.Element(
            "svg",
            {
                "xmlns": SVG,
                "xmlns:xlink": XLINK,
                "xmlns:inkscape": INKSCAPE,
                "xmlns:sodipodi": SODIPODI,
                "width": str(width),
                "height": str(height),
                "viewBox": f"0 0 {width} {height}",
            },
        )
        title = self.document.metadata.get("title")
        if title:
            ET.SubElement(root, "title").text = xml_text(title)
        metadata = ET.SubElement(root, "metadata")
        ET.SubElement(metadata, "recipe", {"xmlns": RECIPE}).text = recipe
        # Blending must not reach the page that the picture stands on.
        picture = ET.Element("g", {"id": "picture", "style": "isolation:isolate"})
        self.add_all(picture, self.document.children, ())
        if len(self.masks):
            root.append(self.masks)
        root.append(picture)
        return root

    def add_all(self, parent: ET.Element, nodes: tuple[Node, ...], path: NodePath) -> None:
        for index, node in enumerate(nodes):
            here = (*path, index)
            element = self.group(node, here) if isinstance(node, Group) else self.layer(node, here)
            parent.append(element)

    def group(self, group: Group, path: NodePath) -> ET.Element:
        element = ET.Element("g", {**self.attributes(group, path), "inkscape:groupmode": "layer"})
        ET.SubElement(element, "title").text = xml_text(group.name)
        self.add_all(element, group.children, path)
        return element

    def layer(self, layer: Layer, path: NodePath) -> ET.Element:
        attributes = self.attributes(layer, path)
        if live_text(layer, self.text):
            element = text_element(layer)
            element.attrib |= attributes
            element.insert(0, _title(layer))
            self.live.append(layer.name)
            return element
        placed = placed_layer(layer, self.document.icc_profile)
        if placed is None:
            self.notes.append(f"{layer.name!r} is empty: it is kept as a name without a picture.")
            element = ET.Element("g", attributes)
        else:
            element = _image(placed.data_uri, placed.bounds, attributes)
            if len(placed.data_uri) > _LIBXML_LIMIT:
                self.notes.append(
                    f"{layer.name!r} is more than 10 MB: rsvg-convert opens the file only with "
                    "--unlimited (browsers and Inkscape do as it is)."
                )
        element.insert(0, _title(layer))
        return element

    def attributes(self, node: Node, path: NodePath) -> dict[str, str]:
        identifier = "-".join(["node", *map(str, path)])
        attributes = {"id": identifier, "inkscape:label": xml_text(node.name)}
        if node.locked:
            attributes["sodipodi:insensitive"] = "true"
        if node.opacity < 1:
            attributes["opacity"] = f"{node.opacity:.6g}"
        style = _style(node)
        if style:
            attributes["style"] = style
        if node.mask is not None and node.mask.enabled:
            attributes["mask"] = f"url(#mask-{identifier})"
            self.masks.append(self.mask(node.mask, node.bounds, f"mask-{identifier}"))
        elif node.mask is not None:
            self.notes.append(f"The mask of {node.name!r} is switched off and was left out.")
        return attributes

    def mask(self, mask: Mask, shown: Bounds, identifier: str) -> ET.Element:
        """White shows, black hides (SVG 2, luminance masks); beyond the region nothing shows."""
        region = mask.bounds
        if mask.outside == 1:
            region = Bounds.full(self.document.extent).union(shown).union(mask.bounds)
        element = ET.Element("mask", {"id": identifier, "maskUnits": "userSpaceOnUse"})
        element.attrib |= _place(region)
        if mask.outside == 1:
            ET.SubElement(element, "rect", {**_place(region), "fill": "#fff"})
        placed = placed_gray(mask.pixels, mask.bounds)
        if placed is not None:
            element.append(_image(placed.data_uri, placed.bounds, {}))
        return element


def _style(node: Node) -> str:
    parts = []
    if not node.visible:
        parts.append("display:none")
    if node.blend not in (BlendMode.NORMAL, BlendMode.PASS_THROUGH):
        parts.append(f"mix-blend-mode:{node.blend}")
    if isinstance(node, Group) and node.blend is not BlendMode.PASS_THROUGH:
        parts.append("isolation:isolate")
    return ";".join(parts)


def _title(layer: Layer) -> ET.Element:
    title = ET.Element("title")
    title.text = xml_text(layer.name)
    return title


def _image(data_uri: str, bounds: Bounds, attributes: dict[str, str]) -> ET.Element:
    link = {"preserveAspectRatio": "none", "xlink:href": data_uri}
    return ET.Element("image", {**attributes, **_place(bounds), **link})


def _place(bounds: Bounds) -> dict[str, str]:
    x, y, width, height = map(str, bounds)
    return {"x": x, "y": y, "width": width, "height": height}
