"""How a text layer is to look, by the words of its prompt and by what lies behind it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np

from layerstudio.color import F32
from layerstudio.pipelines.fonts import FAMILIES, SCRIPT_FAMILIES, Face, installed_faces, writes
from layerstudio.pipelines.multilayer.layout.captions import without_quotations

Color = tuple[int, int, int]
Kind = Literal["sans", "serif", "mono"]

READABLE = 3.0  # WCAG 2.2, 1.4.3: the least contrast of large text
# The share of the ground that may fall short of it: text on a photo is read across its details.
_WORST_SHARE = 0.1
_PREFERRED: dict[Kind, tuple[str, ...]] = {
    "sans": ("Open Sans", "Lato", "Montserrat", "Roboto", "Noto Sans", "Liberation Sans",
             "DejaVu Sans"),
    "serif": ("Noto Serif", "Liberation Serif", "DejaVu Serif"),
    "mono": ("Liberation Mono", "DejaVu Sans Mono"),
}  # fmt: skip
_COLORS: dict[str, Color] = {
    "white": (255, 255, 255), "black": (17, 17, 17), "gold": (212, 160, 23),
    "golden": (212, 160, 23), "yellow": (255, 214, 10), "orange": (242, 118, 14),
    "red": (200, 30, 40), "pink": (232, 90, 150), "purple": (110, 50, 150), "blue": (30, 80, 190),
    "navy": (20, 35, 85), "teal": (0, 120, 120), "green": (25, 120, 60), "brown": (105, 65, 35),
    "cream": (250, 242, 220), "grey": (95, 95, 95), "gray": (95, 95, 95),
}  # fmt: skip
_NEUTRAL: tuple[Color, ...] = ((17, 17, 17), (255, 255, 255))
_BOLD_WORDS = {"bold", "heavy", "title", "headline", "heading", "slogan", "black", "thick"}


@dataclass(frozen=True)
class Look:
    """What a prompt says of a text: "bold gold serif" is all three."""

    kind: Kind
    bold: bool
    italic: bool
    colors: tuple[Color, ...]


def look_of(prompt: str) -> Look:
    """By single words, outside of quotation marks; sans, regular and uncoloured by default."""
    words = set(re.findall(r"[a-z]+", without_quotations(prompt).lower()))
    sans = "sans" in words
    kind: Kind = "serif" if "serif" in words and not sans else "sans"
    if words & {"monospaced", "monospace", "mono", "typewriter"}:
        kind = "mono"
    return Look(
        kind=kind,
        bold=bool(words & _BOLD_WORDS),
        italic=bool(words & {"italic", "oblique", "slanted"}),
        colors=tuple(color for word, color in _COLORS.items() if word in words),
    )


def best_face(text: str, look: Look) -> Face | None:
    """The installed free face that has all characters and is nearest to the look."""
    characters = set(text)
    order = (*_PREFERRED[look.kind], *FAMILIES, *SCRIPT_FAMILIES)

    def distance(face: Face) -> tuple[int, int, int]:
        return face.bold != look.bold, face.italic != look.italic, order.index(face.family)

    for families in (_PREFERRED[look.kind], FAMILIES, SCRIPT_FAMILIES):
        for face in sorted(installed_faces(families), key=distance):
            if writes(face, characters):
                return face
    return None


def readable_color(ground: F32, wanted: tuple[Color, ...]) -> tuple[Color, float]:
    """The first wanted colour that can be read on ``ground`` (h, w, 3) in [0, 1], else the better
    one of near black and white; with its contrast, 1 to 21, on the worst tenth of the ground."""
    luminances = _luminance(ground.reshape(-1, 3)) if ground.size else np.ones(1, np.float32)
    for color in wanted:
        if (contrast := _contrast(color, luminances)) >= READABLE:
            return color, contrast
    rated = [(_contrast(color, luminances), color) for color in _NEUTRAL]
    contrast, color = max(rated)
    return color, contrast


def _contrast(color: Color, luminances: F32) -> float:
    """WCAG 2.2's contrast ratio, (lighter + .05) / (darker + .05)."""
    own = float(_luminance(np.asarray([color], np.float32) / np.float32(255))[0])
    ratios = (np.maximum(luminances, own) + 0.05) / (np.minimum(luminances, own) + 0.05)
    return float(np.quantile(ratios, _WORST_SHARE))


def _luminance(colors: F32) -> F32:
    """WCAG 2.2's relative luminance of sRGB colours (n, 3) in [0, 1]."""
    linear = np.where(colors <= 0.04045, colors / 12.92, ((colors + 0.055) / 1.055) ** 2.4)
    return (linear @ np.asarray([0.2126, 0.7152, 0.0722])).astype(np.float32)
