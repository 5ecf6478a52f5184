"""Grounds: the large areas of a flat illustration that the canvas cuts off, as hills and sea.

They are no panels, because their outlines are free and partly hidden, yet other things stand on
them. Each is a plain or graded region at the canvas's border, with its other pieces of the same
fill. From far to near they are laid on the backdrop, carried on beneath what stands on them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32, channel_max
from layerstudio.document import Role
from layerstudio.geometry import Bounds, Extent
from layerstudio.ops.gradient import best_shade
from layerstudio.ops.shade import Shade
from layerstudio.ops.unblend import project_alpha
from layerstudio.pipelines.flat.analysis import Analysis, dilate, find_regions, residual
from layerstudio.pipelines.flat.element import Element, lay_over

_MIN_SHARE = 0.03  # of the canvas, for a ground
_MIN_CONTACT = 0.025  # of the canvas's border, for a ground
_MIN_NEXT_SHARE = 0.006  # of the canvas, for one more beside a ground
_MIN_NEXT_CONTACT = 0.015  # of the canvas's border, for one more beside a ground
_MAX_FITS = 10  # regions looked at, for time
_FIT_SHARE = 0.92
_FIT_SAMPLES = 5000  # pixels of a region, for time
_UNEXPLAINED = 0.8  # of a ground's pixels
_PIECE_SHARE = 0.0005  # of the canvas, for another piece of a ground
_LARGE_PIECE = 0.005  # of the canvas: with so much, a piece may lie higher or lower than others
_PIECE_SLACK = 0.02  # of the longest side: so much higher or lower
_ISLAND_SHARE = 0.0002  # of the canvas: less of the backdrop's colour is part of a drawing
_EDGE = 2  # pixels: an antialiased edge
_OVERLAP_SHARE = 0.01  # of the longest side: how far a ground goes on beneath nearer ones
_JUNCTION_SHARE = 0.02  # of the longest side: radius within which meeting outlines are compared
_MEETING_SHARE = 0.005  # of the longest side: tips of areas end so far from where they meet
_STRAIGHT = 45.0  # degrees from 180 that the nearest ground may have where three areas meet
_TIE = 25.0  # degrees within which two are as straight
_BENT = 60.0  # degrees from 180 that those behind it have
_CLEAR = 0.8  # of the disc in which they are measured that shows them
_COARSE = 300  # pixels of the longest side on which hidden parts are continued

_UNKNOWN = -1
_BACKDROP = 0


@dataclass(eq=False)
class Ground:
    """``visible`` (h, w) marks where the picture shows it, over the whole canvas."""

    shade: Shade
    visible: NDArray[np.bool_]

    @property
    def top(self) -> int:
        return int(np.argmax(self.visible.any(axis=1)))


def find_grounds(analysis: Analysis, backdrop: F32) -> tuple[list[Element], NDArray[np.bool_]]:
    """Grounds from far to near, and where their edges run, (h, w) bool.

    ``backdrop`` (h, w, 3) gets them laid on it, in place.
    """
    edges = np.zeros(analysis.extent.shape, bool)
    seen = _seen(analysis, backdrop)
    grounds = _visible_grounds(analysis, seen)
    if not grounds:
        return [], edges
    labels = np.where(seen, _BACKDROP, _UNKNOWN).astype(np.int16)
    for index, ground in enumerate(grounds, 1):
        labels[ground.visible & (labels == _UNKNOWN)] = index
    order = _far_to_near(grounds, labels)
    grounds = [grounds[index] for index in order]
    ranks = np.array([_BACKDROP, *(1 + np.argsort(order)), _UNKNOWN], np.int16)
    labels = ranks[labels]
    carried = _carried_on(labels)
    elements = []
    for rank, ground in enumerate(grounds, 1):
        element, edge = _painted(analysis, backdrop, labels, carried == rank, rank, ground)
        lay_over(backdrop, element)
        elements.append(element)
        edges |= edge
    return elements, edges


def _seen(analysis: Analysis, backdrop: F32) -> NDArray[np.bool_]:
    """Pixels (h, w) that show the backdrop, without islands of its colour inside drawings."""
    seen = residual(analysis.rgb, backdrop) <= analysis.tolerance
    pieces = find_regions(seen)
    kept = pieces.areas >= _ISLAND_SHARE * analysis.extent.pixel_count
    kept[0] = False
    return kept[pieces.labels]


def _visible_grounds(analysis: Analysis, seen: NDArray[np.bool_]) -> list[Ground]:
    """Large grounds first, then smaller ones that touch them."""
    total = analysis.extent.pixel_count
    free = ~seen
    reach = find_regions(free, connectivity=8).labels
    found: list[Ground] = []
    beside: list[Ground] = []
    for label in _regions_at_border(analysis, free):
        bounds = analysis.regions.bounds(label)
        region = analysis.regions.mask(label, bounds)
        if np.count_nonzero(region & free[bounds.slices]) < _UNEXPLAINED * np.count_nonzero(region):
            continue
        ground = _ground_of(analysis, label, free, reach)
        if ground is None:
            continue
        area = np.count_nonzero(ground.visible)
        contact = _contact(ground.visible)
        if area >= _MIN_SHARE * total and contact >= _MIN_CONTACT:
            found.append(ground)
            free &= ~ground.visible
        elif area >= _MIN_NEXT_SHARE * total and contact >= _MIN_NEXT_CONTACT:
            beside.append(ground)
    return found + [
        ground
        for ground in beside
        if any((dilate(ground.visible, 3) & other.visible).any() for other in found)
    ]


def _regions_at_border(analysis: Analysis, free: NDArray[np.bool_]) -> list[int]:
    """Labels of regions with enough of the border that the backdrop leaves ``free`` (h, w)."""
    labels = np.where(free, analysis.regions.labels, 0)
    areas = analysis.regions.areas
    # Steps are measured to the right and downwards: the last row and column lie in no region.
    edge = np.concatenate([labels[0], labels[-2:][0], labels[:, 0], labels[:, -2:][:, 0]])
    counts = np.bincount(edge, minlength=len(areas))
    counts[0] = 0
    enough = (counts >= _MIN_NEXT_CONTACT * edge.size) & (
        areas >= _MIN_NEXT_SHARE * analysis.extent.pixel_count
    )
    found = np.flatnonzero(enough)
    return [int(label) for label in found[np.argsort(-areas[found])][:_MAX_FITS]]


def _ground_of(
    analysis: Analysis, label: int, free: NDArray[np.bool_], reach: NDArray[np.int32]
) -> Ground | None:
    """The ground to which a region belongs, if its fill is plain or graded.

    ``free`` (h, w) is what no other explains, ``reach`` labels what is in one piece beside the
    backdrop.
    """
    bounds = analysis.regions.bounds(label)
    sparse = max(1, round(float(analysis.regions.areas[label] / _FIT_SAMPLES) ** 0.5))
    sample = np.zeros(bounds.extent.shape, bool)
    sample[::sparse, ::sparse] = analysis.regions.mask(label, bounds)[::sparse, ::sparse]
    tolerance = max(2.0, 0.8 * analysis.tolerance)
    shade = best_shade(analysis.rgb[bounds.slices], sample, tolerance, _FIT_SHARE)
    if shade is None:
        return None
    shade = shade.moved(bounds.x, bounds.y)
    fill = shade.render(Bounds.full(analysis.extent))
    alike = (residual(analysis.rgb, fill) <= analysis.tolerance) & free
    return Ground(shade, _pieces(alike, reach, bounds, analysis.extent))


def _pieces(
    alike: NDArray[np.bool_], reach: NDArray[np.int32], bounds: Bounds, extent: Extent
) -> NDArray[np.bool_]:
    """Pieces (h, w) of ``alike`` that belong to one ground, of which the largest in ``bounds`` is
    one: nothing but other things between them, and large or no higher and no lower than these."""
    found = find_regions(alike)
    labels, areas = found.labels, found.areas
    areas[0] = 0
    within = np.bincount(labels[bounds.slices].ravel(), minlength=len(areas))
    main = int(np.argmax(np.where(areas > 0, within, 0)))
    firsts = np.zeros(len(areas), np.int32)
    firsts[labels] = reach  # any pixel of a piece will do: a piece lies in one reach
    linked = (areas > 0) & (firsts == firsts[main])
    large = linked & (areas >= _LARGE_PIECE * extent.pixel_count)
    large[main] = True
    tops, heights = found.boxes[:, 1], found.boxes[:, 3]
    slack = round(_PIECE_SLACK * extent.longest_side)
    small = linked & (areas >= _PIECE_SHARE * extent.pixel_count)
    small &= tops >= tops[large].min() - slack
    small &= tops + heights <= (tops + heights)[large].max() + slack
    return (large | small)[labels]


def _contact(mask: NDArray[np.bool_]) -> float:
    """Share of the canvas's border that a mask (h, w) holds."""
    edge = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
    return float(edge.mean())


