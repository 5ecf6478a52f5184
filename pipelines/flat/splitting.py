"""More layers: an element comes apart into lines of text, loose pieces, or colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from layerstudio.document import Role
from layerstudio.geometry import Bounds
from layerstudio.pipelines.flat.blocks import Block
from layerstudio.pipelines.flat.element import Element

Bools = NDArray[np.bool_]

_KMEANS_SEED = 7  # any constant: the split must be the same each time
_MIN_PIECE = 16  # pixels
_MIN_CONTRAST = 40.0  # levels between two colours that are worth a layer each


def split_to(elements: Sequence[Element], count: int) -> list[Element]:
    """``count`` elements bottom to top, or as many as they come apart into.

    Background and shadows stay whole; the largest of the others is split first.
    """
    kept = list(elements)
    for pieces_of in (_lines, _loose_pieces, _colours):
        whole: set[int] = set()  # ids of elements that do not come apart this way
        while len(kept) < count:
            index = _largest(kept, whole)
            if index is None:
                break
            masks = pieces_of(kept[index])
            if masks:
                kept[index : index + 1] = [_part(kept[index], mask) for mask in masks]
            else:
                whole.add(id(kept[index]))
    return kept


def _largest(elements: list[Element], whole: set[int]) -> int | None:
    open_ones = [
        index
        for index, element in enumerate(elements)
        if element.role not in (Role.BACKGROUND, Role.SHADOW) and id(element) not in whole
    ]
    return max(open_ones, key=lambda index: elements[index].bounds.area, default=None)


def _part(element: Element, mask: Bools) -> Element:
    alpha = np.where(mask, element.alpha, 0).astype(np.float32)
    box = Bounds.of_mask(alpha > 0)
    return replace(
        element,
        bounds=box.moved(element.bounds.x, element.bounds.y),
        alpha=alpha[box.slices].copy(),
        colour=element.colour[box.slices].copy(),
        block=_block_within(element, mask),
        text=None,
    )


def _block_within(element: Element, mask: Bools) -> Block | None:
    """The lines whose ink lies in ``mask``; None if another line is cut in two."""
    if element.block is None:
        return None
    kept = []
    for line in element.block.lines:
        box = line.bounds.relative_to(element.bounds)
        seen = box.clamped(element.bounds.extent)
        ink = line.mask()[seen.relative_to(box).slices]
        share = float(mask[seen.slices][ink].mean()) if ink.any() else 0.0
        if share > 0.97:
            kept.append(line)
        elif share > 0.03:
            return None
    return Block(tuple(kept), element.block.align) if kept else None


def _lines(element: Element) -> list[Bools]:
    """The upper half of a block's lines, and the lower."""
    if element.block is None or len(element.block.lines) < 2:
        return []
    boxes = sorted((line.bounds for line in element.block.lines), key=lambda bounds: bounds.y)
    half = len(boxes) // 2
    border = (boxes[half - 1].bottom + boxes[half].y) // 2 - element.bounds.y
    upper = np.zeros(element.alpha.shape, bool)
    upper[: max(0, border)] = True
    return _both(element, upper)


def _loose_pieces(element: Element) -> list[Bools]:
    """Two sides of the widest gap between the connected pieces' centres, text left whole."""
    if element.role is Role.TEXT:
        return []
    _, found, stats, centres = cv2.connectedComponentsWithStats(
        (element.alpha > 0).astype(np.uint8), connectivity=8
    )
    labels = np.asarray(found, np.int32)
    large = np.flatnonzero(stats[1:, cv2.CC_STAT_AREA] >= _MIN_PIECE) + 1
    if len(large) < 2:
        return []
    places = centres[1:]
    axis = int(np.argmax(np.ptp(centres[large], axis=0)))
    along = np.sort(centres[large, axis])
    gap = int(np.argmax(np.diff(along)))
    border = (along[gap] + along[gap + 1]) / 2
    first = np.concatenate([[False], places[:, axis] < border])
    return _both(element, first[labels])


def _colours(element: Element) -> list[Bools]:
    """Two clusters of colour (k-means of up to 20,000 opaque pixels), if they clearly differ."""
    colours = element.colour[element.alpha > 0.5].astype(np.float32)
    if len(colours) < 2 * _MIN_PIECE or float(np.ptp(colours, axis=0).max()) < _MIN_CONTRAST:
        return []
    sample = colours[:: max(1, len(colours) // 20_000)]
    cv2.setRNGSeed(_KMEANS_SEED)
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 20, 0.5)
    labels = np.zeros((len(sample), 1), np.int32)
    _, _, centres = cv2.kmeans(sample, 2, labels, criteria, 2, cv2.KMEANS_PP_CENTERS)
    if float(np.abs(centres[0] - centres[1]).max()) < _MIN_CONTRAST:
        return []
    first = np.square(element.colour - centres[0]).sum(axis=2)
    second = np.square(element.colour - centres[1]).sum(axis=2)
    return _both(element, first <= second)


def _both(element: Element, first: Bools) -> list[Bools]:
    """A mask and its complement, where both hold some of the element."""
    shown = element.alpha > 0
    sizes = np.count_nonzero(shown & first), np.count_nonzero(shown & ~first)
    return [first, ~first] if min(sizes) >= _MIN_PIECE else []
