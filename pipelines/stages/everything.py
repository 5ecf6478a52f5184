"""All objects of a picture, by asking a network about a grid of points.

The idea, and the thresholds, are those of segment-anything's automatic masks (Kirillov et al.,
2023, appendix B). What differs is what it costs: their generator enlarges all masks of a batch to
the picture's size before it looks at any. Here bad answers go by the scores alone, the rest is
judged on the network's own grid, and only what is kept in the end is enlarged, one mask at a time.
Every second point along both sides is asked first, and the others only where the points around
them do not all lie on one and the same thing already: that is most of the time on most pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from layerstudio.color import F32, U8
from layerstudio.geometry import Bounds, Extent
from layerstudio.pipelines.stages.contracts import Mask, Segment
from layerstudio.pipelines.stages.mask_network import Answers, Frame, Look, MaskNetwork, Prompts
from layerstudio.pipelines.stages.overlaps import Outline, without_duplicates, without_unions
from layerstudio.pipelines.stages.point_grid import (
    canvas_scale,
    grid,
    innermost,
    is_first,
    is_settled,
)
from layerstudio.progress import CancelToken, Progress, ProgressCallback

# segment_anything/automatic_mask_generator.py: points along a side, the score that the network
# expects, and how little a mask may change when its threshold moves by one.
POINTS, SURE, STABLE, SHIFT = 32, 0.88, 0.95, 1.0
# A picture longer than this is looked at once more in 2 x 2 crops, which overlap by this share of
# the shorter side; each with half the points along a side, as crops are a quarter of the picture.
CROPPED_FROM, OVERLAP = 2048, 512 / 1500
_MARGIN = 20  # pixels: a mask that ends so close to a crop's edge may be cut off there
# Specks and holes below this share of the picture are noise: 100 pixels of 1024 x 1024.
_SPECK = 1e-4
_MOST = 600  # masks held at a time; beyond it duplicates go at once


@dataclass(frozen=True, eq=False)
class _Found:
    """A mask that was kept so far: small logits (h, w), and the crop that they are of."""

    logits: Tensor
    frame: Frame
    crop: Bounds
    outline: Outline


def everything(
    network: MaskNetwork, rgb: U8, *, progress: ProgressCallback, cancel: CancelToken
) -> tuple[Segment, ...]:
    """All objects, without duplicates and unions, specks removed, the largest first."""
    extent = Extent.of(rgb)
    crops = crops_of(extent)
    found: list[_Found] = []
    for number, crop in enumerate(crops):
        cancel.check()
        look = network.look(np.ascontiguousarray(rgb[crop.slices]))

        def told(share: float, number: int = number) -> None:
            progress(Progress("looking for objects", (number + share) / len(crops)))

        lattice = grid(crop.extent, POINTS if number == 0 else POINTS // 2)
        first = is_first(lattice)
        half = Asking(look, crop, extent, cancel, lambda share: told(share / 2))
        found = half.about(lattice[first], found)
        inner = innermost([one.outline for one in found], extent)
        rest = ~first & ~is_settled(
            lattice + np.array([crop.x, crop.y], np.float32), first, inner, extent
        )
        half = Asking(look, crop, extent, cancel, lambda share: told(0.5 + share / 2))
        found = half.about(lattice[rest], found)
    found = _distinct(found)
    outlines = [one.outline for one in found]
    segments = []
    for index in without_unions(outlines):
        cancel.check()
        segments.append(_segment(found[index], extent))
    progress(Progress("objects found", 1.0))
    kept = (segment for segment in segments if not segment.is_empty)
    return tuple(sorted(kept, key=lambda one: (-one.area, one.bounds)))


def crops_of(extent: Extent) -> tuple[Bounds, ...]:
    """The whole picture, then, where it is large, 2 x 2 overlapping crops of it."""
    whole = Bounds.full(extent)
    if extent.longest_side <= CROPPED_FROM:
        return (whole,)
    overlap = int(OVERLAP * min(extent))
    size = Extent(*(min(side, ceil((side + overlap) / 2)) for side in extent))
    corners = [
        (x, y) for y in (0, extent.height - size.height) for x in (0, extent.width - size.width)
    ]
    return (whole, *(Bounds(x, y, *size) for x, y in dict.fromkeys(corners)))


@dataclass(frozen=True)
class Asking:
    """Points of one crop asked about, some at a time."""

    look: Look
    crop: Bounds
    extent: Extent
    cancel: CancelToken
    told: Callable[[float], None]

    def about(self, points: F32, found: list[_Found]) -> list[_Found]:
        """``found`` and what is good of the answers about ``points`` (n, 2), x, y of the crop."""
        for start in range(0, len(points), self.look.batch):
            self.cancel.check()
            self.told(start / len(points))
            some = points[start : start + self.look.batch]
            asked = Prompts(some[:, None], np.ones((len(some), 1), np.int64), None)
            answers = self.look.ask(asked, several=True)
            found = [*found, *_good(answers, self.look, self.crop, self.extent)]
            if len(found) > _MOST:
                found = _distinct(found)[:_MOST]
        return found


def _good(answers: Answers, look: Look, crop: Bounds, extent: Extent) -> Iterator[_Found]:
    """Answers that the network is sure of, that are stable, and that no crop cuts off."""
    logits, scores = answers.logits.flatten(0, 1), answers.scores.flatten()
    sure = scores > SURE
    logits, scores = logits[sure], scores[sure]
    coarse = look.frame.coarse(logits)
    inner = (coarse > SHIFT).sum(dim=(-1, -2))
    outer = (coarse > -SHIFT).sum(dim=(-1, -2))
    stable = (inner > 0) & (inner >= STABLE * outer)
    for index in stable.nonzero()[:, 0].tolist():
        outline = _outline((coarse[index] > 0).numpy(), float(scores[index]), crop, extent)
        if outline is not None:
            yield _Found(logits[index].clone(), look.frame, crop, outline)


def _outline(cells: Mask, score: float, crop: Bounds, extent: Extent) -> Outline | None:
    """A mask of coarse cells on the common canvas; None if a crop's inner edge cuts it off."""
    height, width = cells.shape
    bounds = Bounds.of_mask(cells)
    on_picture = Bounds.from_edges(
        crop.x + bounds.x * crop.width // width,
        crop.y + bounds.y * crop.height // height,
        crop.x + ceil(bounds.right * crop.width / width),
        crop.y + ceil(bounds.bottom * crop.height / height),
    )
    if _is_cut_off(on_picture, crop, extent):
        return None
    scale = canvas_scale(extent)
    place = Bounds.from_edges(
        *(round(edge * scale) for edge in (crop.x, crop.y, crop.right, crop.bottom))
    )
    size = (max(1, place.width), max(1, place.height))
    mask = cv2.resize(cells.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST_EXACT) > 0
    inside = Bounds.of_mask(mask)
    if inside.is_empty:
        return None
    return Outline(inside.moved(place.x, place.y), mask[inside.slices].copy(), score)


