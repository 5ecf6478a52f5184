"""Which of the panels of one round lies on which."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32
from layerstudio.geometry import Bounds
from layerstudio.pipelines.flat.analysis import Analysis, erode
from layerstudio.pipelines.flat.panel_found import Found


def bottom_up(found: list[Found], analysis: Analysis, backdrop: F32) -> list[Found]:
    """Order of one round: a panel that shows its fill where two overlap lies above.

    Where neither does, a veil lies above what it veils, then below what the canvas cuts off, then
    the larger.
    """
    placed: list[Found] = []
    extent = analysis.extent
    for item in sorted(found, key=lambda item: (not item.is_cut_off(extent), -item.area)):
        index = len(placed)
        for at, other in enumerate(placed):
            if _hides(other, item) or _veils(other, item, analysis, backdrop):
                index = min(index, at)
        placed.insert(index, item)
    return placed


def _veils(upper: Found, lower: Found, analysis: Analysis, backdrop: F32) -> bool:
    """Whether a third colour in the overlap is ``lower`` seen through ``upper``.

    With P over B and X over D, a veil gives ``X - P = (1 - a) (D - B)``; the other way round the
    equation is another, and the one that fits better decides.
    """
    common = upper.outline.bounds.intersection(lower.outline.bounds)
    if common.is_empty:
        return False
    up, low, both = _overlap(upper, lower, common)
    third = both & ~upper.region[up] & ~lower.region[low]
    if np.count_nonzero(third) < max(30, 0.6 * np.count_nonzero(both)):
        return False
    seen = np.median(analysis.rgb[common.slices][third], axis=0)
    ground = np.median(backdrop[common.slices][third], axis=0)
    fills = [
        np.median(analysis.rgb[item.outline.bounds.slices][erode(item.region, 1)], axis=0)
        for item in (upper, lower)
    ]
    above = _veil_misfit(seen, fills[0], fills[1], ground)
    below = _veil_misfit(seen, fills[1], fills[0], ground)
    return above <= analysis.tolerance + 2.0 and above < below


def _veil_misfit(
    seen: NDArray[np.floating],
    veil: NDArray[np.floating],
    veiled: NDArray[np.floating],
    ground: NDArray[np.floating],
) -> float:
    """Levels by which a colour misses being ``veiled`` through the veil; infinite for no veil."""
    change = veiled - ground
    power = float(change @ change)
    left = float(change @ (seen - veil)) / power if power > 1.0 else 0.0
    if not 0.03 < left < 0.85:
        return float("inf")
    return float(np.abs(seen - veil - left * change).max())


def _hides(upper: Found, lower: Found) -> bool:
    """Whether ``upper``'s fill shows inside ``lower``'s outline, more than the other way round."""
    common = upper.outline.bounds.intersection(lower.outline.bounds)
    if common.is_empty:
        return False
    up, low, both = _overlap(upper, lower, common)
    shown = np.count_nonzero(both & upper.region[up])
    return bool(shown > np.count_nonzero(both & lower.region[low]))


def _overlap(
    upper: Found, lower: Found, common: Bounds
) -> tuple[tuple[slice, slice], tuple[slice, slice], NDArray[np.bool_]]:
    """Where ``common`` lies in the arrays of each, and where both are inside their outlines."""
    up, low = (common.relative_to(item.outline.bounds).slices for item in (upper, lower))
    return up, low, upper.outline.inside(2)[up] & lower.outline.inside(2)[low]
