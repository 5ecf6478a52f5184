"""Drawings that touch taken apart along the borders that the network sees between them."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32
from layerstudio.ops.amodal import hidden_part
from layerstudio.ops.fill_smooth import fill_smooth
from layerstudio.ops.order_graph import Edge, far_to_near
from layerstudio.pipelines.flat.analysis import Analysis, dilate, find_regions
from layerstudio.pipelines.flat.element import Element
from layerstudio.pipelines.peel.reading import Mask, Reading

Points = NDArray[np.intp]

_CUT = 0.8  # probability of a border
_MIN_PIECE = 0.004  # of the canvas
_MIN_SHARE = 0.04  # of the drawing
_MIN_SEEN = 0.85  # share of the contact between two pieces along which there is a border
_MIN_ALONE = 0.15  # of the largest piece, for one that touches no other
_EDGE = 4  # pixels around the edge of a panel
_UNDERLAP = 4  # pixels that a drawing reaches beneath what hides it, at least
_SIDE = 4  # pixels beside a contact in which sides are looked at


def parted(analysis: Analysis, drawing: Element, reading: Reading, edges: Mask) -> list[Element]:
    """The drawing alone, or the drawings that it consists of, far to near.

    ``edges`` (h, w) are those of panels, where borders part no drawings.
    """
    view = drawing.bounds.slices
    body = drawing.alpha > 0.5
    border = np.where(dilate(edges[view], _EDGE), 0, reading.border[view])
    cut = cv2.dilate((border > _CUT).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    labels = _pieces(body, cut, analysis.extent.pixel_count)
    if labels.max(initial=0) < 2:
        return [drawing]
    labels = _with_doubtful_joined(labels, body, border)
    count = int(labels.max(initial=0))
    if count < 2:
        return [drawing]
    order = _order(labels, body, reading.upper[view])
    made: list[Element] = []
    above = np.zeros(body.shape, bool)
    for label in reversed(order):
        own = labels == label + 1
        made.append(_piece(drawing, own, above & body))
        above |= own
    return made[::-1]


def _pieces(body: Mask, cut: Mask, canvas: int) -> NDArray[np.int32]:
    """(h, w): the large pieces of a body once it is cut, numbered from 1, that share all of it."""
    pieces = find_regions(body & ~cut, connectivity=4)
    least = max(_MIN_PIECE * canvas, _MIN_SHARE * np.count_nonzero(body))
    large = pieces.areas >= least
    large[0] = False
    if np.count_nonzero(large) < 2:
        return np.zeros(body.shape, np.int32)
    numbers = np.zeros(len(large), np.int32)
    numbers[large] = np.arange(1, np.count_nonzero(large) + 1)
    return _nearest(numbers[pieces.labels])


def _nearest(labels: NDArray[np.int32]) -> NDArray[np.int32]:
    """Every pixel gets the nearest number above 0."""
    _, nearest = cv2.distanceTransformWithLabels(
        (labels == 0).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    known = np.flatnonzero(labels.ravel())
    owner = np.zeros(known.size + 1, np.int32)
    owner[nearest.ravel()[known]] = labels.ravel()[known]
    return owner[nearest]


def _contacts(labels: NDArray[np.int32], body: Mask) -> dict[tuple[int, int], Points]:
    """For each pair of numbers that meet within ``body``, rows and columns of where they do."""
    found: dict[tuple[int, int], list[Points]] = {}
    inside = np.where(body, labels, 0)
    for one, other in ((inside[:, :-1], inside[:, 1:]), (inside[:-1], inside[1:])):
        rows, cols = np.nonzero((one != other) & (one > 0) & (other > 0))
        a, b = one[rows, cols], other[rows, cols]
        low, high = np.minimum(a, b), np.maximum(a, b)
        for first, second in np.unique(np.stack([low, high], 1), axis=0):
            hit = (low == first) & (high == second)
            place = np.stack([rows[hit], cols[hit]])
            found.setdefault((int(first), int(second)), []).append(place)
    return {pair: np.concatenate(parts, axis=1) for pair, parts in sorted(found.items())}


def _with_doubtful_joined(labels: NDArray[np.int32], body: Mask, border: F32) -> NDArray[np.int32]:
    """Pieces between which too little of the contact is a border are one; so are a large piece and
    a small one beside it, as an ear-ring and its ear."""
    peak = cv2.dilate(border, np.ones((5, 5), np.uint8))
    areas = np.bincount(labels[body], minlength=int(labels.max(initial=0)) + 1)
    parent = list(range(len(areas)))

    def root(label: int) -> int:
        while parent[label] != label:
            label = parent[label]
        return label

    contacts = _contacts(labels, body)
    meeting = set()
    for (first, second), (rows, cols) in contacts.items():
        meeting |= {first, second}
        if float((peak[rows, cols] > _CUT).mean()) < _MIN_SEEN:
            parent[root(second)] = root(first)
    for label in range(1, len(areas)):
        if label not in meeting and areas[label] < _MIN_ALONE * areas.max():
            parent[root(label)] = root(int(np.argmax(areas)))
    roots = np.array([root(label) for label in range(len(parent))])
    _, numbers = np.unique(roots, return_inverse=True)
    return np.asarray(numbers, np.int32)[labels]


def _order(labels: NDArray[np.int32], body: Mask, upper: F32) -> tuple[int, ...]:
    """Indices (numbers less 1) far to near, by which side of their contacts is the upper one."""
    edges = []
    size = 2 * _SIDE + 1
    for (first, second), (rows, cols) in _contacts(labels, body).items():
        touch = np.zeros(labels.shape, np.uint8)
        touch[rows, cols] = 1
        near = (cv2.dilate(touch, np.ones((size, size), np.uint8)) > 0) & body
        sides = [float(upper[near & (labels == label)].mean()) for label in (first, second)]
        lead = sides[0] - sides[1]
        front, behind = (first, second) if lead >= 0 else (second, first)
        edges.append(Edge(front - 1, behind - 1, (abs(lead) + 1e-3) * len(rows)))
    count = int(labels.max(initial=0))
    lowest = [float(np.nonzero((labels == n + 1).any(axis=1))[0][-1]) for n in range(count)]
    return far_to_near(count, edges, lowest).order


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
