"""Points at which a picture is asked about, and which of them need not be asked."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32
from layerstudio.geometry import Extent
from layerstudio.pipelines.stages.contracts import Mask
from layerstudio.pipelines.stages.overlaps import Outline

_CANVAS = 512  # longest side of the canvas on which masks are compared


def canvas_scale(extent: Extent) -> float:
    """Of the canvas on which masks are compared, against a picture."""
    return min(1.0, _CANVAS / extent.longest_side)


def grid(extent: Extent, side: int) -> F32:
    """(rows, columns, 2) x, y of ``side`` x ``side`` evenly spaced points, no more than pixels."""
    across, down = (min(side, length) for length in extent)
    xs = (np.arange(across, dtype=np.float32) + 0.5) * (extent.width / across)
    ys = (np.arange(down, dtype=np.float32) + 0.5) * (extent.height / down)
    return np.stack(np.meshgrid(xs, ys), axis=-1)


def is_first(lattice: F32) -> Mask:
    """(rows, columns): every second point along both sides, all of a side with few."""
    odd = [np.arange(count) % 2 == (1 if count > 2 else 0) for count in lattice.shape[:2]]
    return odd[0][:, None] & odd[1][None]


def innermost(outlines: Sequence[Outline], extent: Extent) -> NDArray[np.int32]:
    """On the common canvas the index of the smallest outline at each place, -1 where none is."""
    scale = canvas_scale(extent)
    canvas = Extent(*(max(1, round(side * scale)) for side in extent))
    labels = np.full(canvas.shape, -1, np.int32)
    for index in sorted(range(len(outlines)), key=lambda one: -outlines[one].area):
        place = outlines[index].bounds.clamped(canvas)
        mask = outlines[index].mask[place.relative_to(outlines[index].bounds).slices]
        labels[place.slices][mask] = index
    return labels


def is_settled(lattice: F32, first: Mask, inner: NDArray[np.int32], extent: Extent) -> Mask:
    """(rows, columns): where a point and the ``first`` ones next to it lie on one thing."""
    scale = canvas_scale(extent)
    columns = np.minimum((lattice[..., 0] * scale).astype(int), inner.shape[1] - 1)
    rows = np.minimum((lattice[..., 1] * scale).astype(int), inner.shape[0] - 1)
    things = inner[rows, columns]
    around = np.ones((3, 3), np.uint8)
    known = np.where(first, things, -2).astype(np.float32)
    highest = cv2.dilate(known, around, borderType=cv2.BORDER_CONSTANT, borderValue=-2)
    known[~first] = np.inf
    lowest = cv2.erode(known, around, borderType=cv2.BORDER_CONSTANT, borderValue=np.inf)
    return (things >= 0) & (things == highest) & (things == lowest)
