"""What is allowed of boxes and was perhaps not meant, in words."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from layerstudio.errors import InvalidRequest
from layerstudio.geometry import Bounds, Extent
from layerstudio.pipelines.multilayer.published import MOST_FOREGROUNDS


def box_remarks(boxes: Sequence[Bounds], extent: Extent) -> tuple[str, ...]:
    """A note for boxes that are the same, and for those that reach beyond the canvas."""
    canvas = Bounds.full(extent)
    numbered = list(enumerate(boxes, 1))
    same = [
        f"Boxes {first} and {second} are the same place."
        for (first, one), (second, other) in combinations(numbered, 2)
        if one == other
    ]
    beyond = [
        f"Box {number} reaches beyond the canvas; that part was cut off."
        for number, box in numbered
        if not canvas.contains(box)
    ]
    return (*same, *beyond)


def check_count(count: int, what: str) -> None:
    """Raise ``InvalidRequest`` for more than the model has layers."""
    if count > MOST_FOREGROUNDS:
        raise InvalidRequest(
            f"{count} {what} are more than the {MOST_FOREGROUNDS} layers that the model knows.",
            advice="Merge some, or work in two steps.",
        )
