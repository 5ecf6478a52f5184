"""Which pieces of ink are letters: joined into lines, and lines into blocks.

Neighbours are linked where size, height, stroke and colour agree (the rules of stroke-width text
detection: Epshtein, Ofek, Wexler, CVPR 2010, section 3.3); a chain is a line if it also looks like
one as a whole: common baseline, even strokes, letters that differ, gaps smaller than letters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from layerstudio.geometry import Bounds
from layerstudio.pipelines.flat.glyphs import RGB, Bools, Glyph, color_distance, glyphs_of
from layerstudio.pipelines.flat.letter_score import COLOR_REACH, letter_score

__all__ = ["Glyph", "Line", "find_lines", "glyphs_of", "is_letter_like", "unscored"]

_SMALLEST_HEIGHT = 4  # pixels; nothing below can be read
_HEIGHT_RATIO = 2.6  # an l with an ogonek beside an x
_STROKE_RATIO = 2.0
_GAP = 1.3  # of the taller letter: a word space in justified text
_REACH = 1.1  # line heights from a line to a stray letter or punctuation
_REST = 1.6  # line heights to the rest of a line: a comma and a space in a monospaced font
_KERNING = 0.5  # of the narrower letter; italics reach over their neighbours
_OVERLAP = 0.45  # of the shorter letter's height
_SHORT = 3  # letters of a line that do not tell its baseline, or that it is one
_ALIGNED = 0.4  # of the height, between the ends of lines of a paragraph
_ACCEPTED = 0.5  # score


@dataclass(frozen=True, eq=False)
class Line:
    """Letters from left to right with their dots and accents.

    ``height`` is that of the tall letters above the baseline, in pixels; the baseline passes
    through ``baseline`` at x = 0 with ``slope``; ``score`` in 0..1 says how much like text it is.
    """

    glyphs: tuple[Glyph, ...]
    bounds: Bounds
    color: RGB
    stroke: float
    height: float
    baseline: float
    slope: float
    score: float

    def baseline_at(self, x: float) -> float:
        """Canvas y of the baseline at canvas x."""
        return self.baseline + self.slope * x

    def mask(self) -> Bools:
        """The ink (h, w) over ``bounds``."""
        return mask_of(self.glyphs, self.bounds)


def mask_of(glyphs: Sequence[Glyph], bounds: Bounds) -> Bools:
    """The ink of several glyphs (h, w) over ``bounds``, which contains them."""
    ink = np.zeros(bounds.extent.shape, dtype=bool)
    for glyph in glyphs:
        ink[glyph.bounds.relative_to(bounds).slices] |= glyph.mask
    return ink


def find_lines(components: Sequence[Glyph]) -> list[Line]:
    """Lines of at least two letters among ``components``, top to bottom."""
    letters = [glyph for glyph in components if is_letter_like(glyph)]
    lines = []
    for chain in _chains(letters):
        for part in _without_misfits(chain):
            line = _line_of(part)
            if line is not None:
                lines.append(line)
    lines = _without_inner(lines)
    for _ in range(2):  # a comma bridges the gap to what follows it
        lines = _joined(_with_small_parts(lines, components))
    lines += _lone_words(lines, letters)
    lines = _joined(lines + _short_lines(lines, letters))
    return sorted(lines, key=lambda line: (line.bounds.y, line.bounds.x))


def is_letter_like(glyph: Glyph) -> bool:
    """Could be a letter or a word of joined letters by its shape alone."""
    width, height = glyph.bounds.width, glyph.bounds.height
    if height < _SMALLEST_HEIGHT or glyph.aspect > 20 or glyph.aspect < 0.04:
        return False
    if glyph.stroke > 0.75 * height or glyph.widest > 0.8 * height:
        return False  # a dash, a disc, a box
    if min(width, height) > 2.0 * glyph.stroke and glyph.fill > 0.86:
        return False
    return glyph.widest <= 3.2 * glyph.stroke + 2.0


def _chains(letters: Sequence[Glyph]) -> list[list[Glyph]]:
    """Connected groups of linked neighbours."""
    order = sorted(letters, key=lambda glyph: glyph.bounds.x)
    table = _Table(order)
    parent = list(range(len(order)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    for index in range(len(order)):
        for other in table.linked(index):
            parent[root(int(other))] = root(index)
    groups: dict[int, list[Glyph]] = {}
    for index, glyph in enumerate(order):
        groups.setdefault(root(index), []).append(glyph)
    return [group for group in groups.values() if len(group) > 1]


class _Table:
    """Measures of glyphs sorted by their left edge, to compare one with all to its right."""

    def __init__(self, glyphs: Sequence[Glyph]) -> None:
        boxes = np.array([glyph.bounds for glyph in glyphs], dtype=np.float32).reshape(-1, 4)
        self.left, self.top = boxes[:, 0], boxes[:, 1]
        self.width, self.height = boxes[:, 2], boxes[:, 3]
        self.right, self.bottom = boxes[:, 0] + boxes[:, 2], boxes[:, 1] + boxes[:, 3]
        self.stroke = np.array([glyph.stroke for glyph in glyphs], dtype=np.float32)
        self.color = np.array([glyph.color for glyph in glyphs], dtype=np.float32).reshape(-1, 3)

    def linked(self, index: int) -> NDArray:
        """The letters right of this one that continue its line."""
        height = self.height[index]
        last = np.searchsorted(
            self.left, self.right[index] + _GAP * height * _HEIGHT_RATIO, "right"
        )
        near = slice(index + 1, int(last))
        tall = np.maximum(self.height[near], height)
        short = np.minimum(self.height[near], height)
        gap = self.left[near] - self.right[index]
        shared = np.minimum(self.bottom[near], self.bottom[index]) - np.maximum(
            self.top[near], self.top[index]
        )
        thick = np.maximum(self.stroke[near], self.stroke[index])
        thin = np.minimum(self.stroke[near], self.stroke[index])
        fits = (
            (tall <= _HEIGHT_RATIO * short)
            & (gap <= _GAP * tall)
            & (gap >= -_KERNING * np.minimum(self.width[near], self.width[index]) - 1.0)
            & (shared >= _OVERLAP * short)
            & (thick <= _STROKE_RATIO * thin + 0.8)
            & (np.abs(self.color[near] - self.color[index]).max(axis=1) <= COLOR_REACH)
        )
        return np.flatnonzero(fits) + index + 1


def _without_misfits(chain: list[Glyph]) -> list[list[Glyph]]:
    """The chain without members whose stroke or height is far from what is usual in it."""
    if len(chain) < 4:
        return [chain]
    heights = np.array([glyph.bounds.height for glyph in chain], dtype=np.float32)
    strokes = np.array([glyph.stroke for glyph in chain], dtype=np.float32)
    usual, thick = np.percentile(heights, 60), np.median(strokes)
    fits = (heights <= 2.0 * usual) & (strokes <= 1.8 * thick + 0.7)
    return [[glyph for glyph, fit in zip(chain, fits, strict=True) if fit]]


def _line_of(chain: Sequence[Glyph]) -> Line | None:
    if len(chain) < 2:
        return None
    boxes = np.array([glyph.bounds for glyph in chain], dtype=np.float64)
    bottoms, middles = boxes[:, 1] + boxes[:, 3], boxes[:, 0] + boxes[:, 2] / 2
    slope, baseline = _baseline(middles, bottoms, float(np.median(boxes[:, 3])))
    above = baseline + slope * middles - boxes[:, 1]
    height = float(np.percentile(above, 85))
    score = letter_score(chain, (bottoms - baseline - slope * middles) / max(height, 1.0))
    if height < _SMALLEST_HEIGHT or score < _ACCEPTED:
        return None
    areas = np.array([glyph.area for glyph in chain], dtype=np.float64)
    mean = np.average([glyph.color for glyph in chain], axis=0, weights=areas)
    return Line(
        glyphs=tuple(sorted(chain, key=lambda glyph: glyph.bounds.x)),
        bounds=Bounds.around(glyph.bounds for glyph in chain),
        color=(float(mean[0]), float(mean[1]), float(mean[2])),
        stroke=float(np.median([glyph.stroke for glyph in chain])),
        height=height,
        baseline=baseline,
        slope=slope,
        score=score,
    )


def _baseline(x: NDArray, bottoms: NDArray, height: float) -> tuple[float, float]:
    """Slope and offset through most bottoms: the median of all pairs' slopes (Theil, 1950)."""
    slope = 0.0
    if len(x) >= 5:
        dx, dy = x[:, None] - x, bottoms[:, None] - bottoms
        level = (np.abs(dy) < 0.25 * height + 0.15 * np.abs(dx)) & (np.abs(dx) > height)
        if level.any():
            slope = float(np.median(dy[level] / dx[level]))
    if abs(slope) < 0.01:
        slope = 0.0  # a difference of rounding
    return slope, float(np.median(bottoms - slope * x))


