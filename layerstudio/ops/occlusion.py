"""Which of two touching regions stands in front of the other: cues, each in [-1, 1], and a sum.

A cue above 0 says that the first one is in front. None of them is sure; what contradicts is settled
in ``order_graph``. Sources: MuLAn (Tudosiu et al. 2024, arXiv:2404.02790) orders by depth and
pairwise occlusion; T-junctions, convexity and enclosure are the monocular cues of Palou and
Salembier 2013, "Monocular depth ordering using T-junctions and convexity occlusion cues".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32
from layerstudio.geometry import Bounds, Extent
from layerstudio.ops.contacts import Contact, Labels, contacts_of, grown, labels_of, shares
from layerstudio.ops.order_graph import Edge

Mask = NDArray[np.bool_]

SEAM = 3  # pixels that segments may lie apart and still touch
# How often a cue alone is right where it speaks, on the scenes of benchmarks/photograph_scenes.py:
# depth 0.98, junctions 0.88, hull 0.84, enclosure 1.0, ground 0.74, convexity 0.61.
_WEIGHTS = {
    "depth": 1.0,
    "junctions": 1.0,
    "hull": 0.8,
    "enclosure": 0.8,
    "ground": 0.5,
    "convexity": 0.2,
    "area": 0.05,
}
_JUNCTION_GAIN = 3.0  # of how much nearer to straight: 60 degrees count in full
_CONVEX_GAIN = 4.0  # of the difference of shares in a disc: a circle of 3 radii counts in full
_DEPTH_FULL = 0.08  # of the picture's range of depth: a jump that leaves no doubt
_GROUND_FULL = 0.1  # of the picture's height
_ENCLOSED = (0.6, 0.95)  # share of a contour along the other region: nothing, and in full
_LEAST_WEIGHT = 1e-3  # an edge below is no evidence


@dataclass(frozen=True)
class Evidence:
    """What speaks for region ``first`` (an index from 0) in front of ``second``, cue by cue."""

    first: int
    second: int
    cues: dict[str, float]

    @property
    def weight(self) -> float:
        """Above 0: ``first`` is in front."""
        return sum(_WEIGHTS[name] * value for name, value in self.cues.items())

    def edge(self) -> Edge | None:
        """None where nothing speaks for either."""
        weight = self.weight
        if abs(weight) < _LEAST_WEIGHT:
            return None
        front, behind = (self.first, self.second) if weight > 0 else (self.second, self.first)
        return Edge(front, behind, abs(weight))


def evidence_of(
    masks: Sequence[Mask], extent: Extent, nearness: F32 | None = None
) -> tuple[Evidence, ...]:
    """For every touching pair of ``masks`` (h, w), which are disjoint.

    ``nearness`` (h, w), larger is nearer, on any scale.
    """
    labels = grown(labels_of(masks, extent), SEAM)
    regions = [_Region.of(labels, index + 1) for index in range(len(masks))]
    spread = _spread(nearness) if nearness is not None else 0.0
    found = []
    for contact in contacts_of(labels):
        first, second = regions[contact.first - 1], regions[contact.second - 1]
        cues = _shape_cues(labels, contact, first, second)
        if nearness is not None and spread > 0:
            cues["depth"] = _depth_cue(labels, contact, nearness, spread)
        found.append(Evidence(contact.first - 1, contact.second - 1, cues))
    return tuple(found)


def median_nearness(masks: Sequence[Mask], nearness: F32 | None) -> list[float]:
    """For each mask; where there is no depth, how low in the picture it ends, in [0, 1]."""
    if nearness is not None:
        return [float(np.median(nearness[mask])) if mask.any() else 0.0 for mask in masks]
    return [Bounds.of_mask(mask).bottom / mask.shape[0] for mask in masks]


@dataclass(frozen=True, eq=False)
class _Region:
    """``mask`` and ``hull`` (h, w) over ``bounds``; ``contour`` pixels of its outline, and
    ``cut`` if it ends at the picture's lower border."""

    bounds: Bounds
    mask: Mask
    hull: Mask
    contour: int
    cut: bool

    @classmethod
    def of(cls, labels: Labels, label: int) -> _Region:
        full = labels == label
        bounds = Bounds.of_mask(full)
        mask = full[bounds.slices]
        inner = cv2.erode(mask.view(np.uint8), np.ones((3, 3), np.uint8), borderValue=0)
        contour = int(np.count_nonzero(mask)) - int(np.count_nonzero(inner))
        return cls(bounds, mask, hull_of(mask), contour, bounds.bottom >= labels.shape[0])

    @property
    def area(self) -> int:
        return int(np.count_nonzero(self.mask))