def _far_to_near(grounds: list[Ground], labels: NDArray[np.int16]) -> list[int]:
    """Indices of the grounds, farthest first.

    What begins higher lies farther back, unless a place where three areas meet tells otherwise.
    """
    nearer = _junctions(labels, [ground.top for ground in grounds])
    placed: list[int] = []
    for index in sorted(range(len(grounds)), key=lambda index: grounds[index].top):
        at = len(placed)
        for place, other in enumerate(placed):
            if nearer[other, index] > nearer[index, other]:
                at = min(at, place)
        placed.insert(at, index)
    return placed


def _junctions(labels: NDArray[np.int16], tops: list[int]) -> NDArray[np.int64]:
    """How often (n, n) the first of two grounds was found to lie before the second.

    Where three areas meet, the outline of the nearest goes straight on and those of the others end
    at it (Guzman 1968, "T" joints): its share of a small disc there is one half. Of two that are
    as straight, the one that begins lower is taken for the nearest.
    """
    count = len(tops)
    nearer = np.zeros((count, count), np.int64)
    radius = max(6, round(_JUNCTION_SHARE * max(labels.shape)))
    for x, y, three in _meeting_points(labels, count):
        off = _off_straight(labels, x, y, radius, three)
        if off is None:
            continue
        straight = [
            label
            for label, angle in zip(three, off, strict=True)
            if label != _BACKDROP and angle <= min(_STRAIGHT, off.min() + _TIE)
        ]
        if straight:
            nearest = max(straight, key=lambda label: tops[label - 1])
            for label, angle in zip(three, off, strict=True):
                if label not in (_BACKDROP, nearest) and angle >= _BENT:
                    nearer[nearest - 1, label - 1] += 1
    return nearer


