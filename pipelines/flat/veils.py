"""Translucent rectangles on a photograph, which have no region of their own.

Their straight edges run far, one pixel wide, through whatever the photograph shows. Across such
an edge the same picture is seen with and without the veil, which gives opacity and colour.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import cv2
import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32, U8, channel_max
from layerstudio.document import Role
from layerstudio.geometry import Bounds
from layerstudio.ops.unblend import unknown_veil
from layerstudio.pipelines.flat.analysis import Analysis, local_step
from layerstudio.pipelines.flat.element import Element
from layerstudio.pipelines.flat.outline import rounded_rectangle

_MIN_STEP = 4  # levels across an edge
_MIN_LENGTH = 0.08  # of the canvas side along an edge
_MIN_COVER = 0.45  # of an edge's length on which its step shows
_MAX_LINES = 14  # edges of one direction that are combined
_SNAP = 3  # pixels within which edges meet at a corner
_STRONG_STEP = 24  # levels: steps above count alike
_BLEEDING = 3  # pixels that compression spreads colour across an edge
_AVERAGED = 9  # pairs along an edge
_REACH = 3  # pixels between the samples on both sides of an edge
_MIN_STRAIGHT = 0.25  # of a side that is not a rounded corner
_MIN_OPACITY, _MAX_OPACITY = 0.2, 0.96
_BEYOND = 8  # levels out of the range that a photograph under a veil has
_MAX_FOUND = 0.6  # of the veil
_MAX_MISFIT = 0.5  # of the step across the edge that the veil leaves unexplained


@dataclass(frozen=True)
class _Run:
    """A straight edge at ``at`` (between ``at - 1`` and ``at``), from ``start`` to ``stop``."""

    at: int
    start: int
    stop: int

    @property
    def length(self) -> int:
        return self.stop - self.start


def find_veils(analysis: Analysis, drawn: NDArray[np.bool_]) -> list[Element]:
    """Veils as elements, largest first; ``drawn`` (h, w) marks what is not photograph."""
    rgb = analysis.rgb
    upright = _runs(rgb, drawn)
    level = _runs(np.ascontiguousarray(rgb.transpose(1, 0, 2)), drawn.T)
    found: list[Element] = []
    for left, right in combinations(sorted(upright, key=lambda run: run.at), 2):
        for top, bottom in combinations(sorted(level, key=lambda run: run.at), 2):
            box = _box(left, right, top, bottom, analysis)
            if box is None or any(_same(box, element.bounds) for element in found):
                continue
            radius = _radius(box, left, right, top, bottom)
            if _veil(analysis, drawn, box, radius) is None:
                continue
            element = _veil(analysis, drawn, box, _radius_along(rgb, drawn, box, radius))
            if element is not None:
                found.append(element)
    return _apart(sorted(found, key=lambda element: -element.bounds.area))


def _runs(rgb: U8, drawn: NDArray[np.bool_]) -> list[_Run]:
    """Long upright edges, strongest first."""
    height, width = drawn.shape
    if width < 8:
        return []
    step = channel_max(cv2.absdiff(rgb[:, 1:], rgb[:, :-1])).astype(np.int16)
    around = np.zeros_like(step)
    around[:, 2:] = step[:, :-2]
    np.maximum(around[:, :-2], step[:, 2:], out=around[:, :-2])
    # An edge of the photograph is several pixels wide; the veil's is not.
    lone = (step >= _MIN_STEP) & (step > 2 * around) & ~drawn[:, 1:]
    smooth = cv2.blur(lone.astype(np.float32), (1, 31))
    runs = []
    least = max(16, int(_MIN_LENGTH * height))
    for column in np.argsort(-lone.sum(axis=0))[: 6 * _MAX_LINES]:
        runs += _runs_of(int(column) + 1, smooth[:, column] > _MIN_COVER, least)
    runs.sort(key=lambda run: -run.length)
    return _thinned(runs)


def _runs_of(at: int, hit: NDArray[np.bool_], least: int) -> list[_Run]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], hit.astype(np.int8), [0]])))
    pairs = edges.reshape(-1, 2)
    merged: list[list[int]] = []
    for start, stop in pairs:
        # What lies on the veil interrupts its edge for a while.
        if merged and start - merged[-1][1] < least:
            merged[-1][1] = int(stop)
        else:
            merged.append([int(start), int(stop)])
    return [_Run(at, start, stop) for start, stop in merged if stop - start >= least]


def _thinned(runs: list[_Run]) -> list[_Run]:
    kept: list[_Run] = []
    for run in runs:
        if all(abs(run.at - other.at) > _SNAP for other in kept):
            kept.append(run)
    return kept[:_MAX_LINES]


def _box(left: _Run, right: _Run, top: _Run, bottom: _Run, analysis: Analysis) -> Bounds | None:
    """The rectangle of four edges that fit together."""
    box = Bounds.from_edges(left.at, top.at, right.at, bottom.at)
    if box.width < 24 or box.height < 24:
        return None
    if box.area < 0.01 * analysis.extent.pixel_count:
        return None
    slack = 18
    for run, low, high in (
        (left, box.y, box.bottom),
        (right, box.y, box.bottom),
        (top, box.x, box.right),
        (bottom, box.x, box.right),
    ):
        inside = min(run.stop, high) - max(run.start, low)
        outside = max(0, low - run.start - slack) + max(0, run.stop - high - slack)
        if inside < _MIN_STRAIGHT * (high - low) or outside > 0:
            return None
    return box


def _radius(box: Bounds, left: _Run, right: _Run, top: _Run, bottom: _Run) -> float:
    """A first corner radius from where the edges stop."""
    gaps = [
        left.start - box.y,
        right.start - box.y,
        box.bottom - left.stop,
        box.bottom - right.stop,
        top.start - box.x,
        bottom.start - box.x,
        box.right - top.stop,
        box.right - bottom.stop,
    ]
    gap = float(np.median(gaps))
    return min(gap, min(box.width, box.height) / 2) if gap > 4 else 0.0


def _radius_along(rgb: U8, drawn: NDArray[np.bool_], box: Bounds, first: float) -> float:
    """The radius whose corners run along the strongest steps; ``first`` is a guess."""
    largest = int(min(1.6 * first + 10, min(box.width, box.height) / 2))
    step = np.minimum(local_step(rgb)[box.slices], _STRONG_STEP)
    step = cv2.dilate(step, np.ones((2, 2), np.uint8), anchor=(0, 0)).astype(np.float32)
    clear = ~drawn[box.slices]
    clear[largest : box.height - largest] = False
    clear[:, largest : box.width - largest] = False
    scores = []
    for radius in range(largest + 1):
        distance = rounded_rectangle(box.extent.shape, Bounds.full(box.extent), radius)
        along = clear & (np.abs(distance + 0.5) < 1)
        scores.append(float(step[along].mean()) if np.count_nonzero(along) > 8 else 0.0)
    best = int(np.argmax(scores)) if scores else 0
    return float(best) if best > 2 else 0.0


def _veil(
    analysis: Analysis, drawn: NDArray[np.bool_], box: Bounds, radius: float
) -> Element | None:
    """The veil over ``box``, if one opacity and one colour explain all four edges."""
    away = 0 if analysis.noise < 0.5 else _BLEEDING
    inside, outside = _across(analysis.rgb, drawn, box, radius, away)
    if len(inside) < 40:
        return None
    fit = robust_veil(inside, outside)
    if fit is None:
        return None
    opacity, tint = fit
    distance = rounded_rectangle(box.extent.shape, Bounds.full(box.extent), radius)
    alpha = (np.clip(0.5 - distance, 0, 1) * opacity).astype(np.float32)
    colour = np.broadcast_to(tint, (*alpha.shape, 3)).astype(np.float32)
    shape = "rounded rectangle" if radius > 0 else "rectangle"
    return Element(Role.SHAPE, box, alpha, colour, shape)


def _across(
    rgb: U8, drawn: NDArray[np.bool_], box: Bounds, radius: float, away: int
) -> tuple[NDArray, NDArray]:
    """Colours (n, 3) inside and outside the straight parts of a box's edges, ``away`` pixels
    from where both are pure."""
    height, width = drawn.shape
    margin = int(radius) + _REACH
    ys = np.arange(box.y + margin, box.bottom - margin)
    xs = np.arange(box.x + margin, box.right - margin)
    pairs = []
    for edge, inward in ((box.x, 1), (box.right - 1, -1)):
        near, far = edge + (1 + away) * inward, edge - (_REACH - 1 + away) * inward
        if 0 <= far < width and len(ys):
            pairs.append((ys, np.full_like(ys, near), ys, np.full_like(ys, far)))
    for edge, inward in ((box.y, 1), (box.bottom - 1, -1)):
        near, far = edge + (1 + away) * inward, edge - (_REACH - 1 + away) * inward
        if 0 <= far < height and len(xs):
            pairs.append((np.full_like(xs, near), xs, np.full_like(xs, far), xs))
    if not pairs:
        return np.empty((0, 3)), np.empty((0, 3))
    y0, x0, y1, x1 = (np.concatenate(part) for part in zip(*pairs, strict=True))
    clear = ~drawn[y0, x0] & ~drawn[y1, x1]
    return _averaged(rgb[y0, x0][clear]), _averaged(rgb[y1, x1][clear])


def _averaged(colours: NDArray) -> NDArray[np.float64]:
    """Means (n, 3) of successive colours. A veil acts on means as on colours, and with less noise
    in what is seen without it, its opacity is estimated with less bias."""
    if len(colours) < _AVERAGED:
        return colours.astype(np.float64)
    return np.asarray(cv2.blur(colours.astype(np.float64), (1, _AVERAGED)), np.float64)


def robust_veil(inside: NDArray, outside: NDArray) -> tuple[float, F32] | None:
    """Opacity and colour by least squares, three times without the worst misfits."""
    keep = np.ones(len(inside), bool)
    opacity, tint = 0.0, np.zeros(3)
    for _ in range(4):
        if np.count_nonzero(keep) < 30:
            return None
        fit = unknown_veil(inside[keep], outside[keep])
        if fit is None:
            return None
        opacity, tint = fit
        off = np.abs(opacity * tint + (1 - opacity) * outside - inside).max(axis=1)
        keep = off <= max(3.0, 2.0 * float(np.median(off)))
    if not _MIN_OPACITY <= opacity <= _MAX_OPACITY or keep.mean() < 0.5:
        return None
    step = np.abs(inside - outside).max(axis=1)
    explained = np.abs(opacity * tint + (1 - opacity) * outside - inside).max(axis=1)
    if np.median(explained) > _MAX_MISFIT * np.median(step):
        return None
    return float(opacity), tint.astype(np.float32)


def _same(one: Bounds, other: Bounds) -> bool:
    common = one.intersection(other).area
    return common > 0.8 * max(one.area, other.area)


def _apart(elements: list[Element]) -> list[Element]:
    """Only veils that do not cross: of two that overlap, the larger."""
    kept: list[Element] = []
    for element in elements:
        if not any(element.bounds.overlaps(other.bounds) for other in kept):
            kept.append(element)
    return kept


def stands_out(rgb: U8, veil: Element, tolerance: float) -> NDArray[np.bool_]:
    """Pixels (h, w) over the veil's bounds that are something on it."""
    found = cannot_be_under(rgb, veil, tolerance)
    return found if found.mean() < _MAX_FOUND else np.zeros_like(found)


def cannot_be_under(rgb: U8, veil: Element, tolerance: float) -> NDArray[np.bool_]:
    """Pixels (h, w) over the veil's bounds that no photograph under it can show.

    Through a veil of opacity a and colour F channels lie from ``a F`` to ``a F + (1 - a) 255``.
    """
    alpha = veil.alpha[..., None]
    least = alpha * veil.colour
    most = least + (1 - alpha) * 255
    view = rgb[veil.bounds.slices].astype(np.float32)
    beyond = channel_max(np.maximum(least - view, view - most))
    return (beyond > _BEYOND + tolerance) & (veil.alpha > 0.9 * veil.alpha.max())


def unveiled(image: F32, veil: Element) -> None:
    """Take a veil off ``image`` (h, w, 3), the whole canvas, in place."""
    view = image[veil.bounds.slices]
    alpha = veil.alpha[..., None]
    np.clip((view - alpha * veil.colour) / np.maximum(1 - alpha, 0.02), 0, 255, out=view)
