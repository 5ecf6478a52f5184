"""A planner's answer made into a layout that holds, with every change told in words.

Language models forget the background, draw boxes over the edge, count z from anywhere and invent
roles. What can be mended is; what cannot is an ``InvalidRequest`` that the model can be shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from layerstudio.errors import InvalidRequest
from layerstudio.geometry import Bounds, Extent
from layerstudio.pipelines.multilayer.layout.captions import ROLE_NAMES
from layerstudio.pipelines.multilayer.layout.plan import (
    MOST_LAYERS,
    LayerPlan,
    LayerRole,
    LayoutPlan,
)

_SMALLEST = 16  # pixels: a token of the transformer, below which a layer holds nothing
_FRACTIONS = 1.5  # a box whose numbers are all below this is in shares of the canvas
_SHOWN = 40  # characters of a wrong value in a message


@dataclass
class _Entry:
    """A layer on its way: ``number`` is its place in the answer, from 1, as in the messages."""

    number: int
    z: float
    box: Bounds
    role: LayerRole
    prompt: str
    text: str | None


@dataclass
class _Repairs:
    said: list[str] = field(default_factory=list)

    def add(self, number: int, what: str) -> None:
        self.said.append(f"Layer {number} {what}.")


def repaired_plan(
    answer: Any, extent: Extent, *, prompt: str = "", repairs: Sequence[str] = ()
) -> LayoutPlan:
    """The layout in ``answer``: ``{"layers": [...]}`` or the list itself, as JSON gives it.

    Boxes are cut at the canvas, tiny ones grown to 16 pixels; layers without a box, wholly outside,
    without words or given twice are dropped, as is what is more than 50; unknown roles become
    images; z is made consecutive; without a background one is added that shows ``prompt``.
    ``repairs`` are told first. Raises ``InvalidRequest`` where no layer is left.
    """
    said = _Repairs(list(repairs))
    entries = _entries(answer, extent, said)
    entries.sort(key=lambda entry: entry.z)
    background, rest = _background(entries, extent, prompt, said)
    rest = _at_most(_without_twins(rest, said), said)
    if not rest:
        raise InvalidRequest(
            "The layout has no layer on its background that could be used.",
            advice=" ".join(said.said),
        )
    _tell_order([background, *rest], said)
    layers = tuple(
        LayerPlan(z=z, box=entry.box, role=entry.role, prompt=entry.prompt, text=entry.text)
        for z, entry in enumerate((background, *rest))
    )
    return LayoutPlan(extent=extent, layers=layers, repairs=tuple(said.said))


def _entries(answer: Any, extent: Extent, said: _Repairs) -> list[_Entry]:
    layers = answer.get("layers") if isinstance(answer, Mapping) else answer
    if not isinstance(layers, list):
        raise InvalidRequest('The answer has no list of "layers".')
    if not layers:
        raise InvalidRequest('The list of "layers" is empty.')
    entries = (_entry(item, number, extent, said) for number, item in enumerate(layers, 1))
    return [entry for entry in entries if entry is not None]


def _entry(item: Any, number: int, extent: Extent, said: _Repairs) -> _Entry | None:
    """None for what cannot be used, which is told."""
    if not isinstance(item, Mapping):
        said.add(number, f"was dropped: {_shown(item)} is not an object with z, box, role ...")
        return None
    prompt, text = _words(item.get("prompt")), _words(item.get("text")) or None
    role = _role(item.get("role"), text, number, said)
    if role is LayerRole.TEXT and text is None:
        text = prompt or None
        if text is None:
            said.add(number, "was dropped: a text layer needs its words as text")
            return None
        said.add(number, "is a text without words: its prompt is written")
    if text is not None and role is not LayerRole.TEXT:
        said.add(number, f"is no text layer: its words {_shown(text)} are not set")
        text = None
    if role is LayerRole.BACKGROUND:
        return _Entry(number, _z(item, number), Bounds.full(extent), role, prompt, text)
    box = _box(item.get("box"), extent, number, said)
    return box and _Entry(number, _z(item, number), box, role, prompt or text or "", text)


def _z(item: Mapping[Any, Any], number: int) -> float:
    """Where z makes no sense, the place in the list does."""
    z = _number(item.get("z"))
    return number if z is None else z


def _words(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


def _role(value: Any, text: str | None, number: int, said: _Repairs) -> LayerRole:
    name = value.strip().lower() if isinstance(value, str) else ""
    role = ROLE_NAMES.get(name)
    if role is None:
        role = LayerRole.TEXT if text else LayerRole.IMAGE
        said.add(number, f"has the unknown role {_shown(value)}: taken as {role.value}")
    elif role.value != name:
        said.add(number, f"has the role {name!r}: taken as {role.value}")
    return role


def _box(value: Any, extent: Extent, number: int, said: _Repairs) -> Bounds | None:
    values = _four(value)
    if values is None:
        said.add(number, f"was dropped: its box {_shown(value)} is not [x, y, width, height]")
        return None
    if max(map(abs, values)) <= _FRACTIONS:
        said.add(number, "has a box in shares of the canvas: turned into pixels")
        values = [value * side for value, side in zip(values, (*extent, *extent), strict=True)]
    x, y, width, height = (round(min(max(value, -1e9), 1e9)) for value in values)
    if width < 0 or height < 0:
        said.add(number, "has an inverted box: turned the right way")
        x, y, width, height = min(x, x + width), min(y, y + height), abs(width), abs(height)
    return _inside(Bounds(x, y, width, height), extent, number, said)


def _inside(box: Bounds, extent: Extent, number: int, said: _Repairs) -> Bounds | None:
    """The box on the canvas, large enough to show something."""
    canvas = Bounds.full(extent)
    touched = Bounds(box.x, box.y, max(box.width, 1), max(box.height, 1))
    if not touched.overlaps(canvas):
        said.add(number, f"was dropped: its box {tuple(box)} lies outside the {extent} canvas")
        return None
    cut = touched.intersection(canvas)
    if not canvas.contains(box):
        said.add(number, f"reached over the edge: its box {tuple(box)} was cut to {tuple(cut)}")
    x, width = _grown(cut.x, cut.width, extent.width)
    y, height = _grown(cut.y, cut.height, extent.height)
    grown = Bounds(x, y, width, height)
    if grown != cut or box.is_empty:
        said.add(number, f"was too small: its box {tuple(box)} was grown to {tuple(grown)}")
    return grown


def _grown(start: int, length: int, side: int) -> tuple[int, int]:
    """An interval on ``[0, side)`` of at least 16 pixels around the same middle."""
    wanted = min(max(length, _SMALLEST), side)
    begin = min(max(start - (wanted - length) // 2, 0), side - wanted)
    return begin, wanted


def _four(value: Any) -> list[float] | None:
    if isinstance(value, Mapping):
        value = [value.get(key) for key in ("x", "y", "width", "height")]
    if not isinstance(value, list | tuple) or len(value) != 4:
        return None
    numbers = [number for number in map(_number, value) if number is not None]
    return numbers if len(numbers) == 4 else None


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if isfinite(number) else None


def _background(
    entries: Sequence[_Entry], extent: Extent, prompt: str, said: _Repairs
) -> tuple[_Entry, list[_Entry]]:
    """The lowest background, and all others, further backgrounds as pictures."""
    found = next((entry for entry in entries if entry.role is LayerRole.BACKGROUND), None)
    rest = [entry for entry in entries if entry is not found]
    for entry in rest:
        if entry.role is LayerRole.BACKGROUND:
            said.add(entry.number, "is a second background: taken as image")
            entry.role = LayerRole.IMAGE
    if found is None:
        said.said.append("There was no background: one was added.")
        found = _Entry(0, 0, Bounds.full(extent), LayerRole.BACKGROUND, prompt, None)
    found.prompt = found.prompt or prompt
    return found, rest


def _without_twins(entries: Sequence[_Entry], said: _Repairs) -> list[_Entry]:
    seen: dict[tuple[Any, ...], _Entry] = {}
    for entry in entries:
        first = seen.setdefault((entry.box, entry.role, entry.prompt, entry.text), entry)
        if first is not entry:
            said.add(entry.number, f"was dropped: it is layer {first.number} again")
    return list(seen.values())


def _at_most(entries: list[_Entry], said: _Repairs) -> list[_Entry]:
    if len(entries) > MOST_LAYERS:
        more = len(entries) - MOST_LAYERS
        said.said.append(f"{more} layers were dropped from the top: {MOST_LAYERS} are the most.")
    return entries[:MOST_LAYERS]


def _tell_order(entries: Sequence[_Entry], said: _Repairs) -> None:
    if [entry.z for entry in entries] != list(range(len(entries))):
        said.said.append("z was numbered anew from 0, in the same order.")


def _shown(value: Any) -> str:
    words = repr(value)
    return words if len(words) <= _SHOWN else f"{words[:_SHOWN]}..."
