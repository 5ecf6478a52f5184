"""Mattes by PyMatting, which needs no weights.

The first import on a machine compiles it, for a minute or more; what is compiled is kept beside the
package (or where ``NUMBA_CACHE_DIR`` says).
"""

from __future__ import annotations

from typing import ClassVar, Self

import cv2
import numpy as np

from layerstudio.color import F32, U8, to_float
from layerstudio.geometry import Bounds, Extent
from layerstudio.ops.guided import linear_models
from layerstudio.pipelines.runtime import Runtime
from layerstudio.pipelines.stages.contracts import Mask, StageCard
from layerstudio.pipelines.stages.open_tiles import OpenTile, joined, tiles_around
from layerstudio.pipelines.stages.trimaps import is_unknown, kept, required
from layerstudio.progress import CancelToken

_SIDE, _CONTEXT = 512, 48  # pixels of a tile of the closed form: about 300 MB
_EDGE = 2  # pixels: what a 3 x 3 window's neighbour is in a window with
_KNN_PIXELS, _KNN_MARGIN = 2**17, 32
_RADIUS, _EPSILON = 4, 1e-5  # of the filter that enlarges what was worked smaller


class ClosedFormMatter:
    card: ClassVar[StageCard] = StageCard(
        id="closed-form",
        kind="matte",
        title="PyMatting, closed form",
        reference="Levin et al. 2008, A Closed-Form Solution to Natural Image Matting (PAMI 30:2)",
        code_licence="MIT",
        weights_licence=None,
        takes=("trimap",),
    )

    @classmethod
    def open(cls, runtime: Runtime, base: str = "") -> Self:
        import pymatting  # noqa: F401  # what can fail or take long happens here

        return cls()

    def alpha(self, rgb: U8, trimap: F32 | None, *, cancel: CancelToken) -> F32:
        trimap = required(trimap, rgb.shape[:2], self.card.id)
        return kept(_from_coarse(rgb, trimap, cancel), trimap)


class KnnMatter:
    card: ClassVar[StageCard] = StageCard(
        id="knn",
        kind="matte",
        title="PyMatting, nearest neighbours",
        reference="Chen et al. 2013, KNN Matting (PAMI 35:9)",
        code_licence="MIT",
        weights_licence=None,
        takes=("trimap",),
    )

    @classmethod
    def open(cls, runtime: Runtime, base: str = "") -> Self:
        import pymatting  # noqa: F401

        return cls()

    def alpha(self, rgb: U8, trimap: F32 | None, *, cancel: CancelToken) -> F32:
        """What is open is worked at no more than an eighth of a megapixel, and enlarged along the
        picture's edges: neighbours are looked for among all pixels."""
        trimap = required(trimap, rgb.shape[:2], self.card.id)
        alpha = np.array(trimap)
        content = Bounds.of_mask(is_unknown(trimap))
        if not content.is_empty:
            box = content.padded(_KNN_MARGIN).clamped(Extent.of(rgb))
            alpha[box.slices] = _by_neighbours(rgb[box.slices], trimap[box.slices], cancel)
        return kept(alpha, trimap)


def _from_coarse(rgb: U8, trimap: F32, cancel: CancelToken) -> F32:
    """In one box where it fits; else in tiles, which take what they see of no known pixel from
    the solution at half the size."""
    from layerstudio.pipelines.stages.pymatting_systems import closed_form

    is_open = is_unknown(trimap)
    tiles = tiles_around(is_open, side=_SIDE, context=_CONTEXT)
    coarse = _coarse(rgb, trimap, cancel) if len(tiles) > 1 else None

    def work(box: Bounds) -> F32:
        cancel.check()
        values, inside = trimap[box.slices].copy(), is_open[box.slices].copy()
        if coarse is not None:
            values[inside] = coarse[box.slices][inside]
            inside &= ~_at_edge(box, Extent.of(rgb))
        return closed_form(np.ascontiguousarray(rgb[box.slices]), values, inside, cancel)

    if len(tiles) == 1:  # known pixels tell by their neighbourhood: two of them are enough
        own = tiles[0].own
        tiles = (OpenTile(own, own.padded(_EDGE).clamped(Extent.of(rgb))),)
    return joined(tiles, Extent.of(rgb), work)


def _coarse(rgb: U8, trimap: F32, cancel: CancelToken) -> F32 | None:
    """Alpha at half the size, enlarged; None where a kind of known pixels would be lost."""
    size = ((rgb.shape[1] + 1) // 2, (rgb.shape[0] + 1) // 2)
    small = np.asarray(cv2.resize(trimap, size, interpolation=cv2.INTER_AREA), np.float32)
    for kind in (0, 1):
        if (trimap == kind).any() and not (small == kind).any():
            return None
    picture = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
    alpha = kept(_from_coarse(picture, small, cancel), small)
    back = (rgb.shape[1], rgb.shape[0])
    return np.asarray(cv2.resize(alpha, back, interpolation=cv2.INTER_LINEAR), np.float32)


def _at_edge(box: Bounds, extent: Extent) -> Mask:
    """The outermost pixels of a box where the picture goes on beyond."""
    edge = np.zeros(box.extent.shape, bool)
    edge[:_EDGE] |= box.y > 0
    edge[-_EDGE:] |= box.bottom < extent.height
    edge[:, :_EDGE] |= box.x > 0
    edge[:, -_EDGE:] |= box.right < extent.width
    return edge


def _by_neighbours(rgb: U8, trimap: F32, cancel: CancelToken) -> F32:
    from layerstudio.pipelines.stages.pymatting_systems import nearest_neighbours

    scale = (_KNN_PIXELS / trimap.size) ** 0.5
    if scale >= 1:
        return nearest_neighbours(rgb, trimap, is_unknown(trimap), cancel)
    size = [max(1, round(side * scale)) for side in Extent.of(rgb)]
    small = np.asarray(cv2.resize(trimap, size, interpolation=cv2.INTER_AREA), np.float32)
    picture = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
    found = nearest_neighbours(picture, small, is_unknown(small), cancel)
    guide, weight = to_float(picture), np.ones_like(found)
    models = linear_models(guide, found, weight, radius=_RADIUS, epsilon=_EPSILON)
    return np.concatenate([values for _, values in models.in_bands(rgb)])
