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
_LEADING_WOBBLE = 0.35  # of the leading, where both parts of a block are known


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
    return [Block(tuple(block), _alignment(block)) for block in _rejoined(blocks)]


def _rejoined(blocks: list[list[Line]]) -> list[list[Line]]:
    """Blocks that one goes on below another. Lines of a script reach so far down here and there
    that their baselines, and with these the leading, are only right on average."""
    kept: list[list[Line]] = []
    for block in blocks:
        above = [other for other in kept if _goes_on(other, block)]
        if above:
            min(above, key=lambda other: _step(other[-1], block[0])).extend(block)
        else:
            kept.append(block)
    return kept


def _goes_on(upper: Sequence[Line], lower: Sequence[Line]) -> bool:
    leadings = [leading for block in (upper, lower) if (leading := _leading(block))]
    if not leadings:
        return False
    usual = float(np.mean(leadings))
    if abs(_step(upper[-1], lower[0]) - usual) > _LEADING_WOBBLE * usual:
        return False
    means = [
        np.mean([(line.height, line.stroke, *line.color) for line in block], axis=0)
        for block in (upper, lower)
    ]
    (height, stroke), (other, width) = (mean[:2] for mean in means)
    if max(height, other) > _HEIGHT_RATIO * min(height, other):
        return False
    if max(stroke, width) > _STROKE_RATIO * min(stroke, width):
        return False
    if np.abs(means[0][2:] - means[1][2:]).max() > _COLOR_REACH / 2:
        return False
    one, two = (Bounds.around(line.bounds for line in block) for block in (upper, lower))
    middles = abs(one.x + one.right - two.x - two.right) / 2
    return min(abs(one.x - two.x), middles, abs(one.right - two.right)) <= 0.45 * height


def _leading(block: Sequence[Line]) -> float | None:
    """Mean distance of baselines."""
    return _step(block[0], block[-1]) / (len(block) - 1) if len(block) > 1 else None


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
