"""Live text as SVG's ``<text>``: one ``<tspan>`` a line, each over the ink of its pixels."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from layerstudio.document import Layer, TextContent
from layerstudio.io.text_lines import TextLine, text_lines
from layerstudio.io.xml_text import xml_text

_ANCHORS = {"left": "start", "center": "middle", "right": "end"}
# Glyphs keep about this share of the size free at each side (Arial: "n" .066, "o" .034, "T" .021).
_BEARING = 0.05
_MONOSPACED = ("mono", "courier", "consol", "menlo", "typewriter", "fixed")
_SERIF = ("serif", "times", "georgia", "garamond", "roman", "palatino", "bodoni", "cambria")


def text_element(layer: Layer, *, fill: str | None = None) -> ET.Element:
    """``<text>`` for ``layer.text`` in canvas coordinates; ``fill`` replaces the text's colour.

    ``textLength`` holds a line to the width of its ink where a reader knows it (browsers do,
    librsvg does not); the anchor keeps its place elsewhere.
    """
    text = layer.text
    assert text is not None, layer.name
    element = ET.Element("text", _attributes(text, fill))
    for line in text_lines(layer):
        element.append(_tspan(line, text))
    return element


def font_family(text: TextContent) -> str:
    """The font as a CSS list that ends in the generic family it looks like."""
    name = text.font.lower()
    generic = "sans-serif"
    if any(word in name for word in _MONOSPACED):
        generic = "monospace"
    elif "sans" not in name and any(word in name for word in _SERIF):
        generic = "serif"
    quoted = "".join(c for c in xml_text(text.font) if c not in "'\"\\\n\r\t")
    return f"'{quoted}', {generic}"


def _attributes(text: TextContent, fill: str | None) -> dict[str, str]:
    red, green, blue = text.color
    attributes = {
        "font-family": font_family(text),
        "font-size": f"{text.size:.6g}",
        "fill": fill or f"#{red:02x}{green:02x}{blue:02x}",
        "text-anchor": _ANCHORS[text.align],
        "xml:space": "preserve",
    }
    if text.bold:
        attributes["font-weight"] = "bold"
    if text.italic:
        attributes["font-style"] = "italic"
    return attributes


def _tspan(line: TextLine, text: TextContent) -> ET.Element:
    bearing = _BEARING * text.size
    inset = {"left": -bearing, "right": bearing}.get(text.align, 0.0)
    place = {"x": f"{line.anchor(text.align) + inset:.6g}", "y": f"{line.baseline:.6g}"}
    if len(line.string) > 1:
        length = f"{line.width + 2 * bearing:.6g}"
        place |= {"textLength": length, "lengthAdjust": "spacingAndGlyphs"}
    tspan = ET.Element("tspan", place)
    tspan.text = xml_text(line.string)
    return tspan
