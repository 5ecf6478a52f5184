"""Panels: filled outlines that lie on the backdrop and carry other things.

Found bottom-up: a round finds every panel whose edge touches the present backdrop, lays them on
it, and the next round sees those that lie on these. What hides part of a panel does not matter,
since the outline and the fill are known as formulas: the hidden part is completed exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32
from layerstudio.geometry import Bounds
from layerstudio.pipelines.flat.analysis import Analysis, erode, find_regions, residual
from layerstudio.pipelines.flat.element import Element, lay_over
from layerstudio.pipelines.flat.glyphs import glyphs_of
from layerstudio.pipelines.flat.outline import FREE, candidates
from layerstudio.pipelines.flat.panel_border import coloured_border, uncovered_border
from layerstudio.pipelines.flat.panel_found import Found, PanelGuide
from layerstudio.pipelines.flat.panel_order import bottom_up
from layerstudio.pipelines.flat.panel_paint import paint_panel
from layerstudio.pipelines.flat.shadows import shadow_of, soft_darkness
from layerstudio.pipelines.flat.text import find_lines

_MAX_ROUNDS = 5
_PAD = 20  # room for a border around the fill
_MIN_SIDE = 12
_MIN_SHARE = 0.004  # of the canvas, for a panel that carries something
_MIN_FREE_SHARE = 0.08  # of the canvas, for outlines that clip art has too
_MIN_PLAIN_SHARE = 0.025  # of the canvas, for one that carries anything but text
_MIN_RING_SHARE = 0.12  # of the canvas, for round ones with a border or something across it
_MIN_POLYGON_SHARE = 0.05  # of the canvas, for polygons
_PLAIN_SIDES = 5  # a convex polygon with so many is a badge, with fewer often part of a drawing
_MIN_HULL_SHARE = 0.15  # of the canvas, for polygons whose outline something crosses
_MIN_BARE_SHARE = 0.03  # of the canvas, for one that carries nothing
_MAX_ERROR = 0.015  # of the outline's area: region outside it, or backdrop seen inside it
_MAX_TOLD_ERROR = 0.03  # the same where a guide is sure of a panel
_MAX_HOLE = 0.03  # of the outline's area: a larger hole with backdrop in it is a hole
_MIN_FILL = 0.3  # of the outline's area that shows the fill
_MIN_VEILED = 0.01  # of a panel's area: a part that may show what the panel veils
_MAX_LETTER_HEIGHT = 0.75  # of a small panel's height, for the line of text on it
_MIN_LETTER_FILL = 0.25  # of its box, for letters whose gaps antialiasing has closed
_MIN_TEXT = 0.8  # of what a small round panel carries
_OPAQUE = 0.98
_EDGE_BAND = 3.0  # pixels around an outline where what is left over is the edge's own

_STRICT = ("rectangle", "rounded rectangle", "pill", "polygon")
_ROUND = ("circle", "ellipse")


def find_panels(
    analysis: Analysis,
    backdrop: F32,
    guide: PanelGuide | None = None,
    *,
    guessed: bool = False,
) -> tuple[list[Element], NDArray[np.bool_]]:
    """Panels and their shadows bottom to top, and where their edges run, (h, w) bool.

    ``backdrop`` (h, w, 3) gets them laid on it, in place; if it is ``guessed``, what is darker is a
    shadow only on panels. ``guide`` is asked first what a panel is.
    """
    unknown = np.full(analysis.extent.shape, guessed)
    elements: list[Element] = []
    edges = np.zeros(analysis.extent.shape, bool)
    used: set[int] = set()
    for _ in range(_MAX_ROUNDS):
        soft = soft_darkness(analysis, backdrop)
        if guide is not None:
            soft = guide.shaded(soft)
        soft &= ~unknown
        found = _round(analysis, backdrop, soft, used, guide)
        if not found:
            break
        for item in bottom_up(found, analysis, backdrop):
            made = _with_shadow(analysis, backdrop, soft, item)
            if not made:
                continue
            for element in made:
                lay_over(backdrop, element)
            elements += made
            unknown[made[-1].bounds.slices] &= made[-1].alpha < _OPAQUE
            near = np.minimum(np.abs(item.outer), np.abs(item.outline.distance)) <= _EDGE_BAND
            edges[item.outline.bounds.slices] |= near
    return elements, edges


def _with_shadow(
    analysis: Analysis, backdrop: F32, soft: NDArray[np.bool_], item: Found
) -> list[Element]:
    """The panel, and before it its shadow, on which its own edge is then measured."""
    if not soft.any():
        panel = _painted(analysis, backdrop, item, hairline=True)
        return [] if panel is None else [panel]
    caster = _painted(analysis, backdrop, item, hairline=False)
    if caster is None:
        return []
    hidden = residual(analysis.rgb, backdrop) > analysis.tolerance
    shadow = shadow_of(analysis, backdrop, soft, caster, hidden, only_fitted=True)
    if shadow is None:
        return [_painted(analysis, backdrop, item, hairline=True) or caster]
    shaded = backdrop.copy()
    lay_over(shaded, shadow)
    return [shadow, _painted(analysis, shaded, item, hairline=True) or caster]


def _painted(analysis: Analysis, backdrop: F32, item: Found, *, hairline: bool) -> Element | None:
    bounds = item.outline.bounds
    sure = erode(item.region, 1) & item.outline.inside(2.0)
    return paint_panel(
        analysis.rgb[bounds.slices].astype(np.float32),
        backdrop[bounds.slices],
        item.outline,
        sure,
        _seen_through(analysis, item, sure),
        item.border,
        analysis.tolerance,
        hairline=hairline,
        any_fill=item.sure,
    )


def _seen_through(
    analysis: Analysis, item: Found, sure: NDArray[np.bool_]
) -> list[NDArray[np.bool_]]:
    """Large flat parts (h, w) inside a panel besides its fill: where it may veil something."""
    inside = item.outline.inside(2.0)
    labels = np.where(inside & ~sure, analysis.regions.labels[item.outline.bounds.slices], 0)
    found, counts = np.unique(labels, return_counts=True)
    least = _MIN_VEILED * max(1, item.area)
    large = [
        label
        for label, count in zip(found, counts, strict=True)
        if label not in (0, item.label) and count >= least
    ]
    return [erode(labels == label, 1) for label in large]


def _round(
    analysis: Analysis,
    backdrop: F32,
    soft: NDArray[np.bool_],
    used: set[int],
    guide: PanelGuide | None,
) -> list[Found]:
    off = residual(analysis.rgb, backdrop)
    seen = (off <= analysis.tolerance) | soft
    fills = _fills(analysis, seen, used, guide)
    panels = [fill.label for fill in fills if fill.told and not fill.is_thin]
    hiding = np.isin(analysis.regions.labels, panels)
    found = []
    for fill in fills:
        item = _panel_of(analysis, fill, seen[fill.bounds.slices], hiding[fill.bounds.slices])
        if item is not None:
            found.append(item)
            used.add(fill.label)
    return found


@dataclass(frozen=True, eq=False)
class _Fill:
    """A region (h, w) within ``bounds`` that may be a panel's fill; a guide may have ``told``."""

    label: int
    bounds: Bounds
    region: NDArray[np.bool_]
    told: bool | None

    @property
    def is_thin(self) -> bool:
        """As the border of a panel is."""
        return not erode(self.region, _MIN_SIDE // 2).any()


def _fills(
    analysis: Analysis, seen: NDArray[np.bool_], used: set[int], guide: PanelGuide | None
) -> list[_Fill]:
    """Large regions that are neither backdrop nor ``used``."""
    regions = analysis.regions
    least = max(200, int(_MIN_SHARE * _MIN_FILL * analysis.extent.pixel_count))
    found = []
    for label in map(int, np.flatnonzero(regions.areas >= least)):
        box = regions.bounds(label)
        if label == 0 or label in used or min(box.width, box.height) < _MIN_SIDE:
            continue
        bounds = box.padded(_PAD).clamped(analysis.extent)
        region = regions.mask(label, bounds).copy()
        # Steps are measured to the right and downwards, so that a region lacks its own last pixels
        # there.
        region[:, 1:] |= region[:, :-1]
        region[1:] |= region[:-1]
        if np.count_nonzero(region & seen[bounds.slices]) <= 0.5 * np.count_nonzero(region):
            told = None if guide is None else guide.is_panel(bounds, region)
            found.append(_Fill(label, bounds, region, told))
    return found


def _panel_of(
    analysis: Analysis, fill: _Fill, seen: NDArray[np.bool_], hiding: NDArray[np.bool_]
) -> Found | None:
    """The panel with this fill, if it has an outline on the backdrop; ``seen`` (h, w) is backdrop,
    ``hiding`` fills of panels."""
    found = _best_panel(analysis, fill, seen, hiding, bordered=True)
    if not fill.told:
        return found
    # A photograph is not known right beside a panel, which looks like a border there, and a border
    # on it may look like the photograph.
    plain = _best_panel(analysis, fill, seen, hiding, bordered=False)
    if plain is not None:
        image, others = analysis.rgb[fill.bounds.slices], hiding & ~fill.region
        plain.border = coloured_border(image, plain.outline, others, analysis.tolerance)
    return plain or found


def _best_panel(
    analysis: Analysis,
    fill: _Fill,
    seen: NDArray[np.bool_],
    hiding: NDArray[np.bool_],
    *,
    bordered: bool,
) -> Found | None:
    """The outline with the least error, with the border around it or without."""
    best: Found | None = None
    best_error = _MAX_TOLD_ERROR if fill.told else _MAX_ERROR
    for outline in candidates(fill.region, fill.bounds, analysis.extent):
        if outline.shape in FREE and best is not None:
            break  # a simple outline is completed where it is hidden, a free one is not
        border = uncovered_border(outline, fill.region, seen, hiding)
        if border is None:
            continue
        item = Found(fill.label, outline, fill.region, border if bordered else 0.0, bool(fill.told))
        error = _error(item, seen)
        if error < best_error and _is_worth_it(analysis, item, fill.told):
            best, best_error = item, error
    return best


def _error(item: Found, seen: NDArray[np.bool_]) -> float:
    """Region outside the outline and backdrop inside it, as a share of its area.

    Small islands of the backdrop's colour deep inside do not count: text may have that colour.
    """
    area = max(1, item.area)
    stray = np.count_nonzero(item.region & (item.outline.distance > 1.2))
    inside = seen & (item.outer < -1.2)
    pieces = find_regions(inside)
    sizes = pieces.areas.astype(np.float64)
    sizes[0] = 0
    at_edge = np.unique(pieces.labels[(item.outer > -3.0) & inside])
    island = np.ones(len(sizes), bool)
    island[at_edge] = False
    small = island & (sizes < _MAX_HOLE * area)
    # Many small islands that together hide the fill are a mesh, not text.
    holes = sizes[~small].sum() + max(0.0, sizes[small].sum() - 0.3 * area)
    return float(stray + holes) / area


def _is_worth_it(analysis: Analysis, item: Found, told: bool | None) -> bool:
    """Large, or carrying something: small bare shapes are left to the objects. ``told`` is what a
    guide says."""
    total = analysis.extent.pixel_count
    area = item.area
    filled = np.count_nonzero(item.region)
    if filled < _MIN_FILL * area or area < _MIN_SHARE * total:
        return False
    if told is not None:
        is_thin = -2 * float(item.outline.distance.min()) < _MIN_SIDE
        return told and not is_thin  # a thin one is the border of a panel
    shape = item.outline.shape
    carried = (item.outline.distance < -3) & ~item.region
    if np.count_nonzero(carried) <= max(12, 0.004 * area):
        return shape not in FREE and area >= _MIN_BARE_SHARE * total
    if item.is_cut_off(analysis.extent):
        return True  # by the canvas, as decorations are and drawings are not
    if shape not in _STRICT and area < _MIN_FREE_SHARE * total:
        return shape in _ROUND and _is_island(item, carried) and _is_text(analysis, item, carried)
    if _looks_lettered(item, carried):
        return shape != "shape" or item.border == 0
    return _carries_like_a_panel(item, carried, area / total)


def _carries_like_a_panel(item: Found, carried: NDArray[np.bool_], share: float) -> bool:
    """Drawings are made of outlined pieces too, but these reach each other and are smaller."""
    shape = item.outline.shape
    if shape == "shape":
        return item.border == 0
    if shape in _ROUND:
        return share >= _MIN_RING_SHARE or (_is_island(item, carried) and item.border == 0)
    if shape == "polygon":
        badge = item.outline.sides >= _PLAIN_SIDES and item.outline.is_symmetric
        if badge and share >= _MIN_POLYGON_SHARE:
            return True
        return share >= (_MIN_POLYGON_SHARE if _is_island(item, carried) else _MIN_HULL_SHARE)
    if share < _MIN_FREE_SHARE:
        return _is_island(item, carried) and share >= _MIN_PLAIN_SHARE
    return True


def _is_island(item: Found, carried: NDArray[np.bool_]) -> bool:
    """Whether what a panel carries keeps clear of its outline."""
    return not bool((carried & (item.outline.distance > -5)).any())


def _is_text(analysis: Analysis, item: Found, carried: NDArray[np.bool_]) -> bool:
    """Whether lines of text make up nearly all that a panel carries, as on a badge."""
    bounds = item.outline.bounds
    lines = find_lines(glyphs_of(carried, analysis.rgb[bounds.slices], bounds))
    ink = sum(np.count_nonzero(line.mask()) for line in lines)
    return bool(ink >= _MIN_TEXT * np.count_nonzero(carried))


def _looks_lettered(item: Found, carried: NDArray[np.bool_]) -> bool:
    """Whether a small panel carries a line of text, as a button does."""
    if not _is_island(item, carried):
        return False
    box = Bounds.of_mask(carried)
    if box.height > _MAX_LETTER_HEIGHT * Bounds.of_mask(item.outline.distance < 0).height:
        return False
    heights = find_regions(carried, connectivity=8).boxes[1:, 3].astype(np.float64)
    heights = heights[heights > 0.4 * heights.max()]
    if len(heights) >= 3 and float(heights.std() / heights.mean()) < 0.3:
        return True
    dense = np.count_nonzero(carried) >= _MIN_LETTER_FILL * box.area
    solid = erode(carried, max(1, round(0.2 * box.height)))
    thin = np.count_nonzero(solid) <= 0.05 * np.count_nonzero(carried)
    return bool(dense and thin) and box.width >= 1.15 * box.height
