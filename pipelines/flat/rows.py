"""Lines of what is known to be letters, however they look: script whose words are single pieces."""

from __future__ import annotations

from collections.abc import Sequence

from layerstudio.geometry import Bounds
from layerstudio.pipelines.flat.glyphs import Glyph
from layerstudio.pipelines.flat.text import Line, is_letter_like, unscored

_LETTERED = 0.7  # share of the ink
_SHARED = 0.5  # of the lower one's height, of pieces in one row
_WORD_GAP = 2.0  # heights of a row between words


def rows_of(glyphs: Sequence[Glyph]) -> list[Line]:
    """Pieces beside each other as lines."""
    rows: list[list[Glyph]] = []
    for glyph in sorted(glyphs, key=lambda item: -item.bounds.height):
        row = [glyph]  # those that a piece lies between become one
        for other in [one for one in rows if _are_one(one, row)]:
            rows.remove(other)
            row = [*other, *row]
        rows.append(row)
    return [unscored(row, _baseline(row)) for row in rows]


def are_letter_like(glyphs: Sequence[Glyph]) -> bool:
    """Whether most of the ink could be letters, and is no disc or bar."""
    lettered = sum(glyph.area for glyph in glyphs if is_letter_like(glyph))
    return lettered > _LETTERED * sum(glyph.area for glyph in glyphs)


def _are_one(row: Sequence[Glyph], other: Sequence[Glyph]) -> bool:
    one, two = (Bounds.around(glyph.bounds for glyph in glyphs) for glyphs in (row, other))
    lower = min(one.height, two.height)
    shared = min(one.bottom, two.bottom) - max(one.y, two.y)
    gap = max(one.x - two.right, two.x - one.right)
    return shared >= _SHARED * lower and gap <= _WORD_GAP * max(one.height, two.height)


def _baseline(row: Sequence[Glyph]) -> float:
    """The highest bottom of a tall piece: those with tails reach below it."""
    tallest = max(glyph.bounds.height for glyph in row)
    return float(min(g.bounds.bottom for g in row if g.bounds.height >= 0.5 * tallest))
