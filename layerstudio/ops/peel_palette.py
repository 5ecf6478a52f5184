"""Flat colours as LayerD finds and uses them, bit for bit, in the boxes where they are needed.

Source: Suzuki et al., "LayerD: Decomposing Raster Graphic Designs into Layers" (ICCV 2025,
arXiv 2509.25134) and its released code, whose results these are. That code measures the whole
picture anew for every connected part of a mask; here a part costs what its surroundings cost.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from layerstudio.color import U8
from layerstudio.geometry import Bounds, Extent

Mask = NDArray[np.bool_]

PERCENTILE = 0.99  # of a part's flat pixels: the palette's colours cover as much
RING_SHARE = 0.2  # of the square root of a hole's area: how far around it colours are looked for
LEAST_RING = 5  # pixels
_MOST_DISTINCT = 1000  # colours; more of them are no flat area
_LEAST_MATCH = 0.85  # of a part that has a colour of its palette exactly
_LEAST_FLAT = 0.2  # of a foreground part that has no gradient
_LEAST_OVERLAP = 0.5  # of an area of one colour that lies in the foreground
_MARGIN = 8  # pixels around a part in which its areas of colour mostly end
_LAB_WEIGHTS = (4, 1, 1)  # squares of 1, 1/2 and 1/2, times 4: whole numbers


class _Part(NamedTuple):
    """One 8-connected part of a mask: its pixels (h, w) in ``box``, and their number."""

    box: Bounds
    inside: Mask
    area: int


@dataclass(frozen=True, eq=False)
class ColourArea:
    """Areas of exactly one ``colour`` (3,) uint8: ``mask`` (h, w) over ``box``."""

    colour: U8
    box: Bounds
    mask: Mask


def dilated(mask: Mask, rows: int, columns: int) -> Mask:
    """Every pixel that a rectangle of so many pixels around it joins to ``mask``; of a rectangle
    without a pixel OpenCV makes one of 3 x 3."""
    kernel = np.ones((rows, columns), np.uint8)
    return cv2.dilate(mask.astype(np.uint8), kernel) > 0


def snap_to_palettes(plate: U8, holes: Mask, most_colours: int) -> U8:
    """``plate`` (h, w, 3) with the pixels of ``holes`` (h, w) in colours of what surrounds them.

    For each connected hole the colours of the ring around it are those of its pixels without any
    gradient; where at most ``most_colours`` of them are 85 % of the ring, each pixel of the hole
    takes the nearest one in OpenCV's 8-bit Lab with a and b at half their weight.
    """
    snapped = plate.copy()
    for part in _parts(holes):
        palette = _ring_palette(plate, part, most_colours)
        if palette is not None:
            own = plate[part.box.slices][part.inside]
            snapped[part.box.slices][part.inside] = palette[_nearest_in_lab(own, palette)]
    return snapped


def flat_colour_areas(rgb: U8, mask: Mask, most_colours: int) -> list[ColourArea]:
    """Areas of the few exact colours that parts of ``mask`` (h, w) consist of, part by part.

    Of every colour those 8-connected areas of the whole picture ``rgb`` (h, w, 3) count that lie
    in the part for more than a half; they may reach beyond it.
    """
    colours = _Colours(rgb)
    found = []
    for part in _parts(mask):
        crop = rgb[_around(part.box, 1, colours.extent).slices]
        flat = _without_gradient(crop)[_within(part.box, 1, colours.extent)]
        palette = _palette(rgb[part.box.slices], part.inside, flat, most_colours, _LEAST_FLAT)
        for colour in () if palette is None else palette:
            area = colours.overlapping(part, colour)
            if area is not None:
                found.append(ColourArea(colour, *area))
    return found


class _Colours:
    """Areas of one colour of a whole picture, looked for around a part first: only where one goes
    on beyond, the colour is labelled everywhere, once."""

    def __init__(self, rgb: U8) -> None:
        self._packed = _packed(rgb)
        self._labelled: dict[int, _Areas] = {}

    @property
    def extent(self) -> Extent:
        return Extent.of(self._packed)

    def overlapping(self, part: _Part, colour: U8) -> tuple[Bounds, Mask] | None:
        """Those that lie in the part for more than the least share, in the box around them."""
        word = int(_packed(colour[None, None])[0, 0])
        around = _around(part.box, _MARGIN, self.extent)
        areas = _Areas.of(self._packed[around.slices] == word, around)
        if areas.reach_beyond(part, self.extent):
            everywhere = Bounds.full(self.extent)
            if word not in self._labelled:
                self._labelled[word] = _Areas.of(self._packed == word, everywhere)
            areas = self._labelled[word]
        return areas.overlapping(part)


@dataclass(frozen=True, eq=False)
class _Areas:
    """The 8-connected areas of one colour within ``window``: ``labels`` (h, w) over it, and
    OpenCV's measures of each."""

    labels: NDArray[np.int32]
    table: NDArray[np.int32]
    window: Bounds

    @classmethod
    def of(cls, equal: Mask, window: Bounds) -> _Areas:
        _, labels, table, _ = cv2.connectedComponentsWithStats(equal.astype(np.uint8))
        return cls(np.asarray(labels, np.int32), np.asarray(table, np.int32), window)

    def reach_beyond(self, part: _Part, extent: Extent) -> bool:
        """Whether one that meets the part touches the window where the picture goes on."""
        met = np.bincount(self._of(part), minlength=len(self.table))[1:] > 0
        boxes = self.table[1:][met]
        left, top, right, bottom = (
            boxes[:, 0],
            boxes[:, 1],
            boxes[:, 0] + boxes[:, 2],
            boxes[:, 1] + boxes[:, 3],
        )
        goes_on = [(left == 0) & (self.window.x > 0), (top == 0) & (self.window.y > 0)]
        goes_on.append((right == self.window.width) & (self.window.right < extent.width))
        goes_on.append((bottom == self.window.height) & (self.window.bottom < extent.height))
        return bool(np.any(goes_on))

    def overlapping(self, part: _Part) -> tuple[Bounds, Mask] | None:
        common = np.bincount(self._of(part), minlength=len(self.table))
        kept = common > _LEAST_OVERLAP * self.table[:, cv2.CC_STAT_AREA]
        kept[0] = False
        if not kept.any():
            return None
        box = Bounds.around(Bounds(*(int(v) for v in row[:4])) for row in self.table[kept])
        return box.moved(self.window.x, self.window.y), kept[self.labels[box.slices]]

    def _of(self, part: _Part) -> NDArray[np.int32]:
        return self.labels[part.box.relative_to(self.window).slices][part.inside]


