"""Panels: filled simple outlines that lie on the backdrop and carry other things.

Found bottom-up: a round finds every panel whose edge touches the present backdrop, lays them on
it, and the next round sees those that lie on these. What hides part of a panel does not matter,
since the outline and the fill are known as formulas: the hidden part is completed exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32
from layerstudio.document import Role
from layerstudio.geometry import Bounds
from layerstudio.ops.gradient import best_shade
from layerstudio.ops.unblend import project_alpha, unknown_veil
from layerstudio.pipelines.flat.analysis import Analysis, dilate, erode, residual
from layerstudio.pipelines.flat.element import Element, lay_over
from layerstudio.pipelines.flat.outline import Outline, candidates
from layerstudio.pipelines.flat.shadows import shadow_of, soft_darkness

_MAX_ROUNDS = 5
_PAD = 4
_MIN_SIDE = 12
_MIN_SHARE = 0.004  # of the canvas, for a panel that carries something
_MIN_BARE_SHARE = 0.03  # of the canvas, for one that carries nothing
_MAX_ERROR = 0.015  # of the outline's area: region outside it, or backdrop seen inside it
_MIN_SUPPORT = 0.45  # of the outline's length: region inside, backdrop outside
_MIN_FILL = 0.2  # of the outline's area that shows the fill
_EDGE_BAND = 3.0  # pixels around an outline where what is left over is the edge's own
_BAND = 2.0  # pixels around an outline where alpha is measured instead of computed


@dataclass(eq=False)
class _Found:
    label: int
    outline: Outline
    region: NDArray[np.bool_]
    support: float


def find_panels(analysis: Analysis, backdrop: F32) -> tuple[list[Element], NDArray[np.bool_]]:
    """Panels and their shadows bottom to top, and where their edges run, (h, w) bool.

    ``backdrop`` (h, w, 3) gets them laid on it, in place.
    """
    elements: list[Element] = []
    edges = np.zeros(analysis.extent.shape, bool)
    used: set[int] = set()
    for _ in range(_MAX_ROUNDS):
        soft = soft_darkness(analysis, backdrop)
        found = _round(analysis, backdrop, soft, used)
        if not found:
            break
        for item in _bottom_up(found):
            for element in _with_shadow(analysis, backdrop, soft, item):
                lay_over(backdrop, element)
                elements.append(element)
            edges[item.outline.bounds.slices] |= np.abs(item.outline.distance) <= _EDGE_BAND
    return elements, edges


def _with_shadow(
    analysis: Analysis, backdrop: F32, soft: NDArray[np.bool_], item: _Found
) -> list[Element]:
    """The panel, and before it its shadow, on which its own edge is then measured."""
    panel = _to_element(analysis, backdrop, item)
    if panel is None:
        return []
    hidden = residual(analysis.rgb, backdrop) > analysis.tolerance
    shadow = shadow_of(analysis, backdrop, soft, panel, hidden)
    if shadow is None:
        return [panel]
    shaded = backdrop.copy()
    lay_over(shaded, shadow)
    return [shadow, _to_element(analysis, shaded, item) or panel]


def _round(
    analysis: Analysis, backdrop: F32, soft: NDArray[np.bool_], used: set[int]
) -> list[_Found]:
    off = residual(analysis.rgb, backdrop)
    seen = (off <= analysis.tolerance) | soft
    regions = analysis.regions
    least = max(200, int(_MIN_SHARE * _MIN_FILL * analysis.extent.pixel_count))
    found = []
    for label in np.argsort(-regions.areas):
        label = int(label)
        if regions.areas[label] < least:
            if label != 0:
                break
            continue
        if label == 0 or label in used:
            continue
        item = _panel_at(analysis, label, seen)
        if item is not None:
            found.append(item)
            used.add(label)
    return found


def _panel_at(analysis: Analysis, label: int, seen: NDArray[np.bool_]) -> _Found | None:
    """The panel whose fill is this region, if the region has a simple outline on the backdrop."""
    extent = analysis.extent
    box = analysis.regions.bounds(label)
    if box.width < _MIN_SIDE or box.height < _MIN_SIDE:
        return None
    bounds = box.padded(_PAD).clamped(extent)
    region = analysis.regions.mask(label, bounds).copy()
    # Steps are measured to the right and downwards, so that a region lacks its own last pixels
    # there.
    region[:, 1:] |= region[:, :-1]
    region[1:] |= region[:-1]
    backdrop_seen = seen[bounds.slices]
    if np.count_nonzero(region & backdrop_seen) > 0.5 * np.count_nonzero(region):
        return None
    best: _Found | None = None
    best_error = _MAX_ERROR
    for outline in candidates(region, bounds):
        error, support = _judge(outline, region, backdrop_seen)
        if outline.shape == "polygon":
            # A hull fits nearly anything: only where no simpler outline does.
            error = max(error, 0.99 * _MAX_ERROR)
        if error < best_error and support >= _MIN_SUPPORT:
            best, best_error = _Found(label, outline, region, support), error
    return best if best is not None and _worth_it(analysis, best) else None


def _judge(
    outline: Outline, region: NDArray[np.bool_], seen: NDArray[np.bool_]
) -> tuple[float, float]:
    """Error of an outline (share of its area) and its support (share of its length)."""
    distance = outline.distance
    area = max(1, np.count_nonzero(distance < 0))
    stray = np.count_nonzero(region & (distance > 1.5))
    holes = np.count_nonzero(seen & (distance < -1.5))
    just_outside = (distance > 1.5) & (distance < 3.0)
    just_inside = (distance < -1.0) & (distance > -3.0)
    # The canvas's own edge counts as support: a panel may run off the picture.
    inside_share = np.count_nonzero(region & just_inside) / max(1, np.count_nonzero(just_inside))
    outside = np.count_nonzero(just_outside)
    outside_share = np.count_nonzero(seen & just_outside) / outside if outside else 1.0
    return (stray + holes) / area, min(inside_share, outside_share)


def _worth_it(analysis: Analysis, found: _Found) -> bool:
    """Large, or carrying something: small bare shapes are left to the objects."""
    total = analysis.extent.pixel_count
    area = np.count_nonzero(found.outline.distance < 0)
    filled = np.count_nonzero(found.region)
    if filled < _MIN_FILL * area or area < _MIN_SHARE * total:
        return False
    carried = (found.outline.distance < -3) & ~found.region
    carries = np.count_nonzero(carried) > max(12, 0.004 * area)
    return carries or area >= _MIN_BARE_SHARE * total


def _bottom_up(found: list[_Found]) -> list[_Found]:
    """Order of one round: a panel that shows its fill where two overlap lies above."""
    order = sorted(found, key=lambda item: -np.count_nonzero(item.outline.distance < 0))
    placed: list[_Found] = []
    for item in order:
        index = len(placed)
        for at, other in enumerate(placed):
            if _hides(other, item):
                index = min(index, at)
        placed.insert(index, item)
    return placed


def _hides(upper: _Found, lower: _Found) -> bool:
    """Whether ``upper``'s fill shows inside ``lower``'s outline, more than the other way round."""
    common = upper.outline.bounds.intersection(lower.outline.bounds)
    if common.is_empty:
        return False
    up = common.relative_to(upper.outline.bounds).slices
    low = common.relative_to(lower.outline.bounds).slices
    both = upper.outline.inside(2)[up] & lower.outline.inside(2)[low]
    return np.count_nonzero(both & upper.region[up]) > np.count_nonzero(both & lower.region[low])


def _to_element(analysis: Analysis, backdrop: F32, found: _Found) -> Element | None:
    outline = found.outline
    bounds = outline.bounds
    image = analysis.rgb[bounds.slices].astype(np.float32)
    under = backdrop[bounds.slices]
    sure = erode(found.region, 1) & outline.inside(2.0)
    fill = _fill(image, under, sure, analysis)
    if fill is None:
        return None
    opacity, colour = fill
    coverage = outline.coverage
    over = under + opacity * (colour - under)
    measured = project_alpha(image, over, under)
    band = (np.abs(outline.distance) <= _BAND) & _trusted(image, over, under, analysis.tolerance)
    alpha = np.where(band, measured, coverage).astype(np.float32) * np.float32(opacity)
    alpha[alpha < 1.5 / 255] = 0
    return _cropped(Element(Role.SHAPE, bounds, alpha, colour, outline.shape))


def _fill(
    image: F32, under: F32, sure: NDArray[np.bool_], analysis: Analysis
) -> tuple[float, F32] | None:
    """Opacity and colour (h, w, 3) of a panel from the pixels that surely show it."""
    if np.count_nonzero(sure) < 32:
        return None
    tolerance = max(2.0, 0.8 * analysis.tolerance)
    veil = _veil(image[sure], under[sure], tolerance)
    if veil is not None:
        opacity, tint = veil
        return opacity, np.broadcast_to(np.float32(tint), image.shape).copy()
    shade = best_shade(image, sure, tolerance, 0.95)
    if shade is None:
        return None
    return 1.0, shade.render(Bounds(0, 0, image.shape[1], image.shape[0]))


def _veil(image: NDArray, under: NDArray, tolerance: float) -> tuple[float, NDArray] | None:
    """A translucent plain panel, where what shines through tells it from an opaque one."""
    if float(np.ptp(under, axis=0).max()) < 8.0:
        return None
    veil = unknown_veil(image, under)
    if veil is None or not 0.15 < veil[0] < 0.97:
        return None
    opacity, tint = veil
    explained = opacity * tint + (1.0 - opacity) * under
    fits = np.abs(explained - image).max(axis=1) <= tolerance
    return veil if fits.mean() > 0.95 else None


def _trusted(image: F32, over: F32, under: F32, tolerance: float) -> NDArray[np.bool_]:
    """Pixels that lie between backdrop and panel colour, so that nothing else is on them."""
    alpha = project_alpha(image, over, under)[..., None]
    off = np.abs(under + alpha * (over - under) - image).max(axis=2)
    return ~dilate(off > tolerance + 3.0, 1)


def _cropped(element: Element) -> Element:
    box = Bounds.of_mask(element.alpha > 0)
    view = box.slices
    element.alpha = element.alpha[view].copy()
    element.colour = element.colour[view].copy()
    element.bounds = box.moved(element.bounds.x, element.bounds.y)
    return element
