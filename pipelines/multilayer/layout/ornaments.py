"""Places for embellishments: the corners first, then wherever they cover least."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

from layerstudio.geometry import Bounds, Extent

_SIZE = (0.13, 0.19)  # of the shorter side
_SHRINK = 0.7
_SMALLEST = 0.03  # of the shorter side
_COVERED = 0.12  # of an embellishment that may lie on a picture
_STEPS = 8  # places tried along each side


def ornament_boxes(
    count: int,
    extent: Extent,
    texts: Sequence[Bounds],
    pictures: Sequence[Bounds],
    chance: Random,
) -> list[Bounds]:
    """``count`` squares that keep clear of ``texts`` and of one another, and hardly touch
    ``pictures``; from the smallest size on they lie where they cover least."""
    side = min(extent) * chance.uniform(*_SIZE)
    inset = round(0.02 * min(extent))
    rising = chance.random() < 0.5
    boxes: list[Bounds] = []
    for _ in range(count):
        boxes.append(_free_box(side, inset, extent, texts, boxes, pictures, rising))
    return boxes


def _free_box(
    side: float,
    inset: int,
    extent: Extent,
    texts: Sequence[Bounds],
    others: Sequence[Bounds],
    pictures: Sequence[Bounds],
    rising: bool,
) -> Bounds:
    least = max(4.0, _SMALLEST * min(extent))
    while True:
        size = max(1, min(round(side), min(extent) - 2 * inset))
        places = [Bounds(x, y, size, size) for x, y in _places(size, inset, extent, rising)]
        # Two that stand close would read as one.
        forbidden = [text.padded(inset) for text in texts]
        forbidden += [box.padded(size) for box in others]
        free = [box for box in places if not any(box.overlaps(one) for one in forbidden)]
        for box in free:
            if _shared(box, pictures) <= _COVERED * box.area:
                return box
        side *= _SHRINK
        if side < least:
            taken = (*texts, *others, *pictures)
            return min(free or places, key=lambda box: _shared(box, taken))


def _shared(box: Bounds, others: Sequence[Bounds]) -> int:
    return sum(box.intersection(other).area for other in others)


def _places(size: int, inset: int, extent: Extent, rising: bool) -> Iterator[tuple[int, int]]:
    """Corners in diagonal pairs, then the edges, then the inside."""
    left, top = inset, inset
    right, bottom = extent.width - inset - size, extent.height - inset - size
    falling = [(left, top), (right, bottom), (right, top), (left, bottom)]
    yield from falling[2:] + falling[:2] if rising else falling
    # Every second step first: two that stand in a row keep their distance.
    steps = [*range(2, _STEPS, 2), *range(1, _STEPS, 2)]
    columns = [left + (right - left) * step // _STEPS for step in steps]
    rows = [top + (bottom - top) * step // _STEPS for step in steps]
    yield from ((x, y) for x in columns for y in (top, bottom))
    yield from ((x, y) for y in rows for x in (left, right))
    yield from ((x, y) for y in rows for x in columns)