def _without_inner(lines: Sequence[Line]) -> list[Line]:
    """Pieces of broken letters that chained on their own return to the line around them."""
    return _gathered(sorted(lines, key=lambda line: -line.bounds.area), _holds)


def _holds(outer: Line, inner: Line) -> bool:
    shared = outer.bounds.padded(1).intersection(inner.bounds).area
    alike = color_distance(outer.color, inner.color) <= 1.6 * COLOR_REACH
    return alike and shared >= 0.8 * inner.bounds.area and len(outer.glyphs) > len(inner.glyphs)


def _lone_words(lines: Sequence[Line], letters: Sequence[Glyph]) -> list[Line]:
    """Words of joined letters, alone in their line, above or below a line that is like them."""
    taken = {id(glyph) for line in lines for glyph in line.glyphs}
    free = [glyph for glyph in letters if id(glyph) not in taken and glyph.aspect >= 1.3]
    return [_lone_line(glyph) for glyph in free if any(_is_like(glyph, line) for line in lines)]


def _is_like(glyph: Glyph, line: Line) -> bool:
    box = glyph.bounds
    away = abs(box.bottom - line.baseline_at(box.x + box.width / 2))
    beside = max(line.bounds.x - box.right, box.x - line.bounds.right)
    return (
        0.8 * line.height <= box.height <= 1.5 * line.height
        and 0.75 * line.stroke - 0.5 <= glyph.stroke <= 1.3 * line.stroke + 0.5
        and 0.9 * line.height <= away <= 2.6 * line.height
        and beside < 0
        and color_distance(glyph.color, line.color) <= 0.5 * COLOR_REACH
    )


