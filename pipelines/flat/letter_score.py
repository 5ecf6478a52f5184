"""How much a chain of pieces of ink is like text, from the pieces alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from layerstudio.pipelines.flat.glyphs import Glyph, color_distance

COLOR_REACH = 45.0  # levels between neighbours; anti-aliasing and JPEG move thin strokes


def letter_score(chain: Sequence[Glyph], sag: NDArray) -> float:
    """0..1: how much a chain is like text; ``sag`` is bottoms below the baseline per height."""
    count = len(chain)
    strokes = np.array([glyph.stroke for glyph in chain])
    widest = np.array([glyph.widest for glyph in chain])
    fills = np.array([glyph.fill for glyph in chain])
    tall = np.percentile([glyph.bounds.height for glyph in chain], 85)
    on_line = np.mean((np.abs(sag) <= 0.13) | ((sag > 0) & (sag < 0.5)))
    strict = np.mean(np.abs(sag) <= 0.13)
    uneven = float(strokes.std() / strokes.mean())
    factors = [
        _fades(1.0 - float(on_line), 0.15, 0.5),
        _fades(1.0 - float(strict), 0.45, 0.75),
        _fades(uneven, 0.25, 0.5 if count > 2 else 0.35),
        _fades(float(np.median(widest / strokes)), 1.9, 2.8),
        _fades(float(np.median(strokes)) / float(tall), 0.33, 0.5),
        _fades(float(fills.mean()), 0.7, 0.85),
        _sameness(chain),
        _fades(_crowding(chain), 0.1, 0.4),
        _pair_score(*chain) if count == 2 else min(1.0, 0.75 + 0.08 * (count - 3)),
    ]
    return float(np.prod(factors))


def _pair_score(one: Glyph, other: Glyph) -> float:
    """Two pieces are a word only if nothing speaks against it."""
    heights = sorted((one.bounds.height, other.bounds.height))
    strokes = sorted((one.stroke, other.stroke))
    gap = max(one.bounds.x, other.bounds.x) - min(one.bounds.right, other.bounds.right)
    twins = one.bounds.extent == other.bounds.extent and abs(one.fill - other.fill) < 0.03
    fits = (
        heights[0] >= max(6.0, 0.6 * heights[1])
        and strokes[1] <= 1.3 * strokes[0] + 0.4
        and -0.05 * heights[1] <= gap <= 0.4 * heights[1]
        and 0.08 * heights[1] <= strokes[0] <= 0.33 * heights[1]
        and abs(one.bounds.bottom - other.bounds.bottom) <= 0.06 * heights[1] + 1.0
        and all(0.12 <= glyph.aspect <= 1.4 and glyph.fill >= 0.15 for glyph in (one, other))
        and color_distance(one.color, other.color) <= 0.5 * COLOR_REACH
        and not twins
    )
    return 0.75 if fits else 0.0


def _fades(value: float, good: float, bad: float) -> float:
    """1 up to ``good``, 0 from ``bad`` on."""
    return float(np.clip((bad - value) / (bad - good), 0.0, 1.0))


def _sameness(chain: Sequence[Glyph]) -> float:
    """0 for rows of one repeated shape (bullets, stars, bars), which no word is."""
    shapes = {(g.bounds.width // 2, g.bounds.height // 2, round(8 * g.fill)) for g in chain}
    if len(chain) >= 3 and len(shapes) == 1:
        return 0.0
    bars = sum(glyph.fill > 0.9 for glyph in chain)
    return _fades(bars / len(chain), 0.5, 0.9)


def _crowding(chain: Sequence[Glyph]) -> float:
    """Share of the members' width that lies in another member's, as pieces of drawings do."""
    spans = sorted((glyph.bounds.x, glyph.bounds.right) for glyph in chain)
    total = sum(right - left for left, right in spans)
    shared, reach = 0, spans[0][1]
    for left, right in spans[1:]:
        shared += max(0, min(reach, right) - left)
        reach = max(reach, right)
    return shared / max(total, 1)
