"""Connected pieces of ink, measured: the letters that lines of text are made of, and the rest."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from layerstudio.geometry import Bounds

Bools = NDArray[np.bool_]
RGB = tuple[float, float, float]

_SMALLEST_AREA = 2  # pixels; the dot of an i at 8 px is 2 x 1


@dataclass(frozen=True, eq=False)
class Glyph:
    """One 8-connected component of ink.

    ``bounds`` on the canvas, ``mask`` (h, w) over it, ``color`` (0..255) of its core,
    ``stroke`` and ``widest`` the typical and the largest stroke width in pixels.
    """

    bounds: Bounds
    area: int
    color: RGB
    stroke: float
    widest: float
    mask: Bools
    index: int

    @property
    def fill(self) -> float:
        """Share of the box that is ink."""
        return self.area / max(self.bounds.area, 1)

    @property
    def aspect(self) -> float:
        return self.bounds.width / max(self.bounds.height, 1)


def glyphs_of(mask: Bools, image: NDArray, bounds: Bounds) -> list[Glyph]:
    """The components of ``mask`` (h, w) with the colours of ``image`` (h, w, 3) in 0..255.

    ``bounds`` is the place of both on the canvas. Stroke widths come from the distance transform:
    over a bar of width w its mean is (w / 2 + 1) / 2.
    """
    ink = mask.view(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
    if count <= 1:
        return []
    edged = cv2.copyMakeBorder(ink, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    depth = cv2.distanceTransform(edged, cv2.DIST_L2, 3)[1:-1, 1:-1]
    inside = np.flatnonzero(mask)
    of_pixel, depths = labels.ravel()[inside].astype(np.int64), depth.ravel()[inside]
    total = np.maximum(np.bincount(of_pixel, depths, count), 1e-6)
    pixels = image.reshape(-1, image.shape[2])[inside]
    colors = np.stack(
        [np.bincount(of_pixel, depths * pixels[:, c], count) / total for c in range(3)], axis=1
    )
    deepest = np.zeros(count, dtype=np.float32)
    np.maximum.at(deepest, of_pixel, depths)
    glyphs = []
    for label in range(1, count):
        x, y, width, height, area = (int(value) for value in stats[label])
        if area < _SMALLEST_AREA:
            continue
        box = Bounds(x, y, width, height)
        red, green, blue = (float(value) for value in colors[label])
        glyphs.append(
            Glyph(
                bounds=box.moved(bounds.x, bounds.y),
                area=area,
                color=(red, green, blue),
                stroke=max(1.0, 4.0 * float(total[label]) / area - 2.0),
                widest=max(1.0, 2.0 * float(deepest[label]) - 1.0),
                mask=labels[box.slices] == label,
                index=len(glyphs),
            )
        )
    return glyphs


def color_distance(one: RGB, other: RGB) -> float:
    """Largest channel difference in levels."""
    return max(abs(a - b) for a, b in zip(one, other, strict=True))
