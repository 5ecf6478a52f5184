"""How much room words need before a font is chosen, and stacks of them in a column."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from itertools import pairwise
from math import ceil

from layerstudio.geometry import Bounds
from layerstudio.pipelines.multilayer.layout.captions import TextRank

LINE_PITCH = 1.2  # CSS Inline Layout 3: the usual "normal" line height
_NARROW, _WIDE = 0.56, 1.0  # mean advance in em: Latin bold sans (DejaVu .6, Liberation .55), CJK
# A modular scale: of the title's size. Ratios between neighbours are near the golden section, which
# is enough for each level to be told at a glance.
_SCALE = {
    TextRank.TITLE: 1.0,
    TextRank.SUBTITLE: 0.5,
    TextRank.BODY: 0.36,
    TextRank.BUTTON: 0.42,
}
_GAP = 0.22  # of the title's size, between texts
_STEP = 0.94  # between the sizes that are tried
_SMALLEST = 4.0  # pixels of the title's size, below which boxes are shared out by need alone


def text_width(text: str, size: float) -> float:
    """The estimated width of the longest line, in pixels."""
    return max((_ems(line) for line in text.split("\n")), default=0.0) * size


def line_count(text: str, size: float, width: float) -> int:
    """How many lines the text takes when wrapped at ``width`` pixels."""
    return sum(max(1, ceil(_ems(line) * size / max(width, 1.0))) for line in text.split("\n"))


def stacked_texts(
    texts: Sequence[tuple[str, TextRank]],
    area: Bounds,
    *,
    largest: float,
    align: str,
    anchor: float,
) -> list[Bounds]:
    """Boxes of texts one under the other in ``area``, at the largest sizes that fit.

    ``largest`` is the title's size in pixels at most, ``align`` left, center or right, ``anchor``
    where the block stands: 0 at the top, 1 at the bottom. Boxes never overlap.
    """
    size = _fitting_size(texts, area, largest)
    if size is None:
        return _shared_out(texts, area)
    gap = round(_GAP * size)
    heights = [_height(text, rank, size, area.width) for text, rank in texts]
    y = area.y + round(anchor * (area.height - _total(heights, gap)))
    boxes = []
    for (text, rank), height in zip(texts, heights, strict=True):
        width = min(area.width, ceil(text_width(text, size * _SCALE[rank])) + 2)
        boxes.append(_aligned(area, y, width, height, align))
        y += height + gap
    return boxes


def _fitting_size(
    texts: Sequence[tuple[str, TextRank]], area: Bounds, largest: float
) -> float | None:
    size = max(largest, _SMALLEST)
    while size >= _SMALLEST:
        heights = [_height(text, rank, size, area.width) for text, rank in texts]
        words_fit = all(_longest_word(text) * size * _SCALE[rank] <= area.width
                        for text, rank in texts)  # fmt: skip
        if words_fit and _total(heights, round(_GAP * size)) <= area.height:
            return size
        size *= _STEP
    return None


def _shared_out(texts: Sequence[tuple[str, TextRank]], area: Bounds) -> list[Bounds]:
    """The whole area in bands, where words are too many to be read."""
    weights = [_SCALE[rank] * (1 + text.count("\n")) for text, rank in texts]
    edges = [area.y]
    for index in range(len(texts)):
        share = sum(weights[: index + 1]) / sum(weights)
        edges.append(max(area.y + round(share * area.height), edges[-1]))
    return [
        Bounds.from_edges(area.x, top, area.right, max(bottom, top + 1))
        for top, bottom in pairwise(edges)
    ]


def _height(text: str, rank: TextRank, size: float, width: int) -> int:
    own = size * _SCALE[rank]
    return max(2, ceil(line_count(text, own, width) * LINE_PITCH * own))


def _total(heights: Sequence[int], gap: int) -> int:
    return sum(heights) + gap * (len(heights) - 1)


def _aligned(area: Bounds, y: int, width: int, height: int, align: str) -> Bounds:
    spare = area.width - width
    x = area.x + {"left": 0, "center": spare // 2}.get(align, spare)
    return Bounds(x, y, width, height)


def _longest_word(text: str) -> float:
    return max((_word_ems(word) for word in text.split()), default=0.0)


def _word_ems(word: str) -> float:
    """Scripts without spaces break between any two characters, so only their widest one counts."""
    wide = any(_is_wide(character) for character in word)
    return _WIDE if wide else _ems(word)


def _ems(line: str) -> float:
    return sum(_WIDE if _is_wide(character) else _NARROW for character in line)


def _is_wide(character: str) -> bool:
    return unicodedata.east_asian_width(character) in "WF"
