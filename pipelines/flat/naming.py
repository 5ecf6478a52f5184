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
    """One unique name for each element (bottom to top), in their order."""
    names: list[str] = [""] * len(elements)
    taken: set[str] = set()
    own = [_plain_name(element) for element in elements]
    total = Counter(own)
    for index, name in enumerate(own):
        if elements[index].role is not Role.SHADOW:
            names[index] = _numbered(name, taken, always=total[name] > 1)
    for index, element in enumerate(elements):
        if element.role is Role.SHADOW:
            caster = _caster(elements, index)
            name = "Shadow" if caster is None else f"Shadow of {_in_sentence(names[caster])}"
            names[index] = _numbered(name, taken)
    return names


def _numbered(name: str, taken: set[str], *, always: bool = False) -> str:
    """``name``, with the first free number where it is shared; the answer counts as taken."""
    number = 1
    unique = f"{name} 1" if always else name
    while unique in taken:
        number += 1
        unique = f"{name} {number}"
    taken.add(unique)
    return unique


def _caster(elements: Sequence[Element], index: int) -> int | None:
    """The element above a shadow that lies on most of it; the lowest of equals."""
    shadow = elements[index]
    best, most = None, 0.0
    for above in range(index + 1, len(elements)):
        other = elements[above]
        common = shadow.bounds.intersection(other.bounds)
        if other.role is Role.SHADOW or common.is_empty:
            continue
        here = shadow.alpha[common.relative_to(shadow.bounds).slices]
        on_it = other.alpha[common.relative_to(other.bounds).slices]
        # Both matter: the shadow is hidden by its caster, and the caster stands on its shadow.
        hidden = float((here * on_it).sum()) / max(float(shadow.alpha.sum()), 1e-6)
        standing = float(on_it[here > 0].sum()) / max(float(other.alpha.sum()), 1e-6)
        if hidden * standing > 1.05 * most:
            best, most = above, hidden * standing
    return best


def _in_sentence(name: str) -> str:
    """The kind of a thing begins small within a sentence; what a text says stays as it is."""
    return name[:1].lower() + name[1:]


def _plain_name(element: Element) -> str:
    if not element.alpha.any():
        return "Empty"
    colour = colour_name(element.mean_colour())
    match element.role:
        case Role.BACKGROUND:
            return f"Background, {_background(element.shape, colour)}"
        case Role.TEXT:
            if element.text is not None and element.text.string.strip():
                return f"Text: {_shortened(element.text.string)}"
            return f"Text, {colour}"
        case _:
            return f"{(element.shape or 'drawing').capitalize()}, {colour}"


def _background(shape: str, colour: str) -> str:
    if shape in ("photograph", "picture"):
        return shape
    return colour if shape in ("plain", "") else f"{colour} gradient"


def _shortened(string: str) -> str:
    line = " ".join(string.split())
    return line if len(line) <= _MAX_TEXT else line[: _MAX_TEXT - 1].rstrip() + "…"
