"""What stands on the backdrop and panels: drawings and loose shapes, one element each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32
from layerstudio.document import Role
from layerstudio.geometry import Bounds
from layerstudio.pipelines.flat.analysis import Analysis, dilate, find_regions
from layerstudio.pipelines.flat.edges import cut_out
from layerstudio.pipelines.flat.element import Element

# Pieces closer than this share of the canvas's longest side belong to one drawing.
_JOIN_SHARE = 0.006
_MIN_AREA = 12
_ROW_SHARE = 0.4  # of the lower height that things in one row share


def find_drawings(analysis: Analysis, backdrop: F32, mask: NDArray[np.bool_]) -> list[Element]:
    """One element per cluster of connected pieces of ``mask`` (h, w), in reading order."""
    longest, shortest = analysis.extent.longest_side, min(analysis.extent)
    radius = min(max(1, round(_JOIN_SHARE * longest)), max(1, shortest // 4))
    clusters = find_regions(dilate(mask, radius), connectivity=8)
    elements = []
    for label in range(1, len(clusters.areas)):
        bounds = clusters.bounds(label).padded(2).clamped(analysis.extent)
        own = clusters.mask(label, bounds) & mask[bounds.slices]
        if np.count_nonzero(own) >= _MIN_AREA:
            elements.append(_drawing(analysis, backdrop, bounds, own))
    return in_reading_order(elements)


def in_reading_order(elements: Sequence[Element]) -> list[Element]:
    """Row by row from the top, each from the left: things that do not touch have no other order,
    and this is the one in which people put them down and look for them."""
    ranks = reading_ranks([element.bounds for element in elements])
    return [elements[number] for number in np.argsort(ranks, kind="stable")]


def reading_ranks(boxes: Sequence[Bounds]) -> list[int]:
    """The place of each box in reading order, from 0."""
    rows: list[list[int]] = []
    for number in sorted(range(len(boxes)), key=lambda n: (boxes[n].y, boxes[n].x)):
        if rows and _beside(boxes[rows[-1][0]], boxes[number]):
            rows[-1].append(number)
        else:
            rows.append([number])
    order = [number for row in rows for number in sorted(row, key=lambda n: boxes[n].x)]
    ranks = [0] * len(boxes)
    for rank, number in enumerate(order):
        ranks[number] = rank
    return ranks


def _beside(one: Bounds, other: Bounds) -> bool:
    """Whether they share much of their height."""
    common = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
    return common >= _ROW_SHARE * min(one.height, other.height)


def _drawing(analysis: Analysis, backdrop: F32, bounds: Bounds, own: NDArray[np.bool_]) -> Element:
    image = analysis.rgb[bounds.slices].astype(np.float32)
    alpha, colour = cut_out(image, backdrop[bounds.slices], own, analysis.tolerance)
    return Element(Role.OBJECT, bounds, alpha, colour, "drawing").cropped()
