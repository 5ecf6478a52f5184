"""Drop shadows on photographs, told by how they darken what nobody knows.

Under a black shadow of opacity a, a photograph keeps 1 - a of its light, whatever it shows: the
logarithm falls by log(1 - a). Its steps from place to place are those of the photograph, which are
mostly small and now and then large (Huang and Mumford 1999), plus those of the shadow, which its
caster's outline and four numbers give. The numbers that leave the smallest steps are the shadow's;
how much smaller they are, and what the network sees there, tells whether there is one.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from layerstudio.color import F32
from layerstudio.document import Role
from layerstudio.geometry import Bounds, Extent
from layerstudio.pipelines.flat.analysis import dilate
from layerstudio.pipelines.flat.drop_shadow import DropShadow
from layerstudio.pipelines.flat.element import Element
from layerstudio.pipelines.flat.shadows import silhouette_in
from layerstudio.pipelines.peel.odds import log_odds
from layerstudio.pipelines.peel.reading import Mask

# Of ``Darkening.features``: above 0 there is a shadow. By training/peel_shadows.py.
_WEIGHTS = (1.37, 0.98, 0.14, 1.33, -2.02, -0.46)
_UNITS = 100  # to the side of a square canvas; blurs, squares and reaches are measured in them
_BLURS = (0.45, 0.7, 1.1, 1.6, 2.2)  # units
_OFFSETS = tuple(itertools.product((-0.4, 0.25, 0.9, 1.5), (0.3, 1.0, 1.7)))  # of the blur
_OPACITIES = (0.2, 0.35, 0.55)
# What is usual: middle and spread of dx and dy in blurs, of the logarithm of the blur in units, and
# of the opacity. The offsets are those of light from above.
_USUAL = np.array([0.5, 1.05, math.log(1.2), 0.4])
_SPREAD = np.array([0.7, 0.5, 0.5, 0.15])
_UNUSUAL = 10.0  # gain that a spread from the usual must be worth
_LEAST_OPACITY, _MOST_OPACITY = 0.12, 0.8
_LEAST_BLUR, _MOST_BLUR = 0.15, 4.0  # units
_EVALUATIONS = 100
_REACH = 9.0  # units around a caster
_RIM = 2  # pixels around what covers the photograph, which its edges may colour
_KNOWN = 0.4  # share of a square that must show the photograph
_LIFT = 3.0  # levels: black has no logarithm
_NOISE = 1.2  # times the median of the steps: from where one counts as large
_LEAST_NOISE = 0.004
_LEAST_STEPS = 30
_FAINT = 0.003  # of the network's opacity in a logarithm


@dataclass(frozen=True, eq=False)
class Darkening:
    """A possible shadow: its numbers, what it is ``worth``, which is by how much it makes the steps
    smaller (in log likelihood of a Cauchy distribution) less what is unusual about it, the mean
    opacity that the network sees where it shows, how far what it sees is ``alike`` (Pearson's
    correlation), whether a panel would throw it, which fewer do than drawings, and in how many
    ``squares`` the photograph is seen: where there are more, more is gained by chance."""

    shadow: DropShadow
    worth: float
    seen: float
    alike: float
    of_panel: bool
    squares: int

    def features(self) -> tuple[float, ...]:
        gain = math.log1p(max(0.0, self.worth))
        seen = math.log(self.seen + _FAINT)
        return 1.0, gain, seen, self.alike, float(self.of_panel), math.log(self.squares)

    def belief(self) -> float:
        """Log odds that it is one."""
        return log_odds(_WEIGHTS, self.features())


def believed_shadows(
    image: F32, covered: Mask, casters: Sequence[Element], seen: F32
) -> list[tuple[int, Bounds, F32]]:
    """The number of each caster that throws a shadow, and the shadow's opacity over bounds.

    ``image`` (h, w, 3) in [0, 255]; ``covered`` (h, w) is not the photograph; ``seen`` (h, w) is
    the opacity of shadows that the network sees. The surest is found first, and taken off before
    others are looked for.
    """
    light = np.ones(covered.shape, np.float32)
    waiting = dict(enumerate(casters))
    best: dict[int, tuple[Darkening, Bounds]] = {}
    found: list[tuple[int, Bounds, F32]] = []
    while waiting:
        for number in waiting.keys() - best.keys():
            bounds = reach_of(waiting[number], Extent.of(covered))
            view = bounds.slices
            lit = image[view] / light[view][..., None]
            darkening = strongest(
                lit, covered[view], waiting[number], bounds, seen[view], unit_of(covered)
            )
            if darkening is None or darkening.belief() <= 0:
                del waiting[number]
            else:
                best[number] = darkening, bounds
        if best:
            number = max(best, key=lambda one: best[one][0].belief())
            darkening, bounds = best.pop(number)
            alpha = darkening.shadow.cast(silhouette_in(bounds, waiting.pop(number)))
            light[bounds.slices] *= 1 - alpha
            found.append((number, bounds, alpha))
            best = {one: kept for one, kept in best.items() if not kept[1].overlaps(bounds)}
    return sorted(found, key=lambda item: item[0])


def unit_of(canvas: NDArray) -> float:
    """Pixels."""
    return math.sqrt(canvas.shape[0] * canvas.shape[1]) / _UNITS


def reach_of(caster: Element, extent: Extent) -> Bounds:
    """Where its shadow may lie."""
    reach = math.ceil(_REACH * math.sqrt(extent.pixel_count) / _UNITS)
    return caster.bounds.padded(reach).clamped(extent)


def strongest(
    image: F32, covered: Mask, caster: Element, bounds: Bounds, seen: F32, unit: float
) -> Darkening | None:
    """The shadow of ``caster`` that explains most, the arrays (h, w) over ``bounds``; None where
    too little of the photograph is to be seen. ``unit`` is in pixels."""
    silhouette = silhouette_in(bounds, caster)
    squares = _Squares.of(image, covered | (silhouette > 0.02), silhouette, unit)
    if squares is None:
        return None
    numbers = _refined(squares, max(_starts(), key=lambda start: squares.worth(np.array(start))))
    return Darkening(
        squares.shadow(numbers),
        squares.worth(numbers),
        *squares.beneath(seen, numbers),
        caster.role is Role.SHAPE,
        int(np.count_nonzero(squares.known)),
    )


def _starts() -> Iterator[tuple[float, float, float, float]]:
    for blur, (dx, dy), opacity in itertools.product(_BLURS, _OFFSETS, _OPACITIES):
        yield dx, dy, math.log(blur), opacity


def _refined(squares: _Squares, start: tuple[float, float, float, float]) -> NDArray[np.float64]:
    simplex = np.array(start) + np.vstack([np.zeros(4), np.diag([0.3, 0.3, 0.25, 0.08])])
    options = {"maxfev": _EVALUATIONS, "xatol": 0.01, "fatol": 0.05, "initial_simplex": simplex}
    found = minimize(
        lambda numbers: -squares.worth(numbers), start, method="Nelder-Mead", options=options
    )
    return np.asarray(found.x, np.float64)


@dataclass(frozen=True, eq=False)
class _Squares:
    """Means over squares of ``side`` pixels around a caster. ``across`` and ``down`` are the steps
    of the logarithm in three channels between neighbours that are both known, in units of
    ``noise``; the masks say which these are. Numbers are (dx, dy) in blurs, the logarithm of the
    blur in units, and the opacity."""

    silhouette: F32
    known: Mask
    across: F32
    down: F32
    noise: float
    side: int
    unit: float

    @classmethod
    def of(cls, image: F32, covered: Mask, silhouette: F32, unit: float) -> _Squares | None:
        side = max(2, round(unit / 2))
        shown = (~dilate(covered, _RIM)).astype(np.float32)
        if min(shown.shape) < 2 * side:
            return None
        share = _means(shown, side)
        known = share > _KNOWN
        level = np.log(image + np.float32(_LIFT)) * shown[..., None]
        level = _means(level, side) / np.maximum(share, 1e-3)[..., None]
        across = np.diff(level, axis=1)[known[:, 1:] & known[:, :-1]]
        down = np.diff(level, axis=0)[known[1:] & known[:-1]]
        if len(across) + len(down) < _LEAST_STEPS:
            return None
        steps = np.abs(np.concatenate([across, down]))
        noise = np.float32(max(_LEAST_NOISE, _NOISE * float(np.median(steps))))
        small = _means(silhouette, side)
        across, down = (np.asarray(step / noise, np.float32) for step in (across, down))
        return cls(small, known, across, down, float(noise), side, unit)

    def shadow(self, numbers: NDArray[np.float64]) -> DropShadow:
        """In pixels."""
        dx, dy, blur, opacity = (float(number) for number in numbers)
        sigma = math.exp(blur) * self.unit
        return DropShadow(dx * sigma, dy * sigma, sigma, opacity)

    def worth(self, numbers: NDArray[np.float64]) -> float:
        """The gain, less what is unusual."""
        blur, opacity = math.exp(numbers[2]), numbers[3]
        if not (_LEAST_BLUR < blur < _MOST_BLUR and _LEAST_OPACITY < opacity < _MOST_OPACITY):
            return -math.inf
        off = (numbers - _USUAL) / _SPREAD
        return self._gain(numbers) - _UNUSUAL * float(off @ off)

    def _gain(self, numbers: NDArray[np.float64]) -> float:
        fall = np.log1p(-self._cast(numbers)) / np.float32(self.noise)
        across = np.diff(fall, axis=1)[self.known[:, 1:] & self.known[:, :-1]]
        down = np.diff(fall, axis=0)[self.known[1:] & self.known[:-1]]
        total = 0.0
        for steps, explained in ((self.across, across), (self.down, down)):
            total += float(np.log1p(steps**2).sum())
            total -= float(np.log1p((steps - explained[:, None]) ** 2).sum())
        return total / 3  # channels of a photograph rise and fall together

    def beneath(self, values: F32, numbers: NDArray[np.float64]) -> tuple[float, float]:
        """The mean of ``values`` (h, w) where the shadow shows, weighted by its opacity, and their
        correlation with that."""
        weight = self._cast(numbers)[self.known]
        small = _means(values, self.side)[self.known]
        mean = float((small * weight).sum() / max(1e-6, float(weight.sum())))
        spread = float(small.std() * weight.std())
        common = float(((small - small.mean()) * (weight - weight.mean())).mean())
        return mean, common / spread if spread > 1e-9 else 0.0

    def _cast(self, numbers: NDArray[np.float64]) -> F32:
        shadow = self.shadow(numbers)
        side = self.side
        return DropShadow(
            shadow.dx / side, shadow.dy / side, shadow.sigma / side, shadow.opacity
        ).cast(self.silhouette)


def _means(values: F32, side: int) -> F32:
    """(h, w) or (h, w, c) by squares; what does not fill one is left out."""
    height, width = values.shape[0] // side, values.shape[1] // side
    whole = values[: height * side, : width * side]
    return np.asarray(cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA), np.float32)