def _off_straight(
    labels: NDArray[np.int16], x: int, y: int, radius: int, three: tuple[int, ...]
) -> NDArray[np.float64] | None:
    """Degrees (3,) from 180 of the angles of three areas at a pixel; None where they are hidden."""
    if min(x, y, labels.shape[1] - 1 - x, labels.shape[0] - 1 - y) < radius:
        return None
    disc = labels[y - radius : y + radius + 1, x - radius : x + radius + 1]
    ys, xs = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    disc = disc[xs * xs + ys * ys <= radius * radius]
    counts = np.array([np.count_nonzero(disc == label) for label in three], np.float64)
    if counts.sum() < _CLEAR * disc.size:
        return None
    return np.abs(360.0 * counts / counts.sum() - 180.0)


def _meeting_points(
    labels: NDArray[np.int16], count: int
) -> Iterator[tuple[int, int, tuple[int, ...]]]:
    """Pixels (x, y) at which three areas meet, and their labels; one for each meeting."""
    reach = max(4, round(_MEETING_SHARE * max(labels.shape)))
    near = [dilate(labels == label, reach) for label in range(count + 1)]
    crowd = np.asarray(np.sum(near, axis=0) >= 3, np.uint8)
    _, _, stats, centres = cv2.connectedComponentsWithStats(crowd)
    for index in range(1, len(stats)):
        x, y = (int(v) for v in centres[index])
        three = tuple(label for label in range(count + 1) if near[label][y, x])
        if len(three) == 3:
            yield x, y, three