def hull_of(mask: Mask) -> Mask:
    """(h, w): the convex hull of ``mask``."""
    hull = np.zeros(mask.shape, np.uint8)
    ys, xs = np.nonzero(mask)
    if len(ys):
        points = np.stack([xs, ys], axis=1).astype(np.int32)
        cv2.fillConvexPoly(hull, cv2.convexHull(points), 1)
    return (hull > 0) | mask


def _shape_cues(
    labels: Labels, contact: Contact, first: _Region, second: _Region
) -> dict[str, float]:
    return {
        "junctions": _junction_cue(labels, contact),
        "convexity": _convexity_cue(labels, contact),
        "hull": _hull_cue(first, second),
        "enclosure": _enclosure(labels, contact.first, contact.second, first)
        - _enclosure(labels, contact.second, contact.first, second),
        "ground": _ground_cue(first, second, labels.shape[0]),
        "area": _clipped(np.log(second.area / first.area) / 4),
    }


def _junction_cue(labels: Labels, contact: Contact) -> float:
    """Where the contour between two regions ends at a third, the one in front runs on straight:
    it takes half of a disc there, and the other two share what is left."""
    votes = []
    for point in contact.ends:
        share = shares(labels, point, contact.radius)
        first, second = share[contact.first], share[contact.second]
        third = 1.0 - first - second
        bends = [abs(part - 0.5) for part in (first, second, third)]
        if third > 0.05 and min(bends) < bends[2]:
            votes.append(_clipped(_JUNCTION_GAIN * (bends[1] - bends[0])))
    return float(np.mean(votes)) if votes else 0.0


def _convexity_cue(labels: Labels, contact: Contact) -> float:
    """A contour that bulges belongs to the region inside of the bulge."""
    votes = []
    for point in contact.points:
        share = shares(labels, point, contact.radius)
        first, second = share[contact.first], share[contact.second]
        if first + second > 0.97:
            votes.append(second - first)
    return _clipped(_CONVEX_GAIN * float(np.mean(votes))) if votes else 0.0


def _hull_cue(first: _Region, second: _Region) -> float:
    """A region that reaches into the other's convex hull hides a part of it."""
    least = min(first.area, second.area)
    return _clipped(2.0 * (_inside(second, first) - _inside(first, second)) / least)


def _inside(holder: _Region, other: _Region) -> int:
    """Pixels of ``other`` in the hull of ``holder``."""
    common = holder.bounds.intersection(other.bounds)
    if common.is_empty:
        return 0
    hull = holder.hull[common.relative_to(holder.bounds).slices]
    return int(np.count_nonzero(hull & other.mask[common.relative_to(other.bounds).slices]))


def _enclosure(labels: Labels, inner: int, outer: int, region: _Region) -> float:
    """In [0, 1]: how far ``outer`` runs around ``inner``."""
    place = region.bounds.padded(1).clamped(Extent.of(labels)).slices
    around = cv2.dilate((labels[place] == inner).view(np.uint8), np.ones((3, 3), np.uint8)) > 0
    ring = labels[place][around & (labels[place] != inner)]
    missing = max(0, region.contour - ring.size)  # outline along the picture's border
    share = float(np.count_nonzero(ring == outer)) / max(1, ring.size + missing)
    low, high = _ENCLOSED
    return float(np.clip((share - low) / (high - low), 0.0, 1.0))


def _ground_cue(first: _Region, second: _Region, height: int) -> float:
    """On common ground, what ends lower in the picture stands nearer; what the border cuts off
    ends nowhere."""
    if first.cut or second.cut:
        return 0.0
    return _clipped((first.bounds.bottom - second.bounds.bottom) / (_GROUND_FULL * height))


def _depth_cue(labels: Labels, contact: Contact, nearness: F32, spread: float) -> float:
    """The jump of depth across the contour, beside which networks smear it, and of the whole."""
    jumps = []
    for point in contact.points:
        y, x = (int(value) for value in point)
        reach = contact.radius
        window = np.s_[max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1]
        near, where = nearness[window], labels[window]
        sides = [near[where == label] for label in (contact.first, contact.second)]
        if all(side.size for side in sides):
            jumps.append(float(np.median(sides[0]) - np.median(sides[1])))
    whole = [float(np.median(nearness[labels == one])) for one in (contact.first, contact.second)]
    jump = float(np.median(jumps)) if jumps else whole[0] - whole[1]
    return _clipped((0.6 * jump + 0.4 * (whole[0] - whole[1])) / (_DEPTH_FULL * spread))


def _spread(nearness: F32) -> float:
    low, high = np.percentile(nearness, [5, 95])
    return float(high - low)


def _clipped(value: float) -> float:
    return float(np.clip(value, -1.0, 1.0))
