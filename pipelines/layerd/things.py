"""One peel taken apart into what a person would call layers: texts, and things that hang together.

A matte says what lies on top; the plate behind it says where exactly it ends. Where the plate is
known, edges are solved against it, as the method `flat` does; where a network made up a texture,
its matte is believed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32
from layerstudio.document import Role
from layerstudio.geometry import Bounds
from layerstudio.ops.peel_matte import SOLID, near, soft
from layerstudio.ops.steady_colour import steadied
from layerstudio.ops.unblend import unblend_colour
from layerstudio.pipelines.flat.analysis import (
    Analysis,
    crisp,
    dilate,
    find_regions,
    hysteresis,
    pieces_with,
    residual,
)
from layerstudio.pipelines.flat.edges import cut_out
from layerstudio.pipelines.flat.element import Element
from layerstudio.pipelines.flat.lettering import Lettering, find_lettering

Mask = NDArray[np.bool_]

BODY = 0.5  # alpha from which a pixel is more the thing than what is behind it
_LOSSY = 0.5  # levels of noise
_INK_SHARE = 0.42  # of the strongest contrast nearby, as in `flat`
_KNOWN = 0.9  # of a text's pixels on a plate that is known
_JOIN_SHARE = 0.006  # of the longest side: pieces closer than that are one thing
_FAINT = 0.1  # alpha
_LEAST_BODY = 4  # pixels of a piece that are no fainter
_SCRAP = 0.1  # of a text's ink: what is less, in its box, is a rest of it


@dataclass(frozen=True, eq=False)
class Peeled:
    """``analysis`` of the picture, its ``plate`` (h, w, 3) in levels without what lies on top,
    ``alpha`` (h, w) of that, where the plate is ``known`` (h, w), where the picture itself was
    ``made`` up by an earlier peel, and within how many pixels (``reach``) the matte's edges are
    right."""

    analysis: Analysis
    plate: F32
    alpha: F32
    known: Mask
    made: Mask
    reach: int

    @cached_property
    def soft(self) -> Mask:
        """(h, w): where alpha is meant to be between 0 and 1."""
        return soft(self.alpha, self.reach)

    @cached_property
    def edges(self) -> Mask:
        """(h, w): within reach of where solid things end."""
        solid = (self.alpha >= BODY) & ~self.soft
        return near(solid, self.reach) & near(~solid, self.reach) & ~self.soft

    @cached_property
    def off(self) -> NDArray[np.uint8]:
        """How far the picture is from the plate, (h, w) in levels."""
        return residual(self.analysis.rgb, self.plate)


def things_of(peeled: Peeled) -> list[Element]:
    """Elements that do not hide each other: the largest thing first, texts last."""
    body = _body(peeled)
    letters = _letters(peeled, body)
    rest = body.copy()
    for item in letters:
        rest[item.element.bounds.slices] &= ~item.claimed
    rest = pieces_with(rest, rest & (peeled.alpha >= _FAINT), _LEAST_BODY)
    drawings = [_cut(peeled, rest, own) for own in _clusters(peeled, rest)]
    drawings = [one for one in drawings if one.alpha.any() and not _is_scrap(one, letters)]
    drawings.sort(key=lambda element: -float(element.alpha.sum()))
    return [*drawings, *(_lettered(peeled, item) for item in letters)]


def thing_within(peeled: Peeled, place: Mask) -> Element | None:
    """All that was peeled within ``place`` (h, w), as one element; None where nothing was."""
    body = _body(peeled) & place
    bounds = Bounds.of_mask(body)
    if bounds.is_empty:
        return None
    element = _cut(peeled, body, (bounds, body[bounds.slices]))
    alpha = np.where(place[element.bounds.slices], element.alpha, 0).astype(np.float32)
    return replace(element, alpha=alpha).cropped() if alpha.any() else None


def _body(peeled: Peeled) -> Mask:
    """Where things are. Within reach of the matte's edges a known plate decides: what differs
    from it is the thing's."""
    tolerance, off = peeled.analysis.tolerance, peeled.off
    differs = hysteresis(off, tolerance, 2.5 * tolerance + 4)
    if peeled.analysis.noise >= _LOSSY:  # edges are blurred, and ring
        differs &= crisp(off, _INK_SHARE)
    by_matte = (peeled.alpha >= BODY) | ((peeled.alpha > 0) & peeled.soft)
    return np.where(peeled.edges & peeled.known, differs, by_matte)


def _letters(peeled: Peeled, body: Mask) -> list[Lettering]:
    contrast = peeled.off
    ink = body & crisp(contrast, _INK_SHARE) & (contrast > peeled.analysis.tolerance)
    ink &= ~peeled.soft | (peeled.alpha >= BODY)
    return find_lettering(peeled.analysis, peeled.plate, ink, body)


def _lettered(peeled: Peeled, item: Lettering) -> Element:
    """The text in one ink where the plate is known, else by the matte."""
    element = item.element
    known = peeled.known[element.bounds.slices][item.claimed]
    if float(known.mean()) >= _KNOWN:
        return element
    alpha = np.where(item.claimed, peeled.alpha[element.bounds.slices], 0).astype(np.float32)
    return replace(element, alpha=alpha, colour=_colour(peeled, element.bounds, alpha))


def _clusters(peeled: Peeled, rest: Mask) -> list[tuple[Bounds, Mask]]:
    """Pieces of ``rest`` (h, w) that lie near each other, as masks over their box."""
    longest, shortest = peeled.analysis.extent.longest_side, min(peeled.analysis.extent)
    radius = min(max(1, round(_JOIN_SHARE * longest)), max(1, shortest // 4))
    clusters = find_regions(dilate(rest, radius), connectivity=8)
    found = []
    for label in range(1, len(clusters.areas)):
        bounds = clusters.bounds(label)
        found.append((bounds, clusters.mask(label, bounds) & rest[bounds.slices]))
    return found


def _cut(peeled: Peeled, body: Mask, own: tuple[Bounds, Mask]) -> Element:
    """Alpha and colour of one thing; ``body`` (h, w) is of all, and gives it no pixel."""
    tight, mask = own
    bounds = tight.padded(peeled.reach + 2).clamped(peeled.analysis.extent)
    placed = np.zeros(bounds.extent.shape, bool)
    placed[tight.relative_to(bounds).slices] = mask
    view = bounds.slices
    image, plate = peeled.analysis.rgb[view].astype(np.float32), peeled.plate[view]
    alpha, _ = cut_out(image, plate, placed, peeled.analysis.tolerance)
    matte = peeled.alpha[view]
    mine = near(placed, peeled.reach) & ~(body[view] & ~placed)
    believed = ~(peeled.known & (peeled.edges | (peeled.alpha >= SOLID)))[view]
    alpha = np.where(mine, np.where(believed, matte, alpha), 0).astype(np.float32)
    colour = _colour(peeled, bounds, alpha)
    return Element(Role.OBJECT, bounds, alpha, colour, "drawing").cropped()


def _colour(peeled: Peeled, bounds: Bounds, alpha: F32) -> F32:
    """(h, w, 3) over ``bounds``."""
    image = peeled.analysis.rgb[bounds.slices].astype(np.float32)
    plate, made = peeled.plate[bounds.slices], peeled.made[bounds.slices]
    own = unblend_colour(image, alpha, plate)
    return steadied(image, plate, alpha, own, peeled.analysis.tolerance, made)


def _is_scrap(drawing: Element, letters: Sequence[Lettering]) -> bool:
    return any(
        item.element.bounds.contains(drawing.bounds)
        and drawing.alpha.sum() < _SCRAP * item.element.alpha.sum()
        for item in letters
    )
