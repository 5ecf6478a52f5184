"""How a canvas is divided: margins, golden sections, grids of pictures."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from random import Random

from layerstudio.geometry import Bounds, Extent

GOLDEN = (sqrt(5) - 1) / 2  # .618: the larger part of a golden section
_MARGIN = (0.05, 0.08)  # of the shorter side: what printers and slide templates leave
_GAP = 0.7  # of the margin: things that belong together stand closer than the edge
_WIDE, _TALL = 1.25, 0.8  # width to height from which text stands beside, below which above
_TEXT_SHARE = (0.3, 0.62)
_SQUARE_COLUMN = 0.42  # of a square's width, that a column of text beside a picture needs
_SQUARE_ENOUGH = 2.0  # the longer side of a picture to its shorter one, at most
_FEW = 4  # pictures that are arranged by size; more stand in a grid


@dataclass(frozen=True)
class Areas:
    """Where a design's texts and pictures go.

    ``texts`` are one or two blocks, the second for what is not the title; ``gap`` in pixels.
    """

    frame: Bounds
    gap: int
    texts: tuple[Bounds, ...]
    images: Bounds | None
    stacked: bool


def areas_of(extent: Extent, text_count: int, image_count: int, chance: Random) -> Areas:
    """The canvas divided for so many texts and pictures; ``chance`` varies what may vary."""
    margin = round(min(extent) * chance.uniform(*_MARGIN))
    frame = Bounds.full(extent).padded(-margin)
    gap = max(1, round(_GAP * margin))
    ratio = extent.width / extent.height
    stacked = ratio <= _TALL or (ratio < _WIDE and chance.random() < 0.5)
    if not image_count or not text_count:
        texts = (frame,) if text_count else ()
        return Areas(frame, gap, texts, frame if image_count else None, stacked)
    share = _text_share(text_count, image_count, chance)
    if not stacked and ratio < _WIDE:
        share = max(share, _SQUARE_COLUMN)
    arrangement = chance.choice(("text first", "images first", "around"))
    if stacked and arrangement == "around" and text_count > 1:
        return _around(frame, gap, share)
    first_share = share if arrangement == "text first" else 1 - share
    first, second = cut(frame, first_share, gap, across=stacked)
    text, images = (first, second) if arrangement == "text first" else (second, first)
    return Areas(frame, gap, (text,), images, stacked)


def cut(area: Bounds, share: float, gap: int, *, across: bool) -> tuple[Bounds, Bounds]:
    """Two parts with ``gap`` between them, the first with ``share`` of the room: one above the
    other if ``across``, else side by side."""
    side = area.height if across else area.width
    gap = min(gap, side // 4)
    first = min(max(1, round(share * (side - gap))), side - gap - 1)
    if across:
        upper = Bounds(area.x, area.y, area.width, first)
        return upper, Bounds.from_edges(area.x, area.y + first + gap, area.right, area.bottom)
    left = Bounds(area.x, area.y, first, area.height)
    return left, Bounds.from_edges(area.x + first + gap, area.y, area.right, area.bottom)


def picture_cells(area: Bounds, count: int, gap: int, chance: Random) -> list[Bounds]:
    """Places of ``count`` pictures in ``area``, the first one the largest where they are few."""
    if count > _FEW:
        return grid(area, count, gap)
    cells, rest = [], area
    for left in range(count, 1, -1):
        across = rest.height > rest.width
        share = GOLDEN if left > 2 or count == 2 else 0.5
        if cells or chance.random() < 0.7:
            cell, rest = cut(rest, share, gap, across=across)
        else:
            rest, cell = cut(rest, 1 - share, gap, across=across)
        cells.append(cell)
    cells.append(rest)
    return [not_too_long(cell) for cell in cells] if count == 1 else cells


def grid(area: Bounds, count: int, gap: int) -> list[Bounds]:
    """Cells in rows that all fill the width, as square as the area allows; rows differ by one."""
    rows = min(range(1, count + 1), key=lambda number: _badness(area, count, number))
    cells = []
    for row in range(rows):
        in_row = count * (row + 1) // rows - count * row // rows
        y, height = _slot(area.y, area.height, row, rows, gap)
        for column in range(in_row):
            x, width = _slot(area.x, area.width, column, in_row, gap)
            cells.append(Bounds(x, y, width, height))
    return cells


def not_too_long(cell: Bounds) -> Bounds:
    """The middle of a cell, so long as one subject can fill it."""
    width = min(cell.width, round(cell.height * _SQUARE_ENOUGH))
    height = min(cell.height, round(cell.width * _SQUARE_ENOUGH))
    return Bounds(
        cell.x + (cell.width - width) // 2, cell.y + (cell.height - height) // 2, width, height
    )


def _around(frame: Bounds, gap: int, share: float) -> Areas:
    """The title above the pictures, all other texts below them."""
    title, rest = cut(frame, share / 2, gap, across=True)
    images, texts = cut(rest, 1 - share / 2 / (1 - share / 2), gap, across=True)
    return Areas(frame, gap, (title, texts), images, stacked=True)


def _text_share(text_count: int, image_count: int, chance: Random) -> float:
    share = 1 - GOLDEN + 0.04 * (text_count - 2) - 0.03 * (image_count - 1)
    low, high = _TEXT_SHARE
    return min(max(share + chance.uniform(-0.03, 0.03), low), high)


def _badness(area: Bounds, count: int, rows: int) -> float:
    """How far from square a grid's cells are, and whether its rows differ."""
    ratio = (area.width * rows / count) / (area.height / rows)
    return max(ratio, 1 / ratio) + (0.3 if count % rows else 0.0)


def _slot(start: int, length: int, index: int, count: int, gap: int) -> tuple[int, int]:
    """Begin and size of one of ``count`` equal parts with gaps between them."""
    gap = min(gap, length // (4 * count))
    pitch = (length + gap) / count
    begin = start + round(index * pitch)
    end = start + round((index + 1) * pitch) - gap
    return begin, max(1, end - begin)
