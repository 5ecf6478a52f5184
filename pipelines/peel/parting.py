"""Drawings that touch taken apart along the borders that the network sees between them."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32
from layerstudio.geometry import Bounds, Extent
from layerstudio.ops.amodal import hidden_part
from layerstudio.ops.fill_smooth import fill_smooth
from layerstudio.ops.order_graph import Edge, far_to_near
from layerstudio.pipelines.flat.analysis import Analysis, dilate, find_regions
from layerstudio.pipelines.flat.element import Element
from layerstudio.pipelines.flat.objects import reading_ranks
from layerstudio.pipelines.peel.joining import contacts, joined
from layerstudio.pipelines.peel.reading import Mask, Reading, Sight

_CUT = 0.5  # probability of a border
_RADII = (40, 28, 20, 14, 10, 7, 5, 3, 1.5)  # pixels of a canvas of ``_SIDE_OF_RADII`` squared
_SIDE_OF_RADII = 640
_EDGE = 4  # pixels around the edge of a panel
_UNDERLAP = 4  # pixels that a drawing reaches beneath what hides it, at least
_LATER = 0.1  # of a probability, for what is read later: people put it down later
_SIDE = 4  # pixels beside a contact in which sides are looked at


def parted(analysis: Analysis, drawing: Element, reading: Reading, edges: Mask) -> list[Element]:
    """The drawing alone, or the drawings that it consists of, far to near.

    ``edges`` (h, w) are those of panels, where borders part no drawings.
    """
    view = drawing.bounds.slices
    body = drawing.alpha > 0.5
    border = np.where(dilate(edges[view], _EDGE), 0, reading.border[view])
    if not (border > _CUT).any():
        return [drawing]
    labels = parts_of(body, reading.sight(drawing.bounds, drawing.colour, border), analysis.extent)
    count = int(labels.max(initial=0)) + 1
    if count < 2:
        return [drawing]
    order = _order(labels, body, reading.upper[view])
    made: list[Element] = []
    above = np.zeros(body.shape, bool)
    for label in reversed(order):
        own = labels == label
        made.append(_piece(drawing, own, above & body))
        above |= own
    return made[::-1]


def parts_of(body: Mask, sight: Sight, canvas: Extent) -> NDArray[np.int32]:
    """(h, w): numbers from 0 of the drawings that ``body`` (h, w) consists of."""
    scale = max(1.0, canvas.pixel_count**0.5 / _SIDE_OF_RADII)
    pieces = pieces_of(body, sight.border, scale)
    return joined(pieces, body, sight, canvas.pixel_count)


def pieces_of(body: Mask, border: F32, scale: float) -> NDArray[np.int32]:
    """(h, w): a body parted along borders, and across the gaps in them at its narrow places; far
    more pieces than drawings. Numbered from 1.

    A watershed on the distance to borders and to the outside (Beucher and Lantuejoul 1979), by
    levels: a place that is ``_RADII`` times ``scale`` wide and holds no piece yet is one, and the
    others grow.
    """
    free = body & (border <= _CUT)
    away = cv2.distanceTransform(np.pad(free.astype(np.uint8), 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    labels = np.zeros(body.shape, np.int32)
    for radius in _RADII:
        wide = away > scale * radius
        places = find_regions(wide, connectivity=8)
        fresh = np.bincount(places.labels[labels > 0], minlength=len(places.areas)) == 0
        fresh[0] = False
        numbers = np.cumsum(fresh, dtype=np.int32) + labels.max()
        labels = np.where(fresh[places.labels], numbers[places.labels], labels)
        if labels.any():
            labels = np.where(wide, nearest_number(labels), labels)
    return nearest_number(labels) if labels.any() else np.ones(body.shape, np.int32)


def nearest_number(labels: NDArray[np.int32]) -> NDArray[np.int32]:
    """Every pixel gets the nearest number above 0."""
    _, nearest = cv2.distanceTransformWithLabels(
        (labels == 0).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    known = np.flatnonzero(labels.ravel())
    owner = np.zeros(known.size + 1, np.int32)
    owner[nearest.ravel()[known]] = labels.ravel()[known]
    return owner[nearest]


def _order(labels: NDArray[np.int32], body: Mask, upper: F32) -> tuple[int, ...]:
    """Numbers far to near, by which side of their contacts is the upper one; where that is in doubt
    or nothing touches, as they are read."""
    boxes = [Bounds.of_mask(body & (labels == n)) for n in range(int(labels.max(initial=0)) + 1)]
    ranks = reading_ranks(boxes)
    edges = []
    size = 2 * _SIDE + 1
    for (first, second), (rows, cols) in contacts(labels, body).items():
        touch = np.zeros(labels.shape, np.uint8)
        touch[rows, cols] = 1
        near = (cv2.dilate(touch, np.ones((size, size), np.uint8)) > 0) & body
        sides = [float(upper[near & (labels == label)].mean()) for label in (first, second)]
        lead = sides[0] - sides[1] + (_LATER if ranks[first] > ranks[second] else -_LATER)
        front, behind = (first, second) if lead >= 0 else (second, first)
        edges.append(Edge(front, behind, (abs(lead) + 1e-3) * len(rows)))
    return far_to_near(len(boxes), edges, ranks).order


def _piece(drawing: Element, own: Mask, above: Mask) -> Element:
    """The pixels of ``own`` (h, w), carried on beneath those of ``above``."""
    alpha = np.where(own, drawing.alpha, 0).astype(np.float32)
    return carried_on(replace(drawing, alpha=alpha), above).cropped()


def carried_on(item: Element, above: Mask) -> Element:
    """A drawing completed beneath ``above`` (h, w over its bounds), with its nearest colours."""
    seen = item.alpha > 0.5
    hidden = hidden_part(seen, above & ~seen, _UNDERLAP)
    if not hidden.any():
        return item
    alpha = item.alpha.copy()
    alpha[hidden] = 1.0
    solid = item.alpha > 0.95
    filled = fill_smooth(item.colour, ~solid) if solid.any() else item.colour
    colour = np.where(hidden[..., None], filled, item.colour).astype(np.float32)
    return replace(item, alpha=alpha, colour=colour)
