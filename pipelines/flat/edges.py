"""Alpha and colour of things cut out of a known backdrop: soft edges solved, not cut."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32
from layerstudio.ops.unblend import dot, unblend_colour
from layerstudio.pipelines.flat.analysis import dilate, erode

_EDGE = 2  # pixels: an antialiased edge and the pixel on each side of it


def cut_out(
    image: F32, backdrop: F32, mask: NDArray[np.bool_], tolerance: float
) -> tuple[F32, F32]:
    """Alpha (h, w) and unblended colour (h, w, 3) of what ``mask`` (h, w) marks.

    Inside, alpha is 1. Within an edge's width of the outside it is the projection of the pixel on
    the line from the backdrop to the colour just inside.
    """
    core = erode(mask, _EDGE)
    edge = dilate(mask, 1) & ~core
    alpha = core.astype(np.float32)
    alpha[edge] = _edge_alpha(image, backdrop, mask, edge, tolerance)
    alpha[alpha < 1.5 / 255] = 0.0
    alpha[alpha > 1 - 2.0 / 255] = 1.0
    return alpha, unblend_colour(image, alpha, backdrop)


def _edge_alpha(
    image: F32,
    backdrop: F32,
    mask: NDArray[np.bool_],
    edge: NDArray[np.bool_],
    tolerance: float,
) -> F32:
    """Alpha (n,) of the edge's pixels.

    The colour just inside is the one nearby that lies on the same line through the backdrop and
    farthest along it: a mix of a dark outline with the backdrop must not be measured against the
    white behind the outline.
    """
    rows, cols = np.nonzero(edge)
    pixel, under = image[rows, cols], backdrop[rows, cols]
    wanted = pixel - under
    length = dot(wanted, wanted)
    farthest = length.copy()
    along_best = length.copy()
    limit = np.float32((tolerance + 4.0) ** 2)
    height, width = mask.shape
    for dy in range(-_EDGE, _EDGE + 1):
        for dx in range(-_EDGE, _EDGE + 1):
            if dx == 0 and dy == 0:
                continue
            y = np.clip(rows + dy, 0, height - 1)
            x = np.clip(cols + dx, 0, width - 1)
            axis = image[y, x] - under
            power = dot(axis, axis)
            along = dot(axis, wanted)
            off = length - along * along / np.maximum(power, 1e-6)
            better = (power > farthest) & (along > 0) & (off <= limit) & mask[y, x]
            farthest[better] = power[better]
            along_best[better] = along[better]
    alpha = np.divide(along_best, farthest, out=np.zeros_like(length), where=farthest > 1e-6)
    # Outside, a pixel that nothing inside explains is the backdrop, half a level off by rounding.
    alpha[~mask[rows, cols] & (farthest == length)] = 0.0
    return np.clip(alpha, 0.0, 1.0).astype(np.float32)
