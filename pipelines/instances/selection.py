"""Which segments become layers: rules on masks alone, in the order in which they apply.

1. Islands below a twentieth of a segment's largest part, and pinholes, are none of it.
2. What is smaller than a thousandth of the picture, and slivers along its border, are no objects.
3. Background: what covers over six tenths of the picture, or three tenths of its border.
4. Two segments that share over eight tenths of their union are one: the surer, or asked for.
5. A segment that lies to 85 % in another one is its part; wholes stay, with ``parts`` both do.
6. The most important stay where there are too many: large, sure and central ones.
7. Where two still overlap, the smaller one keeps the pixels: things lie on what is larger.

Rules 2, 3, 5 and 6 spare what a person asked for by a box or a point; 3 also what was named.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import hypot

import cv2
import numpy as np

from layerstudio.geometry import Bounds, Extent
from layerstudio.ops.contacts import seams_closed
from layerstudio.ops.occlusion import SEAM
from layerstudio.pipelines.stages.contracts import Mask, Segment

MOST_OBJECTS = 24  # chosen by itself; a photograph with more is a crowd or a pattern
_ISLAND = 0.05  # of the largest part
_PINHOLE = 0.002  # of the area
_LEAST_SHARE, _LEAST_AREA = 0.001, 36  # of the picture; pixels
_SLIVER = 0.01  # of the picture's shorter side
_COVERS, _BORDERS = 0.6, 0.3  # of the picture; of its border
_SAME = 0.8  # intersection over union
_PART = 0.85  # of the smaller one's area


@dataclass(frozen=True, eq=False)
class Candidate:
    """``asked``: by a box or a point; ``named``: found by a prompt."""

    segment: Segment
    asked: bool = False
    named: bool = False


def select(
    candidates: Sequence[Candidate], extent: Extent, *, parts: bool, most: int
) -> tuple[Candidate, ...]:
    """Disjoint segments of a picture of ``extent``, at most ``most``, the most important first."""
    found = [replace(one, segment=cleaned(one.segment)) for one in candidates]
    found = [one for one in found if _is_object(one, extent)]
    found = _without_duplicates(found)
    if not parts:
        found = _without_parts(found)
    found.sort(key=lambda one: _rank(one, extent))
    return _disjoint(found[:most], extent)


def cleaned(segment: Segment) -> Segment:
    """Rule 1."""
    if segment.is_empty:
        return segment
    mask = _without_islands(_without_pinholes(segment.mask))
    tight = Bounds.of_mask(mask)
    bounds = tight.moved(segment.bounds.x, segment.bounds.y)
    return replace(segment, bounds=bounds, mask=mask[tight.slices])


def overlap(one: Segment, other: Segment) -> int:
    """Pixels that both have."""
    common = one.bounds.intersection(other.bounds)
    if common.is_empty:
        return 0
    mask = one.mask[common.relative_to(one.bounds).slices]
    return int(np.count_nonzero(mask & other.mask[common.relative_to(other.bounds).slices]))


def _without_islands(mask: Mask) -> Mask:
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)
    if count <= 2:
        return mask
    areas = np.asarray(stats[:, cv2.CC_STAT_AREA], np.int64)
    areas[0] = 0
    return (areas >= _ISLAND * areas.max())[labels] & mask


def _without_pinholes(mask: Mask) -> Mask:
    """Holes that are open to the outside of the box are no holes."""
    outside = cv2.copyMakeBorder((~mask).view(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=1)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(outside, connectivity=4)
    areas = np.asarray(stats[:, cv2.CC_STAT_AREA], np.int64)
    small = areas <= max(4, _PINHOLE * np.count_nonzero(mask))
    small[labels[0, 0]] = small[0] = False
    return mask | small[np.asarray(labels, np.int32)[1:-1, 1:-1]]


def _is_object(one: Candidate, extent: Extent) -> bool:
    """Rules 2 and 3."""
    segment = one.segment
    if segment.is_empty or one.asked:
        return not segment.is_empty
    if segment.area < max(_LEAST_AREA, _LEAST_SHARE * extent.pixel_count):
        return False
    if _is_sliver(segment, extent):
        return False
    return one.named or not _is_background(segment, extent)


def _is_sliver(segment: Segment, extent: Extent) -> bool:
    box = segment.bounds
    inside = Bounds.full(extent).padded(-1).contains(box)
    if inside:
        return False
    mask = cv2.copyMakeBorder(segment.mask.view(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    widest = 2 * float(cv2.distanceTransform(mask, cv2.DIST_L2, 5).max())
    return widest < max(3.0, _SLIVER * min(extent))


def _is_background(segment: Segment, extent: Extent) -> bool:
    if segment.area > _COVERS * extent.pixel_count:
        return True
    mask, box = segment.mask, segment.bounds
    touched = 0
    for is_there, line in (
        (box.y == 0, mask[0]),
        (box.bottom == extent.height, mask[-1]),
        (box.x == 0, mask[:, 0]),
        (box.right == extent.width, mask[:, -1]),
    ):
        touched += int(np.count_nonzero(line)) if is_there else 0
    return touched > _BORDERS * 2 * (extent.width + extent.height)


def _without_duplicates(found: Sequence[Candidate]) -> list[Candidate]:
    """Rule 4; what is dropped leaves its label to what stays, if that has none."""
    kept: list[Candidate] = []
    for one in sorted(found, key=lambda one: (not one.asked, not one.named, -one.segment.score)):
        for index, other in enumerate(kept):
            common = overlap(one.segment, other.segment)
            union = one.segment.area + other.segment.area - common
            if common > _SAME * union:
                label = other.segment.label or one.segment.label
                kept[index] = replace(other, segment=replace(other.segment, label=label))
                break
        else:
            kept.append(one)
    return kept


def _without_parts(found: Sequence[Candidate]) -> list[Candidate]:
    """Rule 5."""
    kept: list[Candidate] = []
    for one in sorted(found, key=lambda one: -one.segment.area):
        inside = any(
            overlap(one.segment, other.segment) > _PART * one.segment.area for other in kept
        )
        if one.asked or not inside:
            kept.append(one)
    return kept


def _rank(one: Candidate, extent: Extent) -> tuple[bool, float, Bounds]:
    """The most important first; places make it the same each time."""
    box = one.segment.bounds
    off = hypot(
        (box.x + box.width / 2) / extent.width - 0.5, (box.y + box.height / 2) / extent.height - 0.5
    )
    share = one.segment.area / extent.pixel_count
    importance = share**0.5 * one.segment.score * (1.0 - 0.5 * off)
    return not one.asked, -importance, box


def _disjoint(found: Sequence[Candidate], extent: Extent) -> tuple[Candidate, ...]:
    """Rule 7, and seams between two go to the nearer; what nothing is left of goes."""
    labels = np.zeros(extent.shape, np.int32)
    for index in sorted(range(len(found)), key=lambda index: -found[index].segment.area):
        segment = found[index].segment
        labels[segment.bounds.slices][segment.mask] = index + 1
    labels = seams_closed(labels, SEAM)
    kept = []
    for index, one in enumerate(found):
        mask = labels == index + 1
        left = cleaned(Segment.of_mask(mask, one.segment.label, one.segment.score))
        own = left.on_canvas(extent) & (mask | (labels == 0))  # a pinhole may be another's
        labels[own] = index + 1
        left = replace(left, bounds=Bounds.of_mask(own), mask=own[Bounds.of_mask(own).slices])
        if not left.is_empty:
            kept.append(replace(one, segment=left))
    return tuple(kept)
