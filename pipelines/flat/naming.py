"""Names that tell a person which layer is which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from layerstudio.document import Role
from layerstudio.pipelines.flat.element import Element

_MAX_TEXT = 40

# Basic colour terms (Berlin and Kay 1969) with the shades that designs use most, as sRGB.
_COLOURS: dict[str, tuple[int, int, int]] = {
    "black": (10, 10, 10),
    "dark grey": (70, 70, 70),
    "grey": (130, 130, 130),
    "light grey": (205, 205, 205),
    "white": (252, 252, 252),
    "cream": (250, 240, 215),
    "red": (215, 40, 40),
    "dark red": (130, 20, 25),
    "pink": (245, 150, 180),
    "magenta": (205, 40, 140),
    "orange": (240, 140, 30),
    "brown": (125, 80, 45),
    "beige": (220, 190, 150),
    "yellow": (250, 215, 50),
    "olive": (125, 125, 30),
    "lime": (160, 215, 50),
    "green": (55, 160, 70),
    "dark green": (20, 85, 45),
    "teal": (25, 130, 130),
    "turquoise": (80, 205, 200),
    "light blue": (150, 200, 240),
    "blue": (45, 105, 215),
    "navy": (25, 35, 95),
    "purple": (120, 60, 165),
    "lavender": (195, 175, 230),
}


def colour_name(rgb: Sequence[float]) -> str:
    """The nearest of 25 everyday names, by the distance ``redmean`` (Riemersma 2001), which
    weighs red and blue by how red the two colours are and so follows the eye in sRGB."""
    value = np.asarray(rgb, np.float64)[:3]
    table = np.array(list(_COLOURS.values()), np.float64)
    mean_red = (table[:, 0] + value[0]) / 2
    delta = (table - value) ** 2
    weight = np.stack(
        [2 + mean_red / 256, np.full(len(table), 4.0), 2 + (255 - mean_red) / 256], axis=1
    )
    return list(_COLOURS)[int((weight * delta).sum(axis=1).argmin())]


def names_for(elements: Sequence[Element]) -> list[str]:
    """One unique name for each element, in their order."""
    plain = [_plain_name(element) for element in elements]
    total, seen = Counter(plain), Counter[str]()
    names = []
    for name in plain:
        seen[name] += 1
        names.append(f"{name} {seen[name]}" if total[name] > 1 else name)
    return names


def _plain_name(element: Element) -> str:
    colour = colour_name(element.mean_colour())
    match element.role:
        case Role.BACKGROUND:
            kind = {"plain": "", "photograph": "photograph"}.get(element.shape, "gradient")
            detail = kind or colour
            return f"Background, {detail}"
        case Role.TEXT:
            if element.text is not None and element.text.string.strip():
                return f"Text: {_shortened(element.text.string)}"
            return f"Text, {colour}"
        case Role.SHADOW:
            return "Shadow"
        case _:
            return f"{(element.shape or 'drawing').capitalize()}, {colour}"


def _shortened(string: str) -> str:
    line = " ".join(string.split())
    return line if len(line) <= _MAX_TEXT else line[: _MAX_TEXT - 1].rstrip() + "…"
