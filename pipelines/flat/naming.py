"""Names that tell a person which layer is which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from layerstudio.document import Role
from layerstudio.pipelines.flat.casting import caster_of
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


_NAMES = list(_COLOURS)
_SAMPLE = 4096  # pixels looked at for a name
_LARGE = 1_000_000  # pixels from which a coarser grid of an element shows the same colours
_SECOND = 0.3  # share of the pixels from which a second colour is named too


def colour_name(rgb: Sequence[float]) -> str:
    """The nearest of 25 everyday names, by the distance ``redmean`` (Riemersma 2001), which
    weighs red and blue by how red the two colours are and so follows the eye in sRGB."""
    return _NAMES[int(_nearest_names(np.asarray(rgb, np.float64)[None, :3])[0])]


def _nearest_names(values: NDArray) -> NDArray[np.intp]:
    """Index (n,) of the nearest name to each of ``values`` (n, 3)."""
    table = np.array(list(_COLOURS.values()), np.float64)
    mean_red = (table[:, 0] + values[:, None, 0]) / 2
    delta = (table - values[:, None]) ** 2
    return (
        (2 + mean_red / 256) * delta[..., 0]
        + 4 * delta[..., 1]
        + (2 + (255 - mean_red) / 256) * delta[..., 2]
    ).argmin(axis=1)


def _colours_of(element: Element) -> str:
    """The colour that most of an element has, and a second one where it has much of it."""
    step = max(1, int((element.bounds.area / _LARGE) ** 0.5))
    alpha = element.alpha[::step, ::step]
    values = element.colour[::step, ::step][alpha >= 0.5 * float(alpha.max())]
    values = values[:: -(-len(values) // _SAMPLE)].astype(np.float64)
    counts = np.bincount(_nearest_names(values), minlength=len(_NAMES))
    first, second = (int(index) for index in np.argsort(-counts, kind="stable")[:2])
    if counts[second] < _SECOND * len(values):
        return _NAMES[first]
    return f"{_NAMES[first]} and {_NAMES[second]}"


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
            caster = caster_of(elements, index)
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


def _in_sentence(name: str) -> str:
    """The kind of a thing begins small within a sentence; what a text says stays as it is."""
    return name[:1].lower() + name[1:]


def _plain_name(element: Element) -> str:
    if not element.alpha.any():
        return "Empty"
    colour = _colours_of(element)
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
