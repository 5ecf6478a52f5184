"""Which of many overlapping masks are objects of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from layerstudio.geometry import Bounds
from layerstudio.pipelines.stages.contracts import Mask

# Overlap (intersection over union) from which two masks are one object: segment-anything's
# automatic masks take 0.7 of their boxes, which loses a frame around its own picture.
DUPLICATE = 0.8
# A mask is a union if others that lie inside it, by this share of themselves, make up this share
# of it; parts that overlap each other by more than the rest do not count twice.
INSIDE, COVERED, SHARED = 0.9, 0.9, 0.1


@dataclass(frozen=True, eq=False)
class Outline:
    """A mask cut to its bounds on a canvas that all masks share; ``score`` says which of two of
    the same object is better."""

    bounds: Bounds
    mask: Mask
    score: float

    @property
    def area(self) -> int:
        return int(np.count_nonzero(self.mask))


def without_duplicates(outlines: Sequence[Outline]) -> list[int]:
    """Indices of those to keep, the best first: of each object the mask of the highest score."""
    kept: list[int] = []
    areas = [outline.area for outline in outlines]
    for index in sorted(range(len(outlines)), key=lambda one: (-outlines[one].score, one)):
        if areas[index] and not any(
            _is_same(outlines[index], outlines[other], areas[index], areas[other]) for other in kept
        ):
            kept.append(index)
    return kept


def without_unions(outlines: Sequence[Outline]) -> list[int]:
    """Indices of those to keep, in order: not those that two or more others, which the network is
    at least as sure of, make up together (two people who stand side by side as one mask)."""
    areas = [outline.area for outline in outlines]
    return [index for index in range(len(outlines)) if not _is_union(index, outlines, areas)]


def common(first: Outline, second: Outline) -> int:
    """Pixels in both."""
    both = first.bounds.intersection(second.bounds)
    if both.is_empty:
        return 0
    one = first.mask[both.relative_to(first.bounds).slices]
    other = second.mask[both.relative_to(second.bounds).slices]
    return int(np.count_nonzero(one & other))


def _is_same(first: Outline, second: Outline, area: int, other_area: int) -> bool:
    if min(area, other_area) < DUPLICATE * max(area, other_area):
        return False
    shared = common(first, second)
    return shared >= DUPLICATE * (area + other_area - shared)


def _is_union(whole: int, outlines: Sequence[Outline], areas: Sequence[int]) -> bool:
    covered = np.zeros_like(outlines[whole].mask)
    origin = outlines[whole].bounds
    sureness, parts = 0.0, 0
    for index in sorted(range(len(outlines)), key=lambda one: (-areas[one], one)):
        is_part = areas[index] < COVERED * areas[whole] and (
            common(outlines[index], outlines[whole]) >= INSIDE * areas[index]
        )
        if index == whole or not is_part:
            continue
        within = _placed(outlines[index], origin)
        if np.count_nonzero(within & covered) > SHARED * areas[index]:
            continue
        covered |= within
        sureness += outlines[index].score * areas[index]
        parts += areas[index]
        is_whole = np.count_nonzero(covered & outlines[whole].mask) >= COVERED * areas[whole]
        if is_whole and sureness / parts >= outlines[whole].score:
            return True
    return False


def _placed(outline: Outline, origin: Bounds) -> Mask:
    """Its mask on the bounds ``origin``."""
    canvas = np.zeros(origin.extent.shape, bool)
    both = outline.bounds.intersection(origin)
    if not both.is_empty:
        source = outline.mask[both.relative_to(outline.bounds).slices]
        canvas[both.relative_to(origin).slices] = source
    return canvas
