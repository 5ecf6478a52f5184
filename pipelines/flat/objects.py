"""What stands on the backdrop and panels: drawings and loose shapes, one element each."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32
from layerstudio.document import Role
from layerstudio.geometry import Bounds
from layerstudio.pipelines.flat.analysis import Analysis, dilate
from layerstudio.pipelines.flat.edges import cut_out
from layerstudio.pipelines.flat.element import Element

# Pieces closer than this share of the canvas's longest side belong to one drawing.
_JOIN_SHARE = 0.006
_MIN_AREA = 12


def find_drawings(analysis: Analysis, backdrop: F32, mask: NDArray[np.bool_]) -> list[Element]:
    """One element per cluster of connected pieces of ``mask`` (h, w), largest first."""
    joined = dilate(mask, max(1, round(_JOIN_SHARE * analysis.extent.longest_side)))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        joined.astype(np.uint8), connectivity=8, ltype=cv2.CV_32S
    )
    elements = []
    for label in range(1, count):
        x, y, width, height = (int(v) for v in stats[label, :4])
        bounds = Bounds(x, y, width, height).padded(2).clamped(analysis.extent)
        own = (labels[bounds.slices] == label) & mask[bounds.slices]
        if np.count_nonzero(own) >= _MIN_AREA:
            elements.append(_drawing(analysis, backdrop, bounds, own))
    return sorted(elements, key=lambda element: -float(element.alpha.sum()))


def _drawing(analysis: Analysis, backdrop: F32, bounds: Bounds, own: NDArray[np.bool_]) -> Element:
    image = analysis.rgb[bounds.slices].astype(np.float32)
    alpha, colour = cut_out(image, backdrop[bounds.slices], own, analysis.tolerance)
    box = Bounds.of_mask(alpha > 0)
    return Element(
        Role.OBJECT,
        box.moved(bounds.x, bounds.y),
        alpha[box.slices].copy(),
        colour[box.slices].copy(),
        "drawing",
    )
