"""Pictures that are partly transparent: what the analysis sees of them, and what it must not add.

The analysis knows opaque pictures only. A cut-out is shown to it on a key colour that it does not
contain, so that the transparent part is found as a plain background, which is then dropped. Where
only a little is transparent (round corners of a screenshot), or all that shows is one compact plate
(a badge, an icon), the rest is painted over from its surroundings instead, and the background stays
as far as the picture shows it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import cv2
import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32, U8
from layerstudio.document import Role
from layerstudio.geometry import Bounds, Extent
from layerstudio.pipelines.flat.element import Element

RGB = tuple[int, int, int]

_KEY_SHARE = 0.25  # of the picture, or of its border, that is transparent in a cut-out
_HAZE = 0.03  # of a plate's area that may be translucent: its smoothed edge
_COMPACT = 0.95  # of its convex hull that a plate fills
_PLATE_SHARE = 0.2  # of the canvas: less is too little to paint the rest from
_CLEAR = 0.02  # mean alpha below which a pixel counts as transparent
_SURE = 0.2  # alpha from which 8 bits hold a colour
_SAME = 6  # levels
_KEY_REACH = 12.0  # levels within which a background is the key colour
_ENOUGH = 96.0  # levels from every colour of the picture: beyond, a brighter key is better
_BARE_SHARE = 0.05  # of what shows of the picture
_RIM = 24  # pixels around an element in which faint remains belong to it
_LEAST_ALPHA = 0.5 / 255
_SOLID = 0.95  # alpha of what looks opaque on the key
_EVEN = 0.02  # alpha by which an even opacity may vary
_EVEN_SHARE = 0.85
_MIN_SAMPLE = 64  # pixels
_KEYS: tuple[RGB, ...] = tuple(
    (red, green, blue)
    for red, green, blue in product((0, 64, 128, 192, 255), repeat=3)
    if max(red, green, blue) == 255  # soft shadows must have something to darken
)


@dataclass(frozen=True, eq=False)
class Cutout:
    """``rgb`` (h, w, 3) uint8 is opaque; ``alpha`` (h, w) in [0, 1] the picture's own, and ``key``
    the colour that stands for transparency, None where there is none."""

    rgb: U8
    straight: U8
    alpha: F32
    key: RGB | None

    @property
    def is_opaque(self) -> bool:
        return float(self.alpha.min()) >= 1.0

    @property
    def is_empty(self) -> bool:
        return float(self.alpha.max()) <= 0.0


def show_opaque(pixels: U8) -> Cutout:
    """What the analysis is given of straight RGBA ``pixels`` (h, w, 4)."""
    straight = np.ascontiguousarray(pixels[..., :3])
    alpha = pixels[..., 3] * np.float32(1 / 255)
    clear = alpha <= _CLEAR
    if not clear.any() or clear.all():
        return Cutout(straight, straight, alpha, None)
    if not _is_cut_out(clear) or _is_plate(alpha):
        return Cutout(_painted_over(straight, clear), straight, alpha, None)
    key = _key_colour(straight[~clear])
    shown = alpha
    if _is_one_colour(straight, alpha):
        # Blur of one colour could be a shadow as well; its silhouette can only be a shape.
        shown = (alpha >= alpha.max() / 2).astype(np.float32)
    mixed = straight * shown[..., None] + np.array(key, np.float32) * (1 - shown[..., None])
    return Cutout(np.rint(mixed).astype(np.uint8), straight, alpha, key)


def _is_one_colour(straight: U8, alpha: F32) -> bool:
    colours = straight[alpha >= min(_SURE, float(alpha.max()))]
    return bool((np.ptp(colours, axis=0) <= _SAME).all())


def _is_cut_out(clear: NDArray[np.bool_]) -> bool:
    border = np.concatenate([clear[0], clear[-1], clear[:, 0], clear[:, -1]])
    return max(float(border.mean()), float(clear.mean())) >= _KEY_SHARE


def _is_plate(alpha: F32) -> bool:
    """Whether all that shows is one compact piece with crisp edges: a badge, an icon, a window."""
    solid = alpha >= _SOLID
    hazy = np.count_nonzero((alpha > _CLEAR) & ~solid)
    contours, _ = cv2.findContours(
        solid.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
    )
    if not contours or hazy > _HAZE * np.count_nonzero(solid):
        return False
    largest = max(contours, key=cv2.contourArea)
    shown, area = np.count_nonzero(solid), max(float(cv2.contourArea(largest)), 1.0)
    is_one = _COMPACT <= shown / area <= 1 / _COMPACT
    is_compact = area >= _COMPACT * float(cv2.contourArea(cv2.convexHull(largest)))
    return bool(is_one and is_compact and shown >= _PLATE_SHARE * alpha.size)


def _painted_over(straight: U8, clear: NDArray[np.bool_]) -> U8:
    """Each transparent pixel with the colour of the nearest other one."""
    ys, xs, _ = _nearest(clear)
    return straight[ys, xs]


def _nearest(mask: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp], F32]:
    """Row and column of the nearest pixel outside ``mask`` (h, w), and how far it is, each
    (h, w); one pixel at least lies outside."""
    far, found = cv2.distanceTransformWithLabels(
        mask.astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    labels = np.asarray(found, np.int32)
    place = np.zeros(int(labels.max()) + 1, np.intp)
    outside = np.flatnonzero(~mask)
    place[labels.ravel()[outside]] = outside
    ys, xs = np.divmod(place[labels], mask.shape[1])
    return ys, xs, np.asarray(far, np.float32)


def _key_colour(colours: U8) -> RGB:
    """A bright colour far from all of ``colours`` (n, 3), as 4,096 bins hold them."""
    bins = np.unique((colours >> 4).astype(np.int32) @ np.array([256, 16, 1]))
    centres = np.stack([bins >> 8, (bins >> 4) & 15, bins & 15], axis=1) * 16.0 + 8
    keys = np.array(_KEYS, np.float64)
    nearest = np.array([np.abs(centres - key).max(axis=1).min() for key in keys])
    best = np.lexsort((-keys.sum(axis=1), -np.minimum(nearest, _ENOUGH)))[0]
    return _KEYS[int(best)]


def cut_to_alpha(elements: Sequence[Element], cutout: Cutout) -> list[Element]:
    """The elements without the key's background, nowhere more opaque than the picture; every
    visible pixel belongs to one of them."""
    if cutout.is_opaque:
        return list(elements)
    below = 1 if elements and _is_key(elements[0], elements[1:], cutout) else 0
    kept = list(elements[below:])
    if cutout.key is not None:
        owner = _owner(kept, cutout.alpha.shape)
        kept = [_without_key(element, owner == i, cutout) for i, element in enumerate(kept)]
    cut = [limited for element in kept if (limited := _limited(element, cutout.alpha))]
    return _with_remains(cut, cutout)


def _is_key(element: Element, above: Sequence[Element], cutout: Cutout) -> bool:
    """Whether this is the background that stands for transparency: its fill is the key, or, on a
    tight crop, the analysis took the key for a photograph that shows next to nothing. Otherwise a
    photograph may be the cut-out itself."""
    if cutout.key is None or element.role is not Role.BACKGROUND:
        return False
    if element.shape == "photograph":
        visible = cutout.alpha > 0.5
        bare = visible & (_owner(above, visible.shape) < 0)
        return int(np.count_nonzero(bare)) <= _BARE_SHARE * int(np.count_nonzero(visible))
    clear = cutout.alpha[element.bounds.slices] <= _CLEAR
    away = np.abs(element.colour[clear] - np.array(cutout.key, np.float32))
    return away.size > 0 and float(np.median(away)) <= _KEY_REACH


def _without_key(element: Element, owned: NDArray[np.bool_], cutout: Cutout) -> Element:
    """A fill that is evenly translucent in the picture looks opaque on the key; its colour is
    unmixed and its opacity set, so that they hold beneath other elements too."""
    source = cutout.alpha[element.bounds.slices]
    own = owned[element.bounds.slices] & (element.alpha > _SOLID)
    sample = source[own & (source > _CLEAR)]
    if sample.size < _MIN_SAMPLE:
        return element
    opacity = float(np.median(sample))
    even = np.abs(sample - opacity) <= _EVEN
    if opacity > 1 - _EVEN or float(even.mean()) < _EVEN_SHARE:
        return element
    key = np.array(cutout.key, np.float32)
    colour = (element.colour - (1 - opacity) * key) / opacity
    return replace(
        element,
        alpha=(element.alpha * opacity).astype(np.float32),
        colour=np.clip(colour, 0, 255).astype(np.float32),
    )


def _owner(elements: Sequence[Element], shape: tuple[int, ...]) -> NDArray[np.int32]:
    """(h, w): index of the topmost element that shows at each pixel, -1 for none."""
    owner = np.full(shape, -1, np.int32)
    for index, element in enumerate(elements):
        owner[element.bounds.slices][element.alpha >= _LEAST_ALPHA] = index
    return owner


def _limited(element: Element, alpha: F32) -> Element | None:
    limited = np.minimum(element.alpha, alpha[element.bounds.slices])
    box = Bounds.of_mask(limited >= _LEAST_ALPHA)
    if box.is_empty:
        return None
    return replace(
        element,
        bounds=box.moved(element.bounds.x, element.bounds.y),
        alpha=limited[box.slices].copy(),
        colour=element.colour[box.slices].copy(),
    )


def _with_remains(elements: list[Element], cutout: Cutout) -> list[Element]:
    """Faint pixels that no element covers go to the nearest one, far ones to one of their own."""
    owner = _owner(elements, cutout.alpha.shape)
    rest = (cutout.alpha > 0) & (owner < 0)
    if not rest.any():
        return elements
    claimed = np.where(rest, _nearest_owner(owner), -1)
    grown = [_grown(element, claimed == i, cutout) for i, element in enumerate(elements)]
    far = rest & (claimed < 0)
    if not far.any():
        return grown
    return [_remains(far, cutout), *grown]


def _nearest_owner(owner: NDArray[np.int32]) -> NDArray[np.int32]:
    """(h, w): the owner of the nearest owned pixel within reach, -1 for none."""
    bare = owner < 0
    if bare.all():
        return owner
    ys, xs, distance = _nearest(bare)
    return np.where(distance <= _RIM, owner[ys, xs], -1)


def _grown(element: Element, more: NDArray[np.bool_], cutout: Cutout) -> Element:
    box = Bounds.of_mask(more)
    if box.is_empty:
        return element
    bounds = element.bounds.union(box)
    alpha = np.zeros(bounds.extent.shape, np.float32)
    colour = np.zeros((*alpha.shape, 3), np.float32)
    own = element.bounds.relative_to(bounds).slices
    alpha[own], colour[own] = element.alpha, element.colour
    added = more[bounds.slices]
    alpha[added] = cutout.alpha[bounds.slices][added]
    colour[added] = cutout.straight[bounds.slices][added]
    return replace(element, bounds=bounds, alpha=alpha, colour=colour)


def _remains(mask: NDArray[np.bool_], cutout: Cutout) -> Element:
    bounds = Bounds.of_mask(mask)
    alpha = np.where(mask, cutout.alpha, 0).astype(np.float32)[bounds.slices]
    colour = cutout.straight[bounds.slices].astype(np.float32)
    return Element(Role.OBJECT, bounds, alpha, colour, "drawing")


def whole(cutout: Cutout) -> Element:
    """The picture as a single element."""
    role = Role.BACKGROUND if cutout.is_opaque else Role.OBJECT
    full = Bounds.full(Extent.of(cutout.rgb))
    return Element(role, full, cutout.alpha, cutout.straight.astype(np.float32), "picture")
