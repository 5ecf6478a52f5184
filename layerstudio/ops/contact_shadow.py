"""The shadow that an object leaves on the ground it stands on, told from the ground's own colours.

Beside the object's base the ground is darker than what surrounds it lets one expect, in all
channels alike, the most at the base and less and less away from it. The expected brightness is a
membrane over the ground farther off; what is seen is divided by it, smoothly, so that the ground's
texture stays in the ground.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32, LUMA, U8, to_float
from layerstudio.geometry import Bounds, Extent
from layerstudio.ops.fill_smooth import fill_smooth

Mask = NDArray[np.bool_]

_REACH_SHARE = (
    0.4  # of the square root of the object's area: how far a contact shadow is looked for
)
_LEAST_REACH, _MOST_REACH = 8, 96  # pixels
_BASE_SHARE = 0.35  # of the object's height, its lower part
_LEAST_OBJECT = 64  # pixels; below, there is no room for a shadow
_LEAST_DARKENING = 0.1  # of the brightness at the base (as a logarithm), else none is seen
_SUPPORT = 0.02  # the same, where it ends
_CLEARNESS = 0.5  # of how much the ground around varies by itself (deviation)
_FALL = 0.1  # less dark than at the base, farther off
_LEAST_BASE = 0.5  # share of the base along which it is dark
_GREY = 0.05  # change of a channel's share of the colour, at most
_EDGE = 2  # pixels around objects that show them too
_STEPS = 8  # rings of the reach, in which the typical darkening is measured
_ABOVE_TYPICAL = 1.5  # times
_DARKEST = 0.85  # alpha of a shadow, at most: below no ground can be told from noise
_FLOOR = 2.0 / 255


@dataclass(frozen=True, eq=False)
class ContactShadow:
    """Black with ``alpha`` (h, w) in [0, 1] of ``bounds``, to lie right above the ground: what it
    leaves is ``1 - alpha`` of the ground's light. It runs on below the object."""

    bounds: Bounds
    alpha: F32


def contact_shadow(rgb: U8, caster: Mask, objects: Mask) -> ContactShadow | None:
    """The shadow of ``caster`` on the ground of ``rgb`` (h, w, 3); None where there is none.

    ``objects`` (h, w) is all that is not ground, the caster included.
    """
    box = Bounds.of_mask(caster)
    if np.count_nonzero(caster) < _LEAST_OBJECT:
        return None
    reach = int(np.clip(_REACH_SHARE * np.sqrt(caster.sum()), _LEAST_REACH, _MOST_REACH))
    place = box.padded(2 * reach).clamped(Extent.of(rgb))
    found = _Look.at(
        to_float(rgb[place.slices]), caster[place.slices], objects[place.slices], reach
    )
    if found is None or not found.is_shadow():
        return None
    alpha = found.alpha()
    content = Bounds.of_mask(alpha > 0.5 / 255)
    if content.is_empty:
        return None
    return ContactShadow(content.moved(place.x, place.y), alpha[content.slices])


def without_shadow(rgb: U8, shadow: ContactShadow) -> U8:
    """``rgb`` (h, w, 3) with the ground's light given back."""
    lit = rgb.copy()
    part = to_float(rgb[shadow.bounds.slices]) / (1.0 - shadow.alpha[..., None])
    lit[shadow.bounds.slices] = np.clip(np.rint(part * 255), 0, 255)
    return lit


