"""A web page with a viewer of the layers: one file, no request to anywhere, works from a disk.

The page's own parts lie in ``html_assets``. Its policy (W3C Content Security Policy Level 3)
forbids every outside request; layer names reach the page only escaped, or as JSON text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from layerstudio.document import BlendMode, Document, Group, Layer, Node, NodePath
from layerstudio.io.placed import Placed, depth_notes, placed_layer
from layerstudio.io.recipe import markup_safe, to_json
from layerstudio.io.svg_text import text_element
from layerstudio.io.text_lines import LIVE, check_text_option, live_text
from layerstudio.io.xml_text import xml_text
from layerstudio.ops.bake import CSS_MODES, bake_unsupported

_SCRIPTS = ("layers.js", "panel.js", "stage.js", "start.js")
_TOKEN = re.compile(r"\{\{(\w+)\}\}")


def write(
    document: Document, path: Path, *, text: str = LIVE, title: str | None = None
) -> tuple[str, ...]:
    """Write ``document`` as one HTML page.

    ``text="live"`` lays selectable text over the pixels of known text, ``"pixels"`` does not;
    the picture is the composite either way. ``title`` is by default the metadata's. Raises
    ``InvalidRequest`` for another value of ``text``.
    """
    check_text_option(text)
    baked, notes = bake_unsupported(document, CSS_MODES)
    planes = _Planes(baked, text)
    tree = planes.tree(baked.children, ())
    title = title or document.metadata.get("title") or "Layers"
    width, height = document.extent
    page = _filled(
        _asset("viewer.html"),
        {
            "title": escape(xml_text(title)),
            "facts": f"{width} × {height} px, {_count(len(document.layers), 'layer')}",
            "width": str(width),
            "height": str(height),
            "planes": "\n".join(planes.html),
            "tree": _json({"width": width, "height": height, "children": tree}),
            "recipe": to_json(document),
            "css": _asset("viewer.css"),
            "js": "\n".join(map(_asset, _SCRIPTS)),
        },
    )
    Path(path).write_bytes(page.encode("utf-8", "replace"))
    return (*depth_notes(document), *notes)


class _Planes:
    """The stage's elements, bottom to top, and the tree that the panel shows of them."""

    def __init__(self, document: Document, text: str) -> None:
        self.document = document
        self.text = text
        self.html: list[str] = []

    def tree(self, nodes: tuple[Node, ...], path: NodePath, shown: bool = True) -> list[dict]:
        return [self.node(node, (*path, index), shown) for index, node in enumerate(nodes)]

    def node(self, node: Node, path: NodePath, shown: bool) -> dict[str, Any]:
        entry: dict[str, Any] = {
            "id": "-".join(map(str, path)),
            "name": node.name,
            "visible": node.visible,
        }
        shown = shown and node.visible
        if isinstance(node, Group):
            return {**entry, "children": self.tree(node.children, path, shown)}
        placed = placed_layer(node, self.document.icc_profile)
        self.html.append(self.plane(node, entry["id"], placed, shown))
        entry |= {"role": node.role, "blend": node.blend, "opacity": node.opacity}
        if placed is not None:
            x, y, width, height = placed.bounds
            entry |= {"x": x, "y": y, "w": width, "h": height}
        if node.text is not None:
            entry["text"] = node.text.string
        return entry

    def plane(self, layer: Layer, identifier: str, placed: Placed | None, shown: bool) -> str:
        """A canvas-sized element that blends as a whole, the picture at its place in it."""
        styles = [f"opacity:{layer.opacity:.6g}"]
        if layer.blend is not BlendMode.NORMAL:
            styles.append(f"mix-blend-mode:{layer.blend}")
        parts = []
        if placed is not None:
            place = "left:{}px;top:{}px;width:{}px;height:{}px".format(*placed.bounds)
            alt = escape(xml_text(layer.text.string if layer.text else layer.name))
            parts.append(
                f'<img alt="{alt}" draggable="false" style="{place}" src="{placed.data_uri}">'
            )
            parts.append(f'<i class="frame" style="{place}"></i>')
        if live_text(layer, self.text):
            parts.append(self.words(layer))
        hidden = "" if shown else " hidden"
        return (
            f'<div class="plane" id="plane-{identifier}" style="{";".join(styles)}"{hidden}>'
            f"{''.join(parts)}</div>"
        )

    def words(self, layer: Layer) -> str:
        """Invisible text over the pixels that show it, to be selected, copied and searched."""
        width, height = self.document.extent
        svg = ET.Element("svg", {"class": "words", "viewBox": f"0 0 {width} {height}"})
        svg.append(text_element(layer, fill="transparent"))
        return ET.tostring(svg, encoding="unicode", method="html")


def _filled(template: str, values: Mapping[str, str]) -> str:
    """The template with each ``{{name}}`` replaced, in one pass: values are not searched."""
    return _TOKEN.sub(lambda match: values[match[1]], template)


def _asset(name: str) -> str:
    return files("layerstudio.io").joinpath("html_assets", name).read_text(encoding="utf-8")


def _json(data: Mapping[str, Any]) -> str:
    return markup_safe(json.dumps(data, separators=(",", ":")))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
