"""Soft shadows on smooth backgrounds: where the network sees no drawing, and which drawing throws
which of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32
from layerstudio.document import Role
from layerstudio.geometry import Bounds
from layerstudio.ops.unblend import project_alpha
from layerstudio.pipelines.flat.analysis import Analysis, dilate, pieces_with, residual
from layerstudio.pipelines.flat.drop_shadow import fit_drop_shadow
from layerstudio.pipelines.flat.element import Element
from layerstudio.pipelines.flat.shadows import (
    FAINT,
    FAINTEST,
    RIM,
    broad,
    carried_on,
    gentle_steps,
    shadow_tint,
    silhouette_in,
)
from layerstudio.pipelines.peel.parting import nearest_number
from layerstudio.pipelines.peel.reading import Mask, Reading

_BARE = 0.5  # probability of the background from which darkness on it is shadow
_SHADED = 0.03  # opacity from which a shadow is seen on a panel
_NEAR = 0.15  # the same beside such darkness, where squares of the network hold an edge too
_REACH = 5  # pixels from the one to the other: a square of the network and a little
_DRAWN = 0.5  # probability of a drawing, whose own shades the rules mistake
_TINT = 45.0  # levels: the lightest tint of a shadow
_MAX_OPACITY = 0.8
_UNSEEN = 1.0  # levels of darkness that may be missed on what looks lit
_SLACK = 1.5  # levels beyond the tolerance
_MIN_AREA = 60  # pixels of a shadow that show
_MIN_DARK = 0.04  # opacity that a shadow reaches where it shows
_CONTACT = 4  # pixels between a caster and its shadow
_AGREED = 0.3  # share of a shadow's darkness that the network or the rules see
_EXPLAINED = 0.6  # share of a shadow's darkness that makes it none where others explain it
_SMALL = 0.02  # of the canvas: the box of a shadow of a word
_GAP = 12  # pixels between shadows of words, at least
_LINE = "shadow of a line"
_MAX_ERROR = 0.05  # mean error of a fitted shadow's opacity


@dataclass(frozen=True, eq=False)
class _Shadow:
    """A shadow over ``bounds``: its opacity is ``seen`` in the pixels ``own``, none in those that
    are ``lit``, and ``cast`` as fitted to the ``silhouette`` of what throws it. ``darkness`` is
    the opacity of this and other shadows, where that is ``known``; ``contrast`` is what a shadow
    of opacity 1 takes from the backdrop, in levels. All (h, w)."""

    bounds: Bounds
    tint: F32
    silhouette: F32
    own: Mask
    lit: Mask
    known: Mask
    darkness: F32
    seen: F32
    cast: F32
    contrast: F32


def guided_soft(analysis: Analysis, backdrop: F32, soft: Mask, reading: Reading) -> Mask:
    """Pixels (h, w) that are backdrop under shadow: ``soft`` is what the rules take for it."""
    dark = _dark(analysis, backdrop)
    shaded = np.where(reading.shadow > _SHADED, reading.shape, 0)  # panels are in the backdrop
    bare = reading.background + shaded
    sure = broad(dark & (bare > _BARE) & gentle_steps(analysis, backdrop))
    beside = dark & (bare > _NEAR) & (soft | dilate(sure, _REACH))
    seen = pieces_with(sure | beside, sure, _MIN_AREA)
    return seen | (soft & (reading.drawing < _DRAWN))


def _dark(analysis: Analysis, backdrop: F32) -> Mask:
    """Pixels that one opacity of some tint between black and ``_TINT`` explains in all channels."""
    slack = analysis.tolerance + _SLACK
    drop = backdrop - analysis.rgb
    least = ((drop - slack) / np.maximum(backdrop, 1)).max(axis=2)
    lighter = backdrop - _TINT
    most = np.where(lighter > 1, (drop + slack) / np.maximum(lighter, 1), np.inf).min(axis=2)
    off = residual(analysis.rgb, backdrop) > analysis.tolerance
    return off & (drop.mean(axis=2) > 0) & (least <= most) & (least <= _MAX_OPACITY)


def cast_shadows(
    analysis: Analysis,
    backdrop: F32,
    soft: Mask,
    casters: Sequence[Element],
    hidden: Mask,
    agreed: F32,
) -> list[Element]:
    """The drop shadows that explain ``soft`` (h, w), each fitted where its caster is the nearest.

    ``hidden`` (h, w) marks what covers the backdrop, ``agreed`` (h, w) is the opacity of shadows as
    the network or the rules see it: what neither sees much of is none.
    """
    if not casters or not soft.any():
        return []
    nearest = nearest_caster(soft.shape, casters)
    found = [
        shadow
        for number, caster in enumerate(casters)
        if (shadow := _shadow(analysis, backdrop, soft, caster, hidden, nearest == number))
        and float(agreed[shadow.bounds.slices][shadow.own].sum())
        >= _AGREED * float(shadow.seen.sum())
    ]
    clear = np.ones(soft.shape, np.float32)
    for shadow in found:
        clear[shadow.bounds.slices] *= 1 - shadow.cast
    found = [_fitted_beside(shadow, clear) for shadow in _needed(found, clear)]
    found = _needed(found, clear)
    made = [element for shadow in found if (element := _element(shadow, clear)) is not None]
    return _lines_joined(made, _SMALL * analysis.extent.pixel_count)


def _lines_joined(shadows: list[Element], small: float) -> list[Element]:
    """The small ones that stand close together, as those of words and letters, are one."""
    found: list[Element] = []
    for shadow in shadows:
        own = shadow
        if shadow.alpha.size <= small:
            reach = max(_GAP, min(shadow.bounds.extent))
            near = [
                other
                for other in found
                if other.shape == _LINE and other.bounds.padded(reach).overlaps(shadow.bounds)
            ]
            for other in near:
                found.remove(other)
                own = _union(other, own)
            own = replace(own, shape=_LINE)
        found.append(own)
    return [replace(item, shape="shadow") for item in found]


def _union(one: Element, other: Element) -> Element:
    """Both in one layer, with the colour of the darker."""
    bounds = one.bounds.union(other.bounds)
    clear = np.ones(bounds.extent.shape, np.float32)
    for item in (one, other):
        clear[item.bounds.relative_to(bounds).slices] *= 1 - item.alpha
    tint = max(one, other, key=lambda item: float(item.alpha.sum())).mean_colour()
    colour = np.broadcast_to(np.array(tint, np.float32), (*clear.shape, 3))
    return replace(one, bounds=bounds, alpha=1 - clear, colour=colour)


def _needed(shadows: list[_Shadow], clear: F32) -> list[_Shadow]:
    """Without those, faintest first, whose darkness the others explain; ``clear`` (h, w) is what
    all let through, and is changed."""
    kept = list(shadows)
    for shadow in sorted(shadows, key=lambda item: float(item.seen.sum())):
        view = shadow.bounds.slices
        others = clear[view] / (1 - shadow.cast)
        seen = shadow.seen[shadow.own]
        explained = np.minimum(seen, 1 - others[shadow.own])
        if float(explained.sum()) > _EXPLAINED * float(seen.sum()):
            kept.remove(shadow)
            clear[view] = others
    return kept


def _fitted_beside(shadow: _Shadow, clear: F32) -> _Shadow:
    """Fitted again, to all that other shadows leave unexplained; ``clear`` (h, w) is what all let
    through, and is changed (backfitting: Friedman and Stuetzle 1981)."""
    view = shadow.bounds.slices
    others = clear[view] / (1 - shadow.cast)
    alone = np.clip(1 - (1 - shadow.darkness) / np.maximum(others, 0.05), 0, 1).astype(np.float32)
    fitted, error = fit_drop_shadow(shadow.silhouette, alone, shadow.known)
    if error > _MAX_ERROR:
        return shadow
    cast = np.minimum(fitted.cast(shadow.silhouette), _MAX_OPACITY)
    clear[view] = others * (1 - cast)
    return replace(shadow, cast=cast)


def nearest_caster(shape: tuple[int, ...], casters: Sequence[Element]) -> NDArray[np.int32]:
    """(h, w): the number of the caster whose body is nearest."""
    owner = np.zeros(shape, np.int32)
    for number, caster in enumerate(casters, 1):
        owner[caster.bounds.slices][caster.alpha > 0.5] = number
    return nearest_number(owner) - 1


def _shadow(
    analysis: Analysis, backdrop: F32, soft: Mask, caster: Element, hidden: Mask, cell: Mask
) -> _Shadow | None:
    reach = min(160, max(24, int(0.25 * max(caster.bounds.extent))))
    bounds = caster.bounds.padded(reach).clamped(analysis.extent)
    view = bounds.slices
    silhouette = silhouette_in(bounds, caster)
    own = soft[view] & cell[view]
    own = pieces_with(own, dilate(silhouette > 0.5, _CONTACT))
    if np.count_nonzero(own) < _MIN_AREA:
        return None
    image, under = analysis.rgb[view].astype(np.float32), backdrop[view]
    tint = shadow_tint(image[own], under[own])
    dark = project_alpha(image, tint, under)
    seen = np.where(own, dark, 0).astype(np.float32)
    if float(np.quantile(seen[own], 0.95)) < _MIN_DARK:
        return None
    covered = hidden[view] | (silhouette >= 0.02)
    lit = ~covered & ~soft[view]
    darkness = np.where(soft[view], dark, np.where(lit, np.minimum(dark, FAINT), 0))
    free = (lit | soft[view]) & ~dilate(covered & ~soft[view], RIM)
    known = own | (lit & cell[view])
    fitted, error = fit_drop_shadow(silhouette, np.where(known, darkness, 0), known & free)
    cast = fitted.cast(silhouette) if error <= _MAX_ERROR else carried_on(seen, known)
    cast = np.minimum(cast, _MAX_OPACITY)
    contrast = np.abs(under - tint).max(axis=2)
    return _Shadow(bounds, tint, silhouette, own & free, lit, free, darkness, seen, cast, contrast)


def _element(shadow: _Shadow, clear: F32) -> Element | None:
    """What shows of a shadow is taken as it is, less what others darken there; the fitted numbers
    give what is hidden, and the tail that is too faint to be seen. ``clear`` (h, w) is the light
    that all of them let through."""
    others = clear[shadow.bounds.slices] / (1 - shadow.cast)
    alone = np.clip(1 - (1 - shadow.seen) / np.maximum(others, 0.05), 0, 1)
    alpha = np.where(shadow.own & (shadow.cast > 1.0 / 255), alone, shadow.cast)
    alpha[shadow.lit & (alpha * shadow.contrast > _UNSEEN)] = 0.0
    alpha[alpha < FAINTEST] = 0.0
    if not alpha.any():
        return None
    colour = np.broadcast_to(np.float32(shadow.tint), (*alpha.shape, 3))
    return Element(Role.SHADOW, shadow.bounds, alpha, colour, "shadow").cropped()