@dataclass(frozen=True, eq=False)
class _Look:
    """``darkening`` (h, w) is how far the logarithm of brightness lies below the expected one;
    ``away`` the distance from the object's base, ``zone`` the ground within reach of it, and
    ``beyond`` the ground around that."""

    smooth: F32
    expected: F32
    darkening: F32
    away: F32
    zone: Mask
    beyond: Mask
    objects: Mask
    reach: int

    @classmethod
    def at(cls, rgb: F32, caster: Mask, objects: Mask, reach: int) -> _Look | None:
        """None where there is no ground to look at, or none to compare it with."""
        ground = ~_dilated(objects, _EDGE)
        away = _distance(_base(caster))
        zone = ground & (away <= reach)
        beyond = ground & (away > reach)
        if np.count_nonzero(zone) < reach or np.count_nonzero(beyond) < reach:
            return None
        smooth = _smoothed(rgb, ground, max(1.5, reach / 10))
        expected = fill_smooth(smooth, ~beyond)
        darkening = np.log(_luma(expected) + _FLOOR) - np.log(_luma(smooth) + _FLOOR)
        return cls(smooth, expected, darkening, away, zone, beyond, ~ground, reach)

    @property
    def near(self) -> Mask:
        return self.zone & (self.away <= max(2.0 * _EDGE, self.reach / 3))

    def is_shadow(self) -> bool:
        near, far = self.near, self.zone & (self.away > 0.6 * self.reach)
        if not near.any() or not far.any():
            return False
        dark = float(np.quantile(self.darkening[near], 0.6))
        fall = float(np.median(self.darkening[near]) - np.median(self.darkening[far]))
        varies = float(np.std(np.log(_luma(self.smooth)[self.beyond] + _FLOOR)))
        along = float(np.mean(self.darkening[near] > _LEAST_DARKENING / 3))
        return bool(
            dark >= max(_LEAST_DARKENING, _CLEARNESS * varies)
            and fall >= _FALL
            and along >= _LEAST_BASE
            and self._keeps_colour(near)
        )

    def _keeps_colour(self, near: Mask) -> bool:
        dark = near & (self.darkening > _LEAST_DARKENING / 3)
        seen, expected = (part[dark].mean(axis=0) for part in (self.smooth, self.expected))
        change = seen / max(_FLOOR, seen.sum()) - expected / max(_FLOOR, expected.sum())
        return bool(np.abs(change).max() <= _GREY)

    def alpha(self) -> F32:
        """(h, w): on the ground as measured, ending at the reach; below objects as a membrane."""
        fade = np.clip((self.reach - self.away) / (0.3 * self.reach), 0.0, 1.0)
        dark = np.where(self.zone, np.clip(self.darkening, 0.0, self._most()) * fade, 0.0)
        dark = np.where(_touching(dark > _SUPPORT, self.near), dark, 0.0).astype(np.float32)
        dark = fill_smooth(dark[..., None], self.objects)[..., 0]
        return np.clip(1.0 - np.exp(-dark), 0.0, _DARKEST).astype(np.float32)

    def _most(self) -> F32:
        """(h, w): how dark it may be at each distance from the base. The typical course of the
        darkening, made to fall; the ground's own dark patches stand out of it."""
        steps = np.linspace(0.0, self.reach, _STEPS + 1)
        rings = [
            self.zone & (self.away > low) & (self.away <= high) for low, high in pairwise(steps)
        ]
        typical = [_upper(self.darkening[ring]) for ring in rings]
        falling = np.maximum(np.minimum.accumulate(typical), 0.0)
        falling[np.isinf(falling)] = 0.0
        centres = (steps[:-1] + steps[1:]) / 2
        return np.asarray(_ABOVE_TYPICAL * np.interp(self.away, centres, falling), np.float32)


def _upper(values: F32) -> float:
    """The upper quartile: beside a thing's sides there is no shadow. Infinite of nothing."""
    return float(np.quantile(values, 0.75)) if values.size else np.inf


def _base(caster: Mask) -> Mask:
    """The lower part of an object."""
    box = Bounds.of_mask(caster)
    base = caster.copy()
    base[: box.bottom - max(2, round(_BASE_SHARE * box.height))] = False
    return base


def _dilated(mask: Mask, radius: int) -> Mask:
    return cv2.dilate(mask.view(np.uint8), np.ones((2 * radius + 1,) * 2, np.uint8)) > 0


def _distance(mask: Mask) -> F32:
    away = cv2.distanceTransform((~mask).view(np.uint8), cv2.DIST_L2, 5)
    return np.asarray(away, np.float32)


def _smoothed(rgb: F32, ground: Mask, deviation: float) -> F32:
    """(h, w, 3): the ground blurred without what stands on it."""
    weight = ground.astype(np.float32)
    total = cv2.GaussianBlur(rgb * weight[..., None], (0, 0), deviation)
    share = cv2.GaussianBlur(weight, (0, 0), deviation)
    return np.asarray(total / np.maximum(share, 1e-4)[..., None], np.float32)


def _luma(rgb: F32) -> F32:
    return np.asarray(rgb @ LUMA, np.float32)


def _touching(mask: Mask, near: Mask) -> Mask:
    """The parts of ``mask`` that begin in ``near``."""
    _, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    begun = np.unique(labels[mask & near])
    return mask & np.isin(labels, begun)
