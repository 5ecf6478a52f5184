"""Where the lines of a layer's live text stand, measured on the layer's own pixels.

A font of another program never has quite the same widths, so every line is placed by the ink that
it must cover: left, right and baseline.
"""

from __future__ import annotations

from dataclasses import dataclass

from layerstudio.document import Layer, TextContent
from layerstudio.errors import InvalidRequest
from layerstudio.geometry import Bounds

LIVE, PIXELS = "live", "pixels"
# Text that an OCR program was less sure of than this stays pixels.
MIN_CONFIDENCE = 0.6

# Shares of the font size, between the values of Arial, DejaVu Sans and Times New Roman
# (their OS/2 tables: cap height .716, .729, .662; x height .519, .547, .448; descender .212,
# .236, .217).
_CAP_HEIGHT = 0.72
_X_HEIGHT = 0.52
_DESCENDER = 0.21
_LINE_PITCH = 1.2  # CSS Inline Layout 3: the usual "normal" line height
_LOW = frozenset("gjpqyQçşţµ,;@()[]{}|_/\\$§")
_SHORT = frozenset("acegmnopqrsuvwxyzµçş.,:;-–—_~+=<>*·«»")
# Ink fainter than this share of full alpha is a soft edge.
_INK = 0.25
_NAMES_IN_NOTE = 3


@dataclass(frozen=True)
class TextLine:
    """One line with ink: the canvas x of its first and last ink, the canvas y of its baseline."""

    string: str
    left: float
    right: float
    baseline: float

    @property
    def width(self) -> float:
        return self.right - self.left

    def anchor(self, align: str) -> float:
        """The x that stays put when another font makes the line wider."""
        return {"left": self.left, "center": (self.left + self.right) / 2}.get(align, self.right)


def check_text_option(text: str) -> None:
    """Raise ``InvalidRequest`` unless ``text`` is ``"live"`` or ``"pixels"``."""
    if text not in (LIVE, PIXELS):
        raise InvalidRequest(f"Text is written 'live' or as 'pixels', not {text!r}.")


def live_text(layer: Layer, option: str = LIVE) -> TextContent | None:
    """The layer's text where it is to be written as text."""
    text = layer.text
    if option == PIXELS or text is None or text.confidence < MIN_CONFIDENCE:
        return None
    return text if text.string.strip() and not layer.is_empty else None


def live_text_notes(names: list[str]) -> tuple[str, ...]:
    """One note for all layers that were written as text; none without any."""
    if not names:
        return ()
    listed = ", ".join(map(repr, names[:_NAMES_IN_NOTE]))
    more = len(names) - _NAMES_IN_NOTE
    listed += f" and {more} more" if more > 0 else ""
    return (f"Live text may look different where its font is missing: {listed}.",)


def text_lines(layer: Layer) -> tuple[TextLine, ...]:
    """The lines of ``layer.text`` that have ink, top to bottom."""
    text = layer.text
    assert text is not None, layer.name
    first, pitch = first_baseline_and_pitch(text)
    lines = []
    for index, string in enumerate(text.string.split("\n")):
        if string.strip():
            baseline = first + index * pitch
            left, right = _ink(layer, text, baseline, pitch)
            lines.append(TextLine(string.strip(), left, right, baseline))
    return tuple(lines)


def first_baseline_and_pitch(text: TextContent) -> tuple[float, float]:
    """The canvas y of the first baseline, and the distance of baselines in pixels."""
    strings = text.string.split("\n")
    below = _DESCENDER * text.size if _LOW & set(strings[-1]) else 0.0
    last = text.box.bottom - below
    if len(strings) == 1:
        return (last if text.baseline is None else text.baseline), _LINE_PITCH * text.size
    tall = set(strings[0].replace(" ", "")) - _SHORT
    above = (_CAP_HEIGHT if tall else _X_HEIGHT) * text.size
    first = text.box.y + above if text.baseline is None else text.baseline
    return first, max(last - first, 1.0) / (len(strings) - 1)


def _ink(layer: Layer, text: TextContent, baseline: float, pitch: float) -> tuple[float, float]:
    """Left and right edge of the ink around a baseline; those of the text's box without ink."""
    up = min(_CAP_HEIGHT * text.size, 0.78 * pitch)
    down = min(_DESCENDER * text.size, 0.2 * pitch)
    band = Bounds.from_edges(
        text.box.x, round(baseline - up), text.box.right, round(baseline + down)
    )
    band = band.intersection(layer.bounds)
    if not band.is_empty:
        alpha = layer.pixels[band.relative_to(layer.bounds).slices][..., 3]
        ink = Bounds.of_mask(alpha > _INK * alpha.max()) if alpha.max() else Bounds(0, 0, 0, 0)
        if not ink.is_empty:
            return float(band.x + ink.x), float(band.x + ink.right)
    return float(text.box.x), float(text.box.right)
