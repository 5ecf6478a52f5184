"""Blocks of text as a designer sets them: words, line breaks, a mask of coverage."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from layerstudio.color import F32, to_float

_TITLES = (
    "Summer Fair", "Open Day", "Big Sale", "Night Market", "Jazz Evening", "Book Club", "Hello!",
    "Fresh & Local", "City Run", "Art Week", "Game Night", "Spring Menu", "Back to School",
    "Grand Opening", "Thank You", "Save the Date", "New Arrivals", "Pet Parade", "Farm Shop",
    "Science Day", "Winter Camp", "Bike Tour", "Coffee Time", "Team Update", "Learn to Cook",
    "Music Festival", "Road Trip", "Garden Party", "Happy Birthday", "Weekly Report",
)  # fmt: skip
_LINES = (
    "Saturday, 14 June, 10 am to 6 pm", "Free entry for all", "Main Street 27, Old Town",
    "Bring your family and friends", "Join us for a day of fun", "Up to 50% off everything",
    "Sign up at the front desk", "Live on stage from 8 pm", "Doors open at seven",
    "Call 555 0134 for details", "Only while stocks last", "Made by hand with care",
    "Learn something new every day", "Limited seats: book now", "Every Friday until August",
    "Good food, good company", "Results grew by 12% this year", "Three easy steps to begin",
    "Ask us about group tickets", "See the whole programme online", "Fresh bread every morning",
    "Music, games and prizes", "For ages six and up", "Prices start at $9.90",
    "The best view in the valley", "Meet the people behind it", "Simple ideas that last",
)  # fmt: skip
_LABELS = ("NEW", "SALE", "Join now", "50% off", "Sign up", "Free", "2 for 1", "Learn more",
           "Order today", "Top 10", "Part 2", "Tickets", "Step 1", "Hot", "Buy", "#1")  # fmt: skip


@dataclass(frozen=True)
class Lettering:
    """A set block: ``alpha`` (h, w) coverage, the baseline of its first line within it."""

    string: str
    alpha: F32
    baseline: float
    size: float


def title(rng: np.random.Generator) -> str:
    words = str(rng.choice(_TITLES))
    return words.upper() if rng.random() < 0.35 else words


def label(rng: np.random.Generator) -> str:
    return str(rng.choice(_LABELS))


def lines(rng: np.random.Generator, count: int, *, bullets: bool = False) -> str:
    chosen = rng.choice(_LINES, size=count, replace=False)
    return "\n".join(f"• {line}" if bullets else str(line) for line in chosen)


def fitted(
    string: str, font: ImageFont.FreeTypeFont, width: float, height: float, align: str
) -> Lettering:
    """``string`` at the largest size up to the font's that fits; wrapped where one line cannot."""
    wrapped = _wrapped(string, font, width)
    spacing = font.size * 0.3
    left, top, right, bottom = _measure(wrapped, font, spacing, align)
    shrink = min(1.0, width / (right - left), height / (bottom - top))
    if shrink < 1:
        font = font.font_variant(size=max(8.0, font.size * shrink * 0.98))
        spacing = font.size * 0.3
        left, top, right, bottom = _measure(wrapped, font, spacing, align)
    image = Image.new("L", (int(right - left) + 4, int(bottom - top) + 4))
    origin = (2 - np.floor(left), 2 - np.floor(top))
    ImageDraw.Draw(image).multiline_text(
        origin, wrapped, 255, font, anchor="la", spacing=spacing, align=align
    )
    alpha = to_float(np.asarray(image))
    return Lettering(wrapped, alpha, float(origin[1] + font.getmetrics()[0]), float(font.size))


def _measure(
    string: str, font: ImageFont.FreeTypeFont, spacing: float, align: str
) -> tuple[float, float, float, float]:
    draw = ImageDraw.Draw(Image.new("L", (1, 1)))
    return draw.multiline_textbbox((0, 0), string, font, anchor="la", spacing=spacing, align=align)


def _wrapped(string: str, font: ImageFont.FreeTypeFont, width: float) -> str:
    out: list[str] = []
    for paragraph in string.split("\n"):
        line = ""
        for word in paragraph.split(" "):
            longer = f"{line} {word}".strip()
            if line and font.getlength(longer) > width:
                out.append(line)
                line = word
            else:
                line = longer
        out.append(line)
    return "\n".join(out)
