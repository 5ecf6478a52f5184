"""What a person gave to say what is meant, as one hint for each object."""

from __future__ import annotations

from dataclasses import dataclass, replace

from layerstudio.geometry import Bounds, Extent
from layerstudio.pipelines.instances.wanted import Wanted
from layerstudio.pipelines.stages.contracts import Hint

Point = tuple[int, int]


@dataclass(frozen=True)
class Asked:
    """``hints`` for objects that were pointed at, each with the words for it in ``places``;
    ``prompts`` for those that are to be found by name."""

    hints: tuple[Hint, ...]
    places: tuple[str, ...]
    prompts: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def is_nothing(self) -> bool:
        """All objects are wanted then."""
        return not self.hints and not self.prompts


def asked(wanted: Wanted, extent: Extent) -> Asked:
    """Each box is an object, with the points inside of it; so is each point in no box.

    Excluded points belong to the boxes that they are in; those in no box to every lone point.
    Boxes are cut to the picture. A prompt given twice counts once. With as many prompts as objects
    pointed at, they are the names of those, in their order, and nothing is searched for.
    """
    prompts, notes = _prompts(wanted.prompts)
    boxes, box_notes = _boxes(wanted.boxes, extent)
    lone = [point for point in wanted.points if not _in_any(point, boxes)]
    outside = tuple(point for point in wanted.excluded_points if not _in_any(point, boxes))
    hints = [
        Hint(box, _inside(wanted.points, box), _inside(wanted.excluded_points, box))
        for box in boxes
    ]
    places = [f"the box {tuple(box)}" for box in boxes]
    for point in dict.fromkeys(lone):
        hints.append(Hint(None, (point,), outside))
        places.append(f"the point {point}")
    if outside and not lone:
        notes.append("Excluded points that lie in no box exclude nothing.")
    if len(prompts) == len(hints):
        pairs = zip(hints, prompts, strict=True)
        hints, prompts = [replace(hint, label=prompt) for hint, prompt in pairs], ()
    return Asked(tuple(hints), tuple(places), prompts, (*notes, *box_notes))


def _prompts(given: tuple[str, ...]) -> tuple[tuple[str, ...], list[str]]:
    kept: dict[str, str] = {}
    twice = []
    for prompt in (" ".join(text.split()) for text in given):
        if prompt and prompt.lower() in kept:
            twice.append(prompt)
        elif prompt:
            kept[prompt.lower()] = prompt
    notes = [f"The prompt {prompt!r} was given more than once." for prompt in dict.fromkeys(twice)]
    return tuple(kept.values()), notes


def _boxes(given: tuple[Bounds, ...], extent: Extent) -> tuple[list[Bounds], list[str]]:
    kept, notes = [], []
    for index, box in enumerate(given):
        cut = box.clamped(extent)
        if cut in kept:
            notes.append(f"Box {index + 1} was given before.")
        else:
            kept.append(cut)
        if cut != box:
            notes.append(f"Box {index + 1} reaches off the picture and was cut to it.")
    return kept, notes


def _inside(points: tuple[Point, ...], box: Bounds) -> tuple[Point, ...]:
    return tuple(point for point in points if _holds(box, point))


def _in_any(point: Point, boxes: list[Bounds]) -> bool:
    return any(_holds(box, point) for box in boxes)


def _holds(box: Bounds, point: Point) -> bool:
    return box.x <= point[0] < box.right and box.y <= point[1] < box.bottom