def _carried_on(labels: NDArray[np.int16]) -> NDArray[np.int16]:
    """``labels`` (h, w) with unknown pixels given the area that lies on both sides of them.

    Of eight directions the one with the shortest way counts. Along rows and columns the canvas's
    border has whatever lies on the other side. What lies between different areas stays unknown.
    """
    step = min(max(1, round(max(labels.shape) / _COARSE)), *labels.shape)
    coarse = labels[step // 2 :: step, step // 2 :: step]
    best = np.full(coarse.shape, np.inf, np.float32)
    found = coarse.copy()
    for slope in (0.0, 0.5, 1.0, -0.5, -1.0):
        _continue_along(coarse, slope, found, best)
        if abs(slope) < 1.0:
            _continue_along(coarse.T, slope, found.T, best.T)
    rows = np.minimum(np.arange(labels.shape[0]) // step, coarse.shape[0] - 1)
    columns = np.minimum(np.arange(labels.shape[1]) // step, coarse.shape[1] - 1)
    return np.where(labels == _UNKNOWN, found[rows[:, None], columns], labels)


def _continue_along(
    labels: NDArray[np.int16], slope: float, found: NDArray[np.int16], best: F32
) -> None:
    """One direction: lines that fall by ``slope`` per column; ``found``, ``best`` in place."""
    height, width = labels.shape
    x = np.arange(width)
    fall = np.rint(slope * x).astype(np.int64)
    lines = np.arange(-int(fall.max()), height - int(fall.min()))
    y = lines[:, None] + fall
    on = (y >= 0) & (y < height)
    y = np.clip(y, 0, height - 1)
    along = np.where(on, labels[y, x], _UNKNOWN)
    known = along != _UNKNOWN
    left = np.maximum.accumulate(np.where(known, x, -1), axis=1)
    right = np.minimum.accumulate(np.where(known, x, width)[:, ::-1], axis=1)[:, ::-1]
    rows = np.arange(len(lines))[:, None]
    before = np.where(left >= 0, along[rows, np.maximum(left, 0)], _UNKNOWN)
    after = np.where(right < width, along[rows, np.minimum(right, width - 1)], _UNKNOWN)
    one_sided = (before == _UNKNOWN) != (after == _UNKNOWN)
    same = (before == after) & (before != _UNKNOWN)
    either = np.where(before == _UNKNOWN, after, before)
    # To the border the way counts twice: there is no second witness.
    length = (right - left) * np.where(one_sided, 2.0, np.hypot(1.0, slope)).astype(np.float32)
    allowed = same | one_sided if slope == 0 else same
    better = on & ~known & allowed & (length < best[y, x])
    line, column = np.nonzero(better)
    found[y[line, column], column] = either[line, column]
    best[y[line, column], column] = length[line, column]


def _painted(
    analysis: Analysis,
    under: F32,
    labels: NDArray[np.int16],
    carried: NDArray[np.bool_],
    rank: int,
    ground: Ground,
) -> tuple[Element, NDArray[np.bool_]]:
    """The ground over what lies ``under`` (h, w, 3) it, and where its edge shows, (h, w).

    Against what lies farther its coverage is measured; beneath what lies nearer it goes on.
    """
    overlap = max(4, round(_OVERLAP_SHARE * analysis.extent.longest_side))
    box = Bounds.of_mask((labels == rank) | carried).padded(overlap).clamped(analysis.extent)
    labels, carried, under = labels[box.slices], carried[box.slices], under[box.slices]
    fill = ground.shade.render(box)
    own = labels == rank
    behind = (labels >= _BACKDROP) & (labels < rank)
    beneath = dilate(own, overlap) & dilate(labels > rank, _EDGE)
    beside = dilate(own, _EDGE)
    alpha = ((own | carried | beneath | beside) & ~behind).astype(np.float32)
    edge = ~own & ~behind & beside & dilate(behind, _EDGE)
    image = analysis.rgb[box.slices][edge].astype(np.float32)
    share = project_alpha(image, fill[edge], under[edge])
    off = channel_max(np.abs(under[edge] + share[:, None] * (fill[edge] - under[edge]) - image))
    mixed = off <= analysis.tolerance + 3.0
    alpha[edge] = np.where(mixed, share, 1.0)
    element = Element(Role.SHAPE, box, alpha, fill, "area").cropped()
    whole = np.zeros(analysis.extent.shape, bool)
    whole[box.slices] = dilate(edge, 1)
    return element, whole