def _parts(mask: Mask) -> Iterator[_Part]:
    count, labels, table, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    for label in range(1, count):
        x, y, width, height, area = (int(value) for value in table[label])
        box = Bounds(x, y, width, height)
        yield _Part(box, labels[box.slices] == label, area)


def _around(box: Bounds, margin: int, extent: Extent) -> Bounds:
    return box.padded(margin).clamped(extent)


def _within(box: Bounds, margin: int, extent: Extent) -> tuple[slice, slice]:
    """The index of a box in a crop with ``margin`` more on each side, as far as there is."""
    return box.relative_to(_around(box, margin, extent)).slices


def _ring_palette(plate: U8, part: _Part, most: int) -> U8 | None:
    width = max(int(np.sqrt(part.area) * RING_SHARE), LEAST_RING)
    extent = Extent.of(plate)
    # The gradient of the outermost pixels of a crop is wrong, so none of them may be in the ring.
    box = _around(part.box, width + 1, extent)
    hole = np.zeros(box.extent.shape, bool)
    hole[_within(part.box, width + 1, extent)] = part.inside
    ring = dilated(hole, width, width) & ~hole
    if not ring.any():
        return None
    crop = plate[box.slices]
    return _palette(crop, ring, _without_gradient(crop), most, 0.0)


def _palette(rgb: U8, inside: Mask, flat: Mask, most: int, least_flat: float) -> U8 | None:
    """The colours (k, 3) of the flat pixels, the most frequent first, of equals the one that
    comes first in reading order; None where they do not explain the part."""
    size = np.count_nonzero(inside)
    chosen = inside & flat
    if np.count_nonzero(chosen) / size <= least_flat:
        return None
    words, first, counts = np.unique(
        _packed(rgb[chosen][None]), return_index=True, return_counts=True
    )
    if len(words) > _MOST_DISTINCT:
        return None
    order = np.lexsort((first, -counts))
    shares = np.cumsum(counts[order]) / counts.sum()
    palette = words[order][: np.searchsorted(shares, PERCENTILE) + 1]
    if len(palette) > most:
        return None
    matching = np.isin(_packed(rgb[inside][None]), palette)
    if np.count_nonzero(matching) / size < _LEAST_MATCH:
        return None
    return np.stack([palette >> 16, palette >> 8 & 255, palette & 255], axis=1).astype(np.uint8)


def _without_gradient(rgb: U8) -> Mask:
    """(h, w): where Sobel's 3 x 3 derivatives of all channels are 0; the border is mirrored."""
    moving = np.zeros(rgb.shape[:2], bool)
    for along in ((1, 0), (0, 1)):
        slope = np.asarray(cv2.Sobel(rgb, cv2.CV_16S, *along, ksize=3), np.int16)
        moving |= (slope[..., 0] | slope[..., 1] | slope[..., 2]) != 0
    return ~moving


def _packed(rgb: U8) -> NDArray[np.int32]:
    """(h, w): three channels as one number."""
    wide = rgb.astype(np.int32)
    return wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]


def _nearest_in_lab(colours: U8, palette: U8) -> NDArray[np.intp]:
    """The index (n,) of the palette's nearest colour, the first of equals."""
    words, back = np.unique(_packed(colours[None])[0], return_inverse=True)
    distinct = np.stack([words >> 16, words >> 8 & 255, words & 255], axis=1).astype(np.uint8)
    lab, known = (_lab(values) for values in (distinct, palette))
    squares = np.square(lab[:, None] - known) @ np.array(_LAB_WEIGHTS)
    return squares.argmin(axis=1)[back]


def _lab(colours: U8) -> NDArray[np.int64]:
    """(n, 3) in OpenCV's 8-bit Lab."""
    return cv2.cvtColor(colours[:, None], cv2.COLOR_RGB2LAB)[:, 0].astype(np.int64)
