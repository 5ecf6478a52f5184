"""Alpha and colour of things cut out of a known backdrop: soft edges solved, not cut."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32
from layerstudio.ops.unblend import project_alpha, unblend_colour
from layerstudio.pipelines.flat.analysis import dilate, erode

_EDGE = 2  # pixels: an antialiased edge and the pixel on each side of it


def cut_out(
    image: F32, backdrop: F32, mask: NDArray[np.bool_], colour: F32 | None = None
) -> tuple[F32, F32]:
    """Alpha (h, w) and unblended colour (h, w, 3) of what ``mask`` (h, w) marks.

    Inside, alpha is 1. Within an edge's width of the outside it is the projection of the pixel on
    the line from the backdrop to the colour just inside; that colour is the one nearby that
    differs most from the backdrop, or ``colour`` (3,) where the thing has only one.
    """
    core = erode(mask, _EDGE)
    edge = dilate(mask, 1) & ~core
    inner = _strongest_nearby(image, backdrop, mask) if colour is None else colour
    alpha = core.astype(np.float32)
    measured = project_alpha(image, inner, backdrop)
    alpha[edge] = measured[edge]
    alpha[alpha < 1.5 / 255] = 0.0
    alpha[alpha > 1 - 2.0 / 255] = 1.0
    if colour is not None:
        flat = np.broadcast_to(np.float32(colour), image.shape).copy()
        keep = core & (np.abs(image - flat).max(axis=2) > 24)
        flat[keep] = image[keep]
        return alpha, flat
    return alpha, unblend_colour(image, alpha, backdrop)


def _strongest_nearby(image: F32, backdrop: F32, mask: NDArray[np.bool_]) -> F32:
    """For each pixel the colour, at most an edge's width away, farthest from its backdrop.

    A grey dilation of the distance finds the winner; its colour is fetched by comparing each
    shifted copy with it.
    """
    distance = np.abs(image - backdrop).sum(axis=2)
    distance[~mask] = 0.0
    size = 2 * _EDGE + 1
    best = cv2.dilate(distance, np.ones((size, size), np.uint8))
    result = image.copy()
    height, width = distance.shape
    for dy in range(-_EDGE, _EDGE + 1):
        for dx in range(-_EDGE, _EDGE + 1):
            to = (
                slice(max(0, -dy), min(height, height - dy)),
                slice(max(0, -dx), min(width, width - dx)),
            )
            source = (
                slice(max(0, dy), min(height, height + dy)),
                slice(max(0, dx), min(width, width + dx)),
            )
            hit = (distance[source] == best[to]) & (best[to] > 0)
            result[to][hit] = image[source][hit]
    return result