def _lone_line(glyph: Glyph) -> Line:
    return unscored((glyph,), float(glyph.bounds.bottom))


def unscored(glyphs: Sequence[Glyph], baseline: float) -> Line:
    """A line whose letters are too few to tell; those around it make it one."""
    bounds = Bounds.around(glyph.bounds for glyph in glyphs)
    mean = np.average([g.color for g in glyphs], axis=0, weights=[g.area for g in glyphs])
    return Line(
        glyphs=tuple(sorted(glyphs, key=lambda glyph: glyph.bounds.x)),
        bounds=bounds,
        color=(float(mean[0]), float(mean[1]), float(mean[2])),
        stroke=float(np.median([glyph.stroke for glyph in glyphs])),
        height=baseline - bounds.y,
        baseline=baseline,
        slope=0.0,
        score=_ACCEPTED,
    )


def _short_lines(lines: Sequence[Line], letters: Sequence[Glyph]) -> list[Line]:
    """The last word of a paragraph, of two or three letters, that begins or ends where the line
    above or below it does."""
    taken = {id(glyph) for line in lines for glyph in line.glyphs}
    chains = _chains([glyph for glyph in letters if id(glyph) not in taken])
    short = [chain for chain in chains if len(chain) <= _SHORT]
    found = [unscored(chain, float(min(g.bounds.bottom for g in chain))) for chain in short]
    return [one for one in found if any(_is_beneath(one, line) for line in lines)]


def _is_beneath(short: Line, line: Line) -> bool:
    """Whether a short line is set as the one above or below it."""
    away = abs(short.baseline - line.baseline_at(short.bounds.x))
    edges = (short.bounds.x - line.bounds.x, short.bounds.right - line.bounds.right)
    return (
        0.55 * line.height <= short.height <= 1.3 * line.height
        and 0.9 * line.height <= away <= 2.6 * line.height
        and min(map(abs, edges)) <= _ALIGNED * line.height
        and color_distance(short.color, line.color) <= 0.5 * COLOR_REACH
        and all(
            0.75 * line.stroke - 0.5 <= glyph.stroke <= 1.3 * line.stroke + 0.5
            and 0.5 * line.height <= glyph.bounds.height <= 1.5 * line.height
            for glyph in short.glyphs
        )
    )


