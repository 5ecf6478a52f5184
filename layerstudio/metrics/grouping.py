"""Layers that do not overlap are one layer: LayerD's grouping (arXiv 2509.25134)."""

from __future__ import annotations

from functools import reduce

import cv2
import numpy as np

from layerstudio.color import U8
from layerstudio.geometry import Bounds
from layerstudio.metrics.sheets import Stack, check_stacks, laid_over


def group_layers(stack: Stack) -> list[U8]:
    """``stack`` (bottom to top) with layers that do not overlap flattened into one, bottom to top.

    Again and again, all layers with nothing above them are taken off together; each such set is
    a group. Layers overlap where both have alpha > 0. Raises ``InvalidRequest`` for a stack that
    is empty or whose layers differ in size.
    """
    check_stacks(stack)
    shapes = [_Shape(layer) for layer in stack]
    depths = _depths(shapes)
    groups: list[U8] = []
    for depth in range(max(depths), -1, -1):
        members = [index for index, own in enumerate(depths) if own == depth]
        groups.append(_flattened([(stack[index], shapes[index].bounds) for index in members]))
    return groups


class _Shape:
    """Where a layer has alpha > 0: its bounds, and a bitmap of eight pixels to the byte."""

    def __init__(self, layer: U8) -> None:
        alpha = cv2.extractChannel(layer, 3)
        self.bounds = Bounds.of_mask(alpha)
        self._bits = np.packbits(alpha > 0, axis=1)

    def overlaps(self, other: _Shape) -> bool:
        common = self.bounds.intersection(other.bounds)
        if common.is_empty:
            return False
        place = (slice(common.y, common.bottom), slice(common.x // 8, -(-common.right // 8)))
        return bool((self._bits[place] & other._bits[place]).any())


def _depths(shapes: list[_Shape]) -> list[int]:
    """How many sets are taken off before each layer: one more than the deepest layer on it."""
    depths = [0] * len(shapes)
    for index in reversed(range(len(shapes))):
        above = sorted(range(index + 1, len(shapes)), key=depths.__getitem__, reverse=True)
        covering = (other for other in above if shapes[index].overlaps(shapes[other]))
        deepest = next(covering, None)
        depths[index] = 0 if deepest is None else depths[deepest] + 1
    return depths


def _flattened(members: list[tuple[U8, Bounds]]) -> U8:
    (lowest, _), *others = members
    return reduce(lambda below, above: laid_over(below, *above), others, lowest)
