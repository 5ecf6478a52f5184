"""The words of a Photoshop text layer, as far as one style can say them."""

from __future__ import annotations

import math
from typing import Any

from layerstudio.document import TextContent
from layerstudio.geometry import Bounds

_ALIGNMENTS = {0: "left", 1: "right", 2: "center"}
_DEFAULT_SIZE = 12.0  # points of text whose style does not say
_BLACK = (0, 0, 0)


def content(layer: Any) -> TextContent | None:
    """String and place from psd-tools' type layer, look from its longest run of one style.

    None where the layer holds no words, or its data is not what it should be.
    """
    try:
        words = layer.text.replace("\r", "\n").replace("\x03", "\n").strip("\n")
        if not words.strip():
            return None
        return _styled(layer, words)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError):
        return None


def _styled(layer: Any, words: str) -> TextContent:
    paragraphs = list(layer.typesetting)
    runs = [run for paragraph in paragraphs for run in paragraph.runs]
    style = max(runs, key=lambda run: len(run.text)).style if runs else None
    justification = paragraphs[0].style.justification if paragraphs else None
    xx, xy, _, _, _, ty = layer.transform
    size = (getattr(style, "font_size", None) or _DEFAULT_SIZE) * (math.hypot(xx, xy) or 1.0)
    return TextContent(
        string=words,
        font=getattr(style, "font_name", None) or "sans-serif",
        size=float(size),
        color=_color(getattr(style, "fill_color", None)),
        box=Bounds.from_edges(*layer.bbox),
        bold=bool(getattr(style, "faux_bold", False)),
        italic=bool(getattr(style, "faux_italic", False)),
        align=_ALIGNMENTS.get(int(justification or 0), "left"),
        baseline=float(ty),
    )


def _color(values: Any) -> tuple[int, int, int]:
    """The engine's (alpha, red, green, blue), each 0 to 1."""
    if values is None or len(values) != 4:
        return _BLACK
    red, green, blue = (round(255 * min(max(float(value), 0.0), 1.0)) for value in values[1:])
    return red, green, blue
