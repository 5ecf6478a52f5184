"""Weights of a palette that are smooth across the picture.

Tan, Echevarria and Gingold (SIGGRAPH Asia 2018, section 4): every pixel is a point of colour and
place, a mix of the corners of the hull of all such points; each corner in turn is a mix of the
palette's colours. Both mixes are linear, so their product is the pixel's mix of the palette.

Two things bound the work. The hull of five dimensions is that of a small picture, and of the points
that are outermost in some hundreds of directions; its weights become functions of colour
(``GuidedMaps``) that give the large picture's. And whatever weights are estimated are
corrected to mix the pixel exactly, in closed form.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, Delaunay

from layerstudio.color import F32
from layerstudio.ops.guided_maps import GuidedMaps
from layerstudio.ops.tessellation import Tessellation, reduced

WORKING_PIXELS = 256 * 256  # of the small picture
_DIRECTIONS = 256  # in which the outermost points are looked for: about half as many corners
_CHUNK = 4096
_RADIUS = 3  # of the small picture: a window of 7
_EPSILON = 1e-4  # He, Sun and Tang's smallest: (2.55 levels) squared


def smooth_weights(picture: F32, tessellation: Tessellation, seed: int) -> F32:
    """(h, w, k) of a small ``picture`` (h, w, 3) in [0, 1]; they mix it exactly."""
    height, width = picture.shape[:2]
    colours = picture.reshape(-1, 3)
    if len(tessellation.colours) <= tessellation.rank + 1:
        return tessellation.weights(colours).reshape(height, width, -1)  # there are no others
    ys, xs = np.mgrid[:height, :width].astype(np.float32) / max(height, width, 2)
    points = np.column_stack([colours, xs.ravel(), ys.ravel()])
    mixed = _two_levels(points, tessellation, seed)
    return corrected(mixed, colours, tessellation).reshape(height, width, -1)


def as_functions(picture: F32, weights: F32) -> GuidedMaps:
    """``weights`` (h, w, k) of a small picture, ready for the large one."""
    return GuidedMaps(picture, weights, radius=_RADIUS, epsilon=_EPSILON)


def corrected(weights: F32, colours: F32, tessellation: Tessellation) -> F32:
    """Weights (n, k) near the estimates ``weights``, >= 0 with sum 1, that mix ``colours`` (n, 3).

    What an estimate mixes too much or too little is made up by the difference of the two colours'
    own weights, which leaves the sum 1 and the mix right; where that makes a weight negative, as
    much of the colour's own weights is taken as lifts it to 0.
    """
    kept = np.maximum(weights, 0.0)
    kept /= np.maximum(kept.sum(axis=1, keepdims=True), 1e-6)
    own = tessellation.weights(colours)
    made = kept + own - tessellation.weights(kept @ tessellation.colours)
    short = np.where(made < 0, -made / np.maximum(own - made, 1e-12), 0.0).max(axis=1)
    made += short[:, None] * (own - made)
    np.maximum(made, 0.0, out=made)
    return made / made.sum(axis=1, keepdims=True)


def _two_levels(points: F32, tessellation: Tessellation, seed: int) -> F32:
    placed, rank = reduced(points)
    corners = _outermost(placed, seed)
    palette_mix = tessellation.weights(points[corners, :3])
    if len(corners) < rank + 2:
        return tessellation.weights(points[:, :3])
    return (_mix_of_corners(placed, corners) @ palette_mix).astype(np.float32)


def _outermost(placed: NDArray, seed: int) -> NDArray[np.intp]:
    """Indices of the points that are outermost in random directions, both ways."""
    rng = np.random.default_rng(seed)
    directions = rng.normal(size=(_DIRECTIONS // 2, placed.shape[1]))
    found: set[int] = set()
    for start in range(0, len(directions), 16):
        along = placed @ directions[start : start + 16].T
        found.update(along.argmax(axis=0).tolist(), along.argmin(axis=0).tolist())
    return np.array(sorted(found), np.intp)


def _mix_of_corners(placed: NDArray, corners: NDArray[np.intp]) -> NDArray:
    """(n, c) barycentric coordinates of all points in Delaunay's simplices of some of them.

    Points beyond the hull of the chosen corners are drawn towards its middle until they touch it.
    Qhull's "QJ" joggles points that lie in one plane.
    """
    triangulation = Delaunay(placed[corners], qhull_options="QJ")
    inside = placed.copy()
    which = triangulation.find_simplex(inside)
    outside = np.flatnonzero(which < 0)
    inside[outside] = _drawn_in(placed[outside], placed[corners])
    which[outside] = triangulation.find_simplex(inside[outside], tol=1e-6)
    rank = placed.shape[1]
    transform = triangulation.transform[which]
    rest = np.einsum("nij,nj->ni", transform[:, :rank], inside - transform[:, rank])
    mix = np.column_stack([rest, 1.0 - rest.sum(axis=1)])
    lost = (which < 0) | ~np.isfinite(mix).all(axis=1)
    result = np.zeros((len(placed), len(corners)), np.float32)
    np.put_along_axis(result, triangulation.simplices[which], np.where(lost[:, None], 0, mix), 1)
    result[lost] = 1.0 / len(corners)  # ``corrected`` makes these right
    return result


def _drawn_in(points: NDArray, corners: NDArray) -> NDArray:
    """Points moved straight towards the middle of the hull of ``corners``, just into it."""
    faces = ConvexHull(corners, qhull_options="QJ").equations
    middle = corners.mean(axis=0)
    room = -(faces[:, :-1] @ middle + faces[:, -1])
    moved = np.empty_like(points)
    for start in range(0, len(points), _CHUNK):
        offset = points[start : start + _CHUNK] - middle
        reach = (offset @ faces[:, :-1].T / np.maximum(room, 1e-12)).max(axis=1)
        moved[start : start + _CHUNK] = (
            middle + offset / np.maximum(reach * (1 + 1e-4), 1.0)[:, None]
        )
    return moved
