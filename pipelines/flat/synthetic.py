"""Telling drawn things from the photograph that they lie on.

A drawing is made of regions that are exactly flat or exactly graded and that end in sharp edges.
A photograph has noise where it is smooth, and soft ends where it is not in focus.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from layerstudio.color import channel_max
from layerstudio.ops.gradient import best_shade
from layerstudio.pipelines.flat.analysis import Analysis, dilate, erode, find_regions

_MIN_AREA = 24  # pixels of a region
_MIN_PIECE = 0.0012  # of the canvas, for regions that touch each other
_SHARP = 16  # levels: the median step around a drawn region is above this
# Mean second difference in levels inside a region: up to the first it is flat enough to be drawn,
# up to the second it may be a gradient in 8 bits, above it is a photograph.
_FLAT_GRAIN = 0.3
_MAX_GRAIN = 1.2
_MIN_GRADED = 150  # pixels: in fewer, a gradient fits anything
_MOST_FITS = 32  # regions, the largest first, to which a gradient is fitted: each takes 0.1 s
_LARGE = 0.02  # of the canvas: from here on a flat region must be plain or graded throughout
_STEEP = 0.5  # of the contrast around an edge that is one step of it
_MIN_CRISP = 0.9  # share of a boundary that is crisp all around a drawn region
_MIN_OUTLINED = 200  # pixels
_MAX_ENCLOSED = 0.5  # of a piece's area that is a hole to be filled
_MAX_BORDER = 0.3  # share of a region's box sides on the picture's border


@dataclass(frozen=True, eq=False)
class Drawn:
    """``labels`` (n,) says which regions are drawn; ``mask`` (h, w) are their pixels, with the
    thin edges and strokes between them."""

    labels: NDArray[np.bool_]
    mask: NDArray[np.bool_]


def find_drawn(analysis: Analysis, asked: NDArray[np.bool_] | None = None) -> Drawn:
    """The drawn regions of a picture whose background is a photograph; of those that are ``asked``
    (n,) about, if that is given."""
    regions = analysis.regions
    drawn = np.zeros(len(regions.areas), bool)
    keep = np.flatnonzero(regions.areas >= _MIN_AREA)
    keep = keep[keep > 0]
    if asked is not None:
        keep = keep[asked[keep]]
    if keep.size == 0:
        return Drawn(drawn, np.zeros(analysis.extent.shape, bool))
    inside = regions.labels > 0
    inner = cv2.erode(inside.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    rim = inside & ~inner
    sharp = _boundary_sharpness(analysis, rim)
    crisp = _boundary_crispness(analysis, rim)
    grain = _mean_grain(analysis, inner)
    limit = _FLAT_GRAIN if analysis.noise < 0.5 else 2 * _FLAT_GRAIN
    likely = keep[(sharp[keep] >= _SHARP) & (grain[keep] <= _MAX_GRAIN)]
    fits = 0
    for label in likely[np.argsort(-regions.areas[likely], kind="stable")]:
        if _is_frame_filling(analysis, int(label)):
            continue
        flat = grain[label] <= limit and regions.areas[label] < _LARGE * analysis.extent.pixel_count
        outlined = crisp[label] >= _MIN_CRISP and regions.areas[label] >= _MIN_OUTLINED
        drawn[label] = flat or outlined
        if not drawn[label] and fits < _MOST_FITS:
            fits += 1
            drawn[label] = _is_graded(analysis, int(label))
    return Drawn(drawn, _closed(drawn[regions.labels]))


def _is_graded(analysis: Analysis, label: int) -> bool:
    """Whether one plain colour or gradient shows the region, which no piece of a photograph is."""
    bounds = analysis.regions.bounds(label)
    mask = analysis.regions.mask(label, bounds)
    if np.count_nonzero(mask) < _MIN_GRADED:
        return False
    image = analysis.rgb[bounds.slices]
    return best_shade(image, mask, max(1.6, 0.6 * analysis.tolerance), 0.95) is not None


def without_specks(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Only pieces large enough to be a drawing; small ones are glints of the photograph."""
    pieces = find_regions(mask)
    kept = pieces.areas >= _MIN_PIECE * mask.size
    kept[0] = False
    return kept[pieces.labels]


