"""Barycentric coordinates of colours in a palette.

The palette's colours are joined to simplices: tetrahedra, or triangles, segments or a single point
where the colours lie in a plane, on a line or together. A colour inside is a mix of the corners of
its simplex; a colour outside is taken as the nearest one inside. Both are continuous in the colour,
so what is smooth in a picture has smooth weights.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, Delaunay

from layerstudio.color import F32

FLAT = 1.0 / 255.0  # extent below which colours count as lying in one plane, line or point
_CHUNK = 16_384  # colours worked at once: a core's cache holds what one step touches
_INSIDE = -1e-4  # least coordinate that still counts as inside: 0.03 levels at most

Indices = NDArray[np.intp]


class Tessellation:
    """Simplices of ``colours`` (k, 3) in [0, 1]; ``rank`` is the dimension that they fill."""

    def __init__(self, colours: NDArray) -> None:
        self.colours = np.asarray(colours, np.float32).reshape(-1, 3)
        placed, self.rank = reduced(self.colours)
        solids, faces, edges = _simplices(self.colours, placed, self.rank)
        self._solids = [_Simplex(self.colours, corners) for corners in solids]
        middle = self.colours.mean(axis=0) if self.rank == 3 else None
        self._faces = [_Simplex(self.colours, corners, behind=middle) for corners in faces]
        self._edges = [_Simplex(self.colours, corners) for corners in edges]

    def weights(self, colours: F32) -> F32:
        """(n, k) weights >= 0 with sum 1 that mix each of ``colours`` (n, 3), or the nearest colour
        that the palette can mix."""
        result = np.zeros((len(colours), len(self.colours)), np.float32)
        for start in range(0, len(colours), _CHUNK):
            part = slice(start, start + _CHUNK)
            self._fill(np.ascontiguousarray(colours[part].T, np.float32), result[part])
        return result

    def distances(self, colours: F32) -> F32:
        """(n,) distance of each colour to the nearest one that the palette can mix."""
        off = self.weights(colours) @ self.colours - colours
        return np.sqrt(np.einsum("ij,ij->i", off, off))

    def _fill(self, planes: F32, result: F32) -> None:
        """``planes`` (3, n)."""
        if self.rank == 0:
            result[:, 0] = 1.0
            return
        rest = np.arange(planes.shape[1])
        for simplices in (self._solids, self._faces):
            # The nearest point of a convex body lies inside a face that the colour is before, at
            # its projection, or else on an edge.
            for simplex in simplices:
                if rest.size:
                    rest = rest[~simplex.settle(planes, rest, result)]
        if rest.size:
            self._settle_on_edges(planes, rest, result)

    def _settle_on_edges(self, planes: F32, rest: Indices, result: F32) -> None:
        points = planes[:, rest]
        best = np.full(len(rest), np.inf, np.float32)
        which = np.zeros(len(rest), np.intp)
        share = np.zeros(len(rest), np.float32)
        for index, edge in enumerate(self._edges):
            along = np.clip(edge.coordinates(points)[0], 0.0, 1.0)
            off = points - edge.origin - edge.axes[0][:, None] * along
            distance = np.einsum("ij,ij->j", off, off)
            closer = distance < best
            np.copyto(best, distance, where=closer)
            np.copyto(share, along, where=closer)
            which[closer] = index
        ends = np.stack([edge.corners for edge in self._edges])[which]
        result[rest, ends[:, 0]] = 1.0 - share
        result[rest, ends[:, 1]] = share


class _Simplex:
    """``corners`` (c,) of the palette: a tetrahedron, a triangle or a segment.

    A triangle of a hull has the colour ``behind`` it, and takes only what is before it.
    """

    def __init__(self, colours: F32, corners: Indices, behind: F32 | None = None) -> None:
        self.corners = corners
        self.origin = colours[corners[0]][:, None]
        self.axes = colours[corners[1:]] - colours[corners[0]]
        self._inverse = np.linalg.pinv(self.axes.T.astype(np.float64)).astype(np.float32)
        self._normal = None
        if behind is not None:
            normal = np.cross(*self.axes)
            self._normal = normal * -np.sign(normal @ (behind - self.origin[:, 0]))

    def coordinates(self, points: F32) -> F32:
        """(c - 1, n) coordinates, of all corners but the first, of the projections of (3, n)."""
        return np.asarray(self._inverse @ (points - self.origin), np.float32)

    def settle(self, planes: F32, rest: Indices, result: F32) -> NDArray[np.bool_]:
        """Set the weights of those points among ``rest`` that project inside; which they are."""
        whole = len(rest) == planes.shape[1]
        points = planes if whole else planes[:, rest]
        mixed = self.coordinates(points)
        first = 1.0 - mixed.sum(axis=0)
        inside = np.minimum(mixed.min(axis=0), first) >= _INSIDE
        if self._normal is not None:
            inside &= self._normal @ points >= self._normal @ self.origin
        rows = rest[inside]
        chosen = np.maximum(np.vstack([first, mixed])[:, inside], 0.0)
        chosen /= chosen.sum(axis=0)
        for corner, weight in zip(self.corners, chosen, strict=True):
            result[rows, corner] = weight
        return inside


def reduced(points: NDArray, flat: float = FLAT) -> tuple[NDArray[np.float64], int]:
    """``points`` (n, d) in coordinates along the axes in which they extend, largest first, and the
    number of those axes; others extend by less than ``flat``."""
    centred = np.asarray(points, np.float64) - np.mean(points, axis=0, dtype=np.float64)
    _, axes = np.linalg.eigh(centred.T @ centred)
    placed = centred @ axes[:, ::-1]
    extends = np.ptp(placed, axis=0) > flat
    return placed[:, extends], int(extends.sum())


def _simplices(
    colours: F32, placed: NDArray[np.float64], rank: int
) -> tuple[Indices, Indices, Indices]:
    """Tetrahedra, triangles and segments, in the order in which a colour is looked for."""
    solids, faces, edges = (np.zeros((0, size), np.intp) for size in (4, 3, 2))
    if rank == 3:
        hull = ConvexHull(placed)
        solids, faces = _tetrahedra(colours, hull), hull.simplices.astype(np.intp)
    elif rank == 2:
        faces = Delaunay(placed).simplices.astype(np.intp)
    elif rank == 1:
        order = np.argsort(placed[:, 0], kind="stable")
        edges = np.stack([order[:-1], order[1:]], axis=1)
    if len(faces):
        pairs = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
        edges = np.unique(np.sort(pairs, axis=1), axis=0)
    return solids, faces, edges


def _tetrahedra(colours: F32, hull: ConvexHull) -> Indices:
    """The star of the darkest colour (Tan, Echevarria and Gingold 2018, section 4: it keeps a line
    of greys in one piece) where all colours are corners of their hull, else Delaunay's."""
    if len(hull.vertices) < len(colours):
        return Delaunay(colours.astype(np.float64)).simplices.astype(np.intp)
    pivot = int(colours.sum(axis=1).argmin())
    away = ~(hull.simplices == pivot).any(axis=1)
    fans = np.column_stack([np.full(int(away.sum()), pivot), hull.simplices[away]])
    edges = colours[fans[:, 1:]] - colours[fans[:, :1]]
    # A face that lies in one plane with the pivot spans nothing.
    return fans[np.abs(np.linalg.det(edges.astype(np.float64))) > 1e-9].astype(np.intp)
