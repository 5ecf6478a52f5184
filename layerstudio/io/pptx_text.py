"""Live text as a PowerPoint text box whose glyphs land on the pixels that it replaces.

A text box sets its first baseline a fixed share of the font size below its top; so the box is
placed by its baseline, not by its ink.
"""

from __future__ import annotations

from pptx.dml.color import RGBColor
from pptx.enum.text import MSO_ANCHOR, MSO_AUTO_SIZE, PP_ALIGN
from pptx.oxml.ns import qn
from pptx.oxml.xmlchemy import OxmlElement
from pptx.shapes.base import BaseShape
from pptx.shapes.shapetree import GroupShapes, SlideShapes
from pptx.util import Emu, Pt

from layerstudio.document import Layer, TextContent
from layerstudio.io.text_lines import first_baseline_and_pitch, text_lines
from layerstudio.io.xml_text import xml_text

_ALIGNMENTS = {"left": PP_ALIGN.LEFT, "center": PP_ALIGN.CENTER, "right": PP_ALIGN.RIGHT}
_EMU_PER_POINT = 12_700
# Slides space lines by the font's size alone: 1.2 of it, the baseline 1.0 below the line's top.
# PowerPoint's "single" is 120 %; LibreOffice does the same for its files ("font-independent line
# spacing"), and 1.00 is what its drawings of five fonts measure.
_LINE_HEIGHT = 1.2
_ASCENT = 1.0
# Glyphs keep about this share of the size free at each side (Arial: "n" .066, "o" .034, "T" .021).
_BEARING = 0.05


def add_text_box(
    shapes: SlideShapes | GroupShapes, layer: Layer, emu_per_pixel: float
) -> BaseShape:
    """A text box without insets, wrapping or fitting for ``layer.text``."""
    text = layer.text
    assert text is not None, layer.name
    first, pitch = first_baseline_and_pitch(text)
    count = text.string.count("\n") + 1
    single = _LINE_HEIGHT * text.size
    spacing = pitch / single if count > 1 else 1.0
    # What a line has more or less than single spacing lies above it, the first line's too.
    rise = _ASCENT * text.size + (spacing - 1) * single
    lines = text_lines(layer)
    left = min((line.left for line in lines), default=text.box.x) - _BEARING * text.size
    right = max((line.right for line in lines), default=text.box.right) + _BEARING * text.size
    high = single * spacing * count
    sides = (left, first - rise, right - left, high)
    box = shapes.add_textbox(*(Emu(round(side * emu_per_pixel)) for side in sides))
    _fill_frame(box.text_frame, text, spacing, emu_per_pixel, layer.opacity)
    return box


def _fill_frame(frame, text: TextContent, spacing: float, emu_per_pixel: float, opacity: float):
    frame.margin_left = frame.margin_right = frame.margin_top = frame.margin_bottom = 0
    frame.word_wrap = False
    frame.auto_size = MSO_AUTO_SIZE.NONE
    frame.vertical_anchor = MSO_ANCHOR.TOP
    for index, string in enumerate(text.string.split("\n")):
        paragraph = frame.paragraphs[0] if index == 0 else frame.add_paragraph()
        paragraph.alignment = _ALIGNMENTS[text.align]
        paragraph.space_before = paragraph.space_after = Pt(0)
        paragraph.line_spacing = spacing
        run = paragraph.add_run()
        run.text = xml_text(string.strip())
        _style_run(run.font, text, emu_per_pixel, opacity)


def _style_run(font, text: TextContent, emu_per_pixel: float, opacity: float) -> None:
    points = text.size * emu_per_pixel / _EMU_PER_POINT
    font.size = Pt(min(max(points, 1.0), 4000.0))  # ST_TextFontSize, 20.1.10.72
    font.bold, font.italic = text.bold, text.italic
    font.name = xml_text(text.font)
    for script in ("a:ea", "a:cs"):
        element = OxmlElement(script)
        element.set("typeface", xml_text(text.font))
        font._rPr.append(element)
    font.color.rgb = RGBColor(*text.color)
    if opacity < 1:
        alpha = OxmlElement("a:alpha")
        alpha.set("val", str(round(opacity * 100_000)))
        next(font._rPr.iter(qn("a:srgbClr"))).append(alpha)