def _is_cut_off(bounds: Bounds, crop: Bounds, extent: Extent) -> bool:
    edges = (
        (bounds.x - crop.x, crop.x > 0),
        (bounds.y - crop.y, crop.y > 0),
        (crop.right - bounds.right, crop.right < extent.width),
        (crop.bottom - bounds.bottom, crop.bottom < extent.height),
    )
    return any(is_inner and distance <= _MARGIN for distance, is_inner in edges)


def _distinct(found: list[_Found]) -> list[_Found]:
    return [found[index] for index in without_duplicates([one.outline for one in found])]


def _segment(found: _Found, extent: Extent) -> Segment:
    """At the picture's size, without specks and holes."""
    bounds, mask = found.frame.mask(found.logits)
    score = min(1.0, max(0.0, found.outline.score))
    if bounds.is_empty:
        return Segment(bounds, mask, score=score)
    cleaned = without_specks(mask, max(1, int(_SPECK * extent.pixel_count)))
    inner = Bounds.of_mask(cleaned)
    place = inner.moved(bounds.x + found.crop.x, bounds.y + found.crop.y)
    return Segment(place, cleaned[inner.slices].copy(), score=score)


def without_specks(mask: Mask, least: int) -> Mask:
    """``mask`` (h, w) without islands and holes of fewer than ``least`` pixels; its largest island
    always stays, and a hole that reaches the border is none."""
    islands, areas = _areas(mask, 8)
    keeps = areas >= least
    keeps[0] = False
    if len(areas) > 1:
        keeps[1 + int(np.argmax(areas[1:]))] = True
    kept = keeps[islands]
    holes, areas = _areas(np.pad(~kept, 1, constant_values=True), 4)
    fills = areas < least
    fills[0] = fills[holes[0, 0]] = False
    return kept | fills[holes[1:-1, 1:-1]]


def _areas(mask: Mask, connectivity: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Which connected part each pixel of ``mask`` belongs to, 0 for none, and their pixels."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(
        mask.astype(np.uint8), connectivity=connectivity
    )
    return np.asarray(labels, np.int32), np.asarray(stats[:, cv2.CC_STAT_AREA], np.int32)