def _joined(lines: Sequence[Line]) -> list[Line]:
    """Pieces of one line, side by side on one baseline, as one."""
    return _gathered(sorted(lines, key=lambda line: line.bounds.x), _goes_on)


def _gathered(lines: Sequence[Line], belongs: Callable[[Line, Line], bool]) -> list[Line]:
    """Each line as part of the first before it for which ``belongs(earlier, line)``, or alone."""
    whole: list[Line] = []
    for line in lines:
        first = next((i for i, earlier in enumerate(whole) if belongs(earlier, line)), None)
        if first is None:
            whole.append(line)
        else:
            whole[first] = grown(whole[first], line.glyphs)
    return whole


def _goes_on(left: Line, right: Line) -> bool:
    height = max(left.height, right.height)
    gap = right.bounds.x - left.bounds.right
    # A word of joined letters has one bottom, which may be that of a tail.
    joined = min(len(left.glyphs), len(right.glyphs)) <= _SHORT
    thick, thin = max(left.stroke, right.stroke), min(left.stroke, right.stroke)
    step = right.baseline_at(right.bounds.x) - left.baseline_at(right.bounds.x)
    return (
        -(0.6 if joined else 0.2) * height <= gap <= _REST * height
        and abs(step) <= (0.35 if joined else 0.12) * height + 0.5
        and height <= 1.5 * min(left.height, right.height)
        and thick <= 1.4 * thin + 0.5
        and color_distance(left.color, right.color) <= COLOR_REACH
    )


def _with_small_parts(lines: list[Line], components: Sequence[Glyph]) -> list[Line]:
    """Dots, accents, punctuation and stray letters join the line in whose band they lie."""
    taken = {id(glyph) for line in lines for glyph in line.glyphs}
    free = [glyph for glyph in components if id(glyph) not in taken]
    boxes = np.array([glyph.bounds for glyph in free], dtype=np.int64).reshape(-1, 4)
    nearest: dict[int, tuple[float, int]] = {}
    for index, line in enumerate(lines):
        band = line.bounds.padded(round(1.5 * line.height))
        near = (boxes[:, 0] < band.right) & (boxes[:, 0] + boxes[:, 2] > band.x)
        near &= (boxes[:, 1] < band.bottom) & (boxes[:, 1] + boxes[:, 3] > band.y)
        for which in np.flatnonzero(near):
            distance = _distance(line, free[which])
            if distance < nearest.get(int(which), (np.inf, 0))[0]:
                nearest[int(which)] = (distance, index)
    joined: dict[int, list[Glyph]] = {}
    for which, (_, index) in nearest.items():
        joined.setdefault(index, []).append(free[which])
    return [
        grown(line, joined[index]) if index in joined else line for index, line in enumerate(lines)
    ]


def _distance(line: Line, glyph: Glyph) -> float:
    """How far a small part lies from the line's letters, in line heights; inf if it is none."""
    box, height = glyph.bounds, line.height
    middle = box.x + box.width / 2
    below = line.baseline_at(middle)
    if box.height > 1.35 * height or box.width > 1.6 * height or glyph.widest > 0.5 * height:
        return np.inf
    if box.y < below - 1.5 * height or box.bottom > below + 0.45 * height:
        return np.inf
    if color_distance(glyph.color, line.color) > 1.6 * COLOR_REACH or glyph.widest > 2.5 * max(
        line.stroke, 1.5
    ):
        return np.inf
    gap = max(line.bounds.x - box.right, box.x - line.bounds.right, 0)
    return gap / height if gap <= _REACH * height else np.inf


def grown(line: Line, parts: Sequence[Glyph]) -> Line:
    glyphs = sorted((*line.glyphs, *parts), key=lambda glyph: glyph.bounds.x)
    bounds = Bounds.around(glyph.bounds for glyph in glyphs)
    return replace(line, glyphs=tuple(glyphs), bounds=bounds)
