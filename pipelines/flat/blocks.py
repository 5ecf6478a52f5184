"""Lines of one size, colour and alignment under each other are one block of text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from layerstudio.geometry import Bounds
from layerstudio.pipelines.flat.glyphs import RGB, Bools, Glyph, color_distance
from layerstudio.pipelines.flat.text import Line, mask_of

_COLOR_REACH = 40.0  # levels
_HEIGHT_RATIO = 1.45  # a line without tall letters is lower: x-height against ascenders
_STROKE_RATIO = 1.35
_LEADING = (0.95, 3.2)  # baseline distances in line heights (cap height is 0.7 of the font size)
_LEADING_SPREAD = 0.18


@dataclass(frozen=True, eq=False)
class Block:
    """Lines from top to bottom; ``align`` is left, center or right."""

    lines: tuple[Line, ...]
    align: str

    @property
    def bounds(self) -> Bounds:
        return Bounds.around(line.bounds for line in self.lines)

    @property
    def glyphs(self) -> tuple[Glyph, ...]:
        return tuple(glyph for line in self.lines for glyph in line.glyphs)

    @property
    def color(self) -> RGB:
        """Mean over the ink, 0..255."""
        areas = [glyph.area for glyph in self.glyphs]
        mean = np.average([glyph.color for glyph in self.glyphs], axis=0, weights=areas)
        return float(mean[0]), float(mean[1]), float(mean[2])

    def mask(self) -> Bools:
        """The ink (h, w) over ``bounds``."""
        return mask_of(self.glyphs, self.bounds)


def find_blocks(lines: Sequence[Line]) -> list[Block]:
    """Each line goes under the block that it continues, or begins one."""
    blocks: list[list[Line]] = []
    for line in sorted(lines, key=_baseline_y):
        fitting = [block for block in blocks if _continues(block, line)]
        if fitting:
            min(fitting, key=lambda block: _step(block[-1], line)).append(line)
        else:
            blocks.append([line])
    return [Block(tuple(block), _alignment(block)) for block in blocks]


def _baseline_y(line: Line) -> float:
    return line.baseline_at(line.bounds.x + line.bounds.width / 2)


def _step(upper: Line, lower: Line) -> float:
    return _baseline_y(lower) - _baseline_y(upper)


def _continues(block: Sequence[Line], line: Line) -> bool:
    last = block[-1]
    height = max(last.height, line.height)
    if height > _HEIGHT_RATIO * min(last.height, line.height):
        return False
    if max(last.stroke, line.stroke) > _STROKE_RATIO * min(last.stroke, line.stroke) + 0.7:
        return False
    if color_distance(last.color, line.color) > _COLOR_REACH:
        return False
    step = _step(last, line)
    if not _LEADING[0] * height <= step <= _LEADING[1] * height:
        return False
    if len(block) > 1:
        usual = _step(block[-2], last)
        if abs(step - usual) > _LEADING_SPREAD * usual + 1.0:
            return False
    return min(_spreads([*block, line])) <= 0.45 * height


def _spreads(lines: Sequence[Line]) -> tuple[float, float, float]:
    """Spread of left edges, centres and right edges, in pixels."""
    left = np.array([line.bounds.x for line in lines])
    right = np.array([line.bounds.right for line in lines])
    return float(np.ptp(left)), float(np.ptp((left + right) / 2)), float(np.ptp(right))


def _alignment(lines: Sequence[Line]) -> str:
    if len(lines) == 1:
        return "left"
    return ("left", "center", "right")[int(np.argmin(_spreads(lines)))]
