"""The texts of a layout as layers of editable text, set in a real font to fill their boxes.

What writes them as live text (SVG, PPTX, HTML) takes font, size, colour and place from the layer's
``TextContent``; its pixels are the same text drawn, for every other format.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from layerstudio.color import U8
from layerstudio.composite import composite
from layerstudio.document import Document, Layer, Provenance, Role, TextContent
from layerstudio.geometry import Bounds, Extent
from layerstudio.pipelines.fonts import Face
from layerstudio.pipelines.multilayer.layout.lettering_style import (
    READABLE,
    Color,
    best_face,
    look_of,
    readable_color,
)
from layerstudio.pipelines.multilayer.layout.plan import LayerPlan, LayerRole, LayoutPlan

Align = Literal["left", "center", "right"]
METHOD = "text"

_LINE_PITCH = 1.2  # CSS Inline Layout 3: the usual "normal" line height
_SMALLEST, _LARGEST = 6, 1000  # pixels of the font's size
_CENTRED = 0.04  # of the canvas's width between its middle and that of a centred text
_NAME_LENGTH = 40  # characters
_PARTS_OF_WIDE_SCRIPTS = 0x2E80  # where CJK begins: lines break between any two characters


@dataclass(frozen=True)
class SetText:
    """A text layer, and in words what could not be as it should."""

    layer: Layer
    notes: tuple[str, ...] = ()


def with_text_layers(document: Document, plan: LayoutPlan) -> Document:
    """``document`` with the texts of ``plan`` on top, each coloured to be read on what is below."""
    for layer in plan.layers:
        if layer.role is LayerRole.TEXT:
            done = text_layer(layer, document)
            document = replace(
                document,
                children=(*document.children, done.layer),
                notes=(*document.notes, *done.notes),
            )
    return document


def text_layer(plan: LayerPlan, behind: Document, *, align: Align | None = None) -> SetText:
    """The text of ``plan``, wrapped and sized to fill its box on the canvas of ``behind``.

    Font, weight and colour follow the words of its prompt ("bold white serif") where such a font
    is installed and such a colour can be read. ``align`` is guessed from the place by default.
    """
    text = (plan.text or "").strip()
    look = look_of(plan.prompt)
    face = best_face(text, look)
    notes = []
    if face is None:
        notes.append(f"No installed font has all letters of {_short(text)!r}: some may be missing.")
    ground = composite(behind, plan.box)
    alpha = ground[..., 3:]
    shown = (ground[..., :3] * alpha + 1 - alpha).astype(np.float32)  # on paper
    color, contrast = readable_color(shown, look.colors)
    if contrast < READABLE:
        notes.append(f"The text {_short(text)!r} is hard to read on what lies behind it.")
    align = align or _alignment(plan.box, behind.extent)
    setting = _fitted(text, plan.box, _font_maker(face))
    if not setting.fits:
        notes.append(f"The text {_short(text)!r} is too long for its box at {_SMALLEST} pixels.")
    layer = _drawn(setting, plan, behind.extent, align, color, face)
    return SetText(layer, tuple(notes))


@dataclass(frozen=True)
class _Setting:
    """Lines at a size: ``above`` and ``below`` are the ink's reach from the first and the last
    baseline, in pixels."""

    lines: tuple[str, ...]
    size: int
    font: ImageFont.FreeTypeFont
    width: float
    above: float
    below: float
    fits: bool

    @property
    def pitch(self) -> float:
        return _LINE_PITCH * self.size

    @property
    def height(self) -> float:
        return self.above + (len(self.lines) - 1) * self.pitch + self.below


def _fitted(text: str, box: Bounds, font_at: Callable[[int], ImageFont.FreeTypeFont]) -> _Setting:
    """The largest size at which the wrapped lines lie in the box."""
    best = _wrapped(text, box, font_at(_SMALLEST), _SMALLEST)
    low, high = _SMALLEST, min(_LARGEST, 2 * box.height)
    while low < high:
        size = (low + high + 1) // 2
        tried = _wrapped(text, box, font_at(size), size)
        if tried.fits:
            best, low = tried, size
        else:
            high = size - 1
    return best


def _wrapped(text: str, box: Bounds, font: ImageFont.FreeTypeFont, size: int) -> _Setting:
    lines = [line for part in text.split("\n") for line in _broken(part, box.width, font)]
    width = max(font.getlength(line) for line in lines)
    above = -font.getbbox(lines[0], anchor="ls")[1]
    below = max(0.0, font.getbbox(lines[-1], anchor="ls")[3])
    setting = _Setting(tuple(lines), size, font, width, above, below, fits=True)
    fits = width <= box.width and setting.height <= box.height
    return replace(setting, fits=fits)


def _broken(part: str, width: int, font: ImageFont.FreeTypeFont) -> list[str]:
    """One paragraph in lines no wider than ``width``, where its words allow it."""
    lines, line = [], ""
    for word in _words(part):
        longer = line + word
        if line.strip() and font.getlength(longer.strip()) > width:
            lines.append(line.strip())
            longer = word
        line = longer
    return [*lines, line.strip()]


def _words(part: str) -> list[str]:
    """What may not be broken, with the space before it; CJK characters stand alone."""
    words: list[str] = []
    for index, character in enumerate(part):
        starts = (
            index == 0
            or character.isspace()
            or max(ord(character), ord(part[index - 1])) >= _PARTS_OF_WIDE_SCRIPTS
        )
        if starts:
            words.append(character)
        else:
            words[-1] += character
    return words


def _drawn(
    setting: _Setting,
    plan: LayerPlan,
    extent: Extent,
    align: Align,
    color: Color,
    face: Face | None,
) -> Layer:
    box, lines = plan.box, setting.lines
    first = box.y + (box.height - setting.height) / 2 + setting.above
    margin = 2 * setting.size  # room for what reaches over the box: accents, swashes
    sheet = box.padded(margin).clamped(extent)
    picture = Image.new("L", (sheet.width, sheet.height))
    pen = ImageDraw.Draw(picture)
    anchor, x = {
        "left": ("ls", box.x),
        "center": ("ms", box.x + box.width / 2),
        "right": ("rs", box.right),
    }[align]
    for index, line in enumerate(lines):
        place = (x - sheet.x, round(first + index * setting.pitch) - sheet.y)
        pen.text(place, line, 255, setting.font, anchor=anchor)
    alpha = np.asarray(picture)
    ink = Bounds.of_mask(alpha > 0)
    bounds = ink.moved(sheet.x, sheet.y) if not ink.is_empty else Bounds(box.x, box.y, 0, 0)
    return Layer(
        name=_short("\n".join(lines)),
        bounds=bounds,
        pixels=_colored(alpha[ink.slices], color),
        role=Role.TEXT,
        text=TextContent(
            string="\n".join(lines),
            font=face.family if face else "sans-serif",
            size=float(setting.size),
            color=color,
            box=box if ink.is_empty else bounds,
            bold=bool(face and face.bold),
            italic=bool(face and face.italic),
            align=align,
            baseline=float(round(first)),
        ),
        provenance=Provenance(method=METHOD, prompt=plan.prompt or None),
    )


def _colored(alpha: U8, color: Color) -> U8:
    pixels = np.empty((*alpha.shape, 4), np.uint8)
    pixels[..., :3] = color
    pixels[..., 3] = alpha
    return pixels


def _font_maker(face: Face | None) -> Callable[[int], ImageFont.FreeTypeFont]:
    """Without a face Pillow's own, which every machine with Pillow has."""

    def font_at(size: int) -> ImageFont.FreeTypeFont:
        if face is not None:
            return ImageFont.truetype(face.path, size)
        font = ImageFont.load_default(size)
        assert isinstance(font, ImageFont.FreeTypeFont), "Pillow is built with FreeType"
        return font

    return font_at


def _alignment(box: Bounds, extent: Extent) -> Align:
    offset = abs(box.x + box.width / 2 - extent.width / 2)
    return "center" if offset <= _CENTRED * extent.width else "left"


def _short(text: Sequence[str] | str) -> str:
    words = " ".join("".join(text).split())
    return words if len(words) <= _NAME_LENGTH else f"{words[: _NAME_LENGTH - 1]}…"
