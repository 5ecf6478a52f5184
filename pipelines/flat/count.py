"""Keeping to a number of layers: merging what belongs together, splitting what comes apart."""

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

_KMEANS_SEED = 7  # any constant: the split must be the same each time
_MIN_PIECE = 16  # pixels


def keep_to(elements: Sequence[Element], count: int) -> list[Element]:
    """``count`` elements bottom to top, or as many as the picture can be split into.

    The background is one of them and is only merged when a single layer is wanted.
    """
    kept = list(elements)
    while len(kept) > count:
        lower, upper = _best_merge(kept)
        kept[lower] = merged(kept[lower], kept[upper])
        del kept[upper]
    while len(kept) < count:
        index, parts = _best_split(kept)
        if not parts:
            break
        kept[index : index + 1] = parts
    return kept


def merged(lower: Element, upper: Element) -> Element:
    """Both as one element: source-over of their straight colours."""
    bounds = lower.bounds.union(upper.bounds)
    alpha = np.zeros(bounds.extent.shape, np.float32)
    premul = np.zeros((*alpha.shape, 3), np.float32)
    for element in (lower, upper):
        view = element.bounds.relative_to(bounds).slices
        weight = element.alpha[..., None]
        premul[view] = element.colour * weight + premul[view] * (1 - weight)
        alpha[view] = element.alpha + alpha[view] * (1 - element.alpha)
    np.divide(premul, alpha[..., None], out=premul, where=alpha[..., None] > 0)
    main = lower if lower.alpha.sum() >= upper.alpha.sum() else upper
    if Role.SHADOW in (lower.role, upper.role):
        main = upper if lower.role is Role.SHADOW else lower
    return replace(main, bounds=bounds, alpha=alpha, colour=premul, block=None, text=None)


def _best_merge(elements: list[Element]) -> tuple[int, int]:
    """The two elements that a person would miss least as separate layers."""
    if len(elements) == 2:
        return 0, 1
    pairs = [
        (_merge_cost(elements[low], elements[high]), low, high)
        for high in range(2, len(elements))
        for low in range(1, high)
        if _can_sink(elements, low, high)
    ]
    _, low, high = min(pairs)
    return low, high


def _can_sink(elements: list[Element], low: int, high: int) -> bool:
    """Whether ``high`` may move down onto ``low`` without passing something it covers."""
    bounds = elements[high].bounds
    return not any(between.bounds.overlaps(bounds) for between in elements[low + 1 : high])


def _merge_cost(lower: Element, upper: Element) -> float:
    """Cheap: a shadow with what it touches, small with near, same role with same role."""
    smaller = min(float(lower.alpha.sum()), float(upper.alpha.sum()))
    joint = lower.bounds.union(upper.bounds)
    spread = joint.area / max(1, lower.bounds.area + upper.bounds.area)
    cost = smaller * max(1.0, spread)
    if lower.role is Role.SHADOW:
        return cost * (0.02 if lower.bounds.overlaps(upper.bounds) else 50.0)
    return cost * (0.25 if lower.role is upper.role else 4.0)


def _best_split(elements: list[Element]) -> tuple[int, list[Element]]:
    """The element that comes apart best: lines of text, then loose pieces, then colours."""
    order = sorted(range(1, len(elements)), key=lambda i: -float(elements[i].alpha.sum()))
    for pieces_of in (_lines, _loose_pieces, _colours):
        for index in order:
            masks = pieces_of(elements[index])
            if len(masks) == 2:
                return index, [_part(elements[index], mask) for mask in masks]
    return 0, []


def _part(element: Element, mask: NDArray[np.bool_]) -> Element:
    alpha = np.where(mask, element.alpha, 0).astype(np.float32)
    box = Bounds.of_mask(alpha > 0)
    bounds = box.moved(element.bounds.x, element.bounds.y)
    lines = [x for x in element.block.lines if bounds.contains(x.bounds)] if element.block else []
    return replace(
        element,
        bounds=bounds,
        alpha=alpha[box.slices].copy(),
        colour=element.colour[box.slices].copy(),
        block=Block(tuple(lines), element.block.align) if element.block and lines else None,
        text=None,
    )


def _lines(element: Element) -> list[NDArray[np.bool_]]:
    """The upper half of a block's lines, and the lower."""
    if element.block is None or len(element.block.lines) < 2:
        return []
    boxes = sorted((line.bounds for line in element.block.lines), key=lambda bounds: bounds.y)
    half = len(boxes) // 2
    border = (boxes[half - 1].bottom + boxes[half].y) // 2 - element.bounds.y
    upper = np.zeros(element.alpha.shape, bool)
    upper[: max(0, border)] = True
    return _both(element, upper)


def _loose_pieces(element: Element) -> list[NDArray[np.bool_]]:
    """The largest connected piece, and the others."""
    if element.role not in (Role.OBJECT, Role.TEXT):
        return []
    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        (element.alpha > 0).astype(np.uint8), connectivity=8
    )
    if count < 3:
        return []
    return _both(element, labels == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax()))


def _colours(element: Element) -> list[NDArray[np.bool_]]:
    """Two clusters of colour (k-means of up to 20,000 opaque pixels)."""
    solid = element.alpha > 0.5
    colours = element.colour[solid].astype(np.float32)
    if len(colours) < 2 * _MIN_PIECE or float(np.ptp(colours, axis=0).max()) < 8:
        return []
    sample = colours[:: max(1, len(colours) // 20_000)]
    cv2.setRNGSeed(_KMEANS_SEED)
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 20, 0.5)
    labels = np.zeros((len(sample), 1), np.int32)
    _, _, centres = cv2.kmeans(sample, 2, labels, criteria, 2, cv2.KMEANS_PP_CENTERS)
    first = np.square(element.colour - centres[0]).sum(axis=2)
    second = np.square(element.colour - centres[1]).sum(axis=2)
    return _both(element, first <= second)


def _both(element: Element, first: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
    """A mask and its complement, where both hold some of the element."""
    shown = element.alpha > 0
    sizes = np.count_nonzero(shown & first), np.count_nonzero(shown & ~first)
    return [first, ~first] if min(sizes) >= _MIN_PIECE else []