def _boundary_sharpness(analysis: Analysis, rim: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Median, per region, of the largest step within two pixels outside its boundary."""
    labels = analysis.regions.labels
    peak = cv2.dilate(analysis.step, np.ones((5, 5), np.uint8))
    return _median_by_label(labels[rim], peak[rim], len(analysis.regions.areas))


def _boundary_crispness(analysis: Analysis, rim: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Share, per region, of the boundary where one step makes most of the contrast around it.

    A rendered edge is one or two pixels wide whatever it lies on, an edge out of focus is wider.
    """
    wide = np.ones((7, 7), np.uint8)
    span = cv2.subtract(cv2.dilate(analysis.rgb, wide), cv2.erode(analysis.rgb, wide))
    contrast = channel_max(span)
    peak = cv2.dilate(analysis.step, np.ones((5, 5), np.uint8))
    crisp = (peak >= _SHARP) & (peak >= _STEEP * contrast.astype(np.float32))
    labels = analysis.regions.labels
    count = len(analysis.regions.areas)
    total = np.bincount(labels[rim], minlength=count)
    hits = np.bincount(labels[rim & crisp], minlength=count)
    return hits / np.maximum(total, 1)


def _median_by_label(labels: NDArray, values: NDArray, count: int) -> NDArray[np.float64]:
    order = np.lexsort((values, labels))
    sorted_labels, sorted_values = labels[order], values[order]
    starts = np.searchsorted(sorted_labels, np.arange(count), side="left")
    stops = np.searchsorted(sorted_labels, np.arange(count), side="right")
    middle = np.minimum((starts + stops) // 2, len(sorted_values) - 1)
    return np.where(stops > starts, sorted_values[middle], 0).astype(np.float64)


def _mean_grain(analysis: Analysis, inner: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Mean second difference in levels inside each region: 0 where flat, rounding where graded."""
    grey = cv2.cvtColor(analysis.rgb, cv2.COLOR_RGB2GRAY).astype(np.int16)
    second = np.zeros(grey.shape, np.float32)
    second[1:-1, 1:-1] = np.abs(
        4 * grey[1:-1, 1:-1] - grey[:-2, 1:-1] - grey[2:, 1:-1] - grey[1:-1, :-2] - grey[1:-1, 2:]
    )
    labels = analysis.regions.labels
    count = len(analysis.regions.areas)
    totals = np.bincount(labels[inner], weights=np.minimum(second[inner], 16), minlength=count)
    sizes = np.bincount(labels[inner], minlength=count)
    return np.divide(totals, sizes, out=np.zeros(count), where=sizes > 0)


def _is_frame_filling(analysis: Analysis, label: int) -> bool:
    """Whether much of the picture's border is this region: sky or a wall, not a drawing."""
    labels = analysis.regions.labels
    height, width = labels.shape
    # Where the last row or column differs from the one before, its neighbour has the label.
    edge = np.concatenate([labels[0], labels[-2:][0], labels[:, 0], labels[:, -2:][:, 0]])
    return np.count_nonzero(edge == label) > _MAX_BORDER * (width + height)


def _closed(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Regions joined across the edges between them, what they enclose filled.

    What a piece encloses is drawn on it, unless it is most of the piece: a frame's opening.
    """
    joined = erode(dilate(mask, 2), 1).astype(np.uint8)
    contours, nesting = cv2.findContours(joined, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    if nesting is None:
        return joined.astype(bool)
    small = max(64, 0.0005 * mask.size)
    for index, (_, _, _, outer) in enumerate(nesting[0]):
        if outer < 0:
            continue
        area = cv2.contourArea(contours[index])
        if area < small or area <= _MAX_ENCLOSED * cv2.contourArea(contours[outer]):
            cv2.drawContours(joined, contours, index, 1, cv2.FILLED)
    return joined.astype(bool)
