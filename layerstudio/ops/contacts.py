"""Where regions of a picture meet: contours between two of them, and the points where they end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from layerstudio.geometry import Extent

Labels = NDArray[np.int32]
Points = NDArray[np.intp]
_MOST_POINTS = 48  # along one contour or at its ends: more says nothing new
_NONE = np.iinfo(np.int16).max  # above every label
_LEAST_RADIUS, _MOST_RADIUS = 4, 24  # pixels: below, a disc is all staircase
_RADIUS_SHARE = 0.12  # of the square root of the smaller region's area


@dataclass(frozen=True, eq=False)
class Contact:
    """Regions ``first`` < ``second`` meet in ``points`` (n, 2), as (y, x); ``ends`` (m, 2) are
    those beside something else. ``radius`` is that of discs in which their contour is looked at."""

    first: int
    second: int
    points: Points
    ends: Points
    radius: int


def labels_of(masks: Sequence[NDArray[np.bool_]], extent: Extent) -> Labels:
    """(h, w): 1 + the index of the mask that a pixel lies in, 0 for none; masks are disjoint."""
    labels = np.zeros(extent.shape, np.int32)
    for index, mask in enumerate(masks):
        assert not labels[mask].any(), f"mask {index} overlaps another one"
        labels[mask] = index + 1
    return labels


def grown(labels: Labels, reach: int) -> Labels:
    """Every region grown by ``reach`` pixels where nothing is, so that those a seam apart meet."""
    free = (labels == 0).view(np.uint8)
    if reach < 1 or free.all() or not free.any():
        return labels
    away, nearest = cv2.distanceTransformWithLabels(
        free, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    known = np.flatnonzero(free.ravel() == 0)
    owner = np.zeros(known.size + 1, np.int32)
    owner[nearest.ravel()[known]] = labels.ravel()[known]
    return np.where(away <= reach, owner[nearest], 0).astype(np.int32)


def seams_closed(labels: Labels, reach: int) -> Labels:
    """What lies between two regions no more than about ``reach`` pixels from both goes to the
    nearer: segmenters leave seams that belong to nothing."""
    assert labels.max(initial=0) < _NONE, "too many regions"
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1,) * 2)
    some = labels.astype(np.int16)
    most = cv2.dilate(some, disc)
    least = cv2.erode(np.where(labels == 0, _NONE, some).astype(np.int16), disc)
    seam = (labels == 0) & (least < _NONE) & (most != least)
    return np.where(seam, grown(labels, 2 * reach), labels).astype(np.int32)


def contacts_of(labels: Labels) -> tuple[Contact, ...]:
    """All pairs of regions (above 0) with a common contour, by index; regions count from 1."""
    areas = np.bincount(labels.ravel())
    places = _meeting(labels)
    third = _other_windows(labels)
    found = []
    for (first, second), points in sorted(places.items()):
        radius = _radius(min(areas[first], areas[second]))
        ends = points[third[tuple(points.T)]]
        found.append(Contact(first, second, _spread(points), _spread(ends), radius))
    return tuple(found)


def shares(labels: Labels, point: NDArray[np.intp], radius: int) -> NDArray[np.float64]:
    """The share of each label in the disc around ``point``, as much of it as is on the picture."""
    y, x = (int(value) for value in point)
    top, left = max(0, y - radius), max(0, x - radius)
    window = labels[top : y + radius + 1, left : x + radius + 1]
    ys, xs = np.ogrid[top - y : top - y + window.shape[0], left - x : left - x + window.shape[1]]
    disc = window[ys * ys + xs * xs <= radius * radius]
    return np.bincount(disc) / disc.size


def _meeting(labels: Labels) -> dict[tuple[int, int], Points]:
    """By pair of labels, the pixels right or below of which the other one begins."""
    found: dict[tuple[int, int], list[Points]] = {}
    for here, there in (
        (labels[:, :-1], labels[:, 1:]),
        (labels[:-1], labels[1:]),
    ):
        ys, xs = np.nonzero((here != there) & (here > 0) & (there > 0))
        low = np.minimum(here[ys, xs], there[ys, xs])
        high = np.maximum(here[ys, xs], there[ys, xs])
        for first, second in set(zip(low.tolist(), high.tolist(), strict=True)):
            chosen = (low == first) & (high == second)
            points = np.stack([ys[chosen], xs[chosen]], axis=1)
            found.setdefault((first, second), []).append(points)
    return {pair: np.concatenate(parts) for pair, parts in found.items()}


def _other_windows(labels: Labels) -> NDArray[np.bool_]:
    """(h, w): three labels and more in the 3 x 3 pixels around."""
    padded = cv2.copyMakeBorder(labels, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    height, width = labels.shape
    shifted = [padded[y : y + height, x : x + width] for y in range(3) for x in range(3)]
    least, most = np.minimum.reduce(shifted), np.maximum.reduce(shifted)
    return np.logical_or.reduce([(part != least) & (part != most) for part in shifted])


def _radius(area: int) -> int:
    return int(np.clip(round(_RADIUS_SHARE * area**0.5), _LEAST_RADIUS, _MOST_RADIUS))


def _spread(points: Points) -> Points:
    """At most 48 of them, evenly."""
    if len(points) <= _MOST_POINTS:
        return points
    return points[np.linspace(0, len(points) - 1, _MOST_POINTS).round().astype(int)]
