"""Robust piecewise-linear functions of one variable, for the colour ramps of gradients.

Hat functions on even knots, fitted by iteratively reweighted least squares with Geman-McClure
weights ``1 / (1 + (r / s)^2)^2`` (Zhang, "Parameter estimation techniques", 1997, table 1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32

Array = NDArray[np.floating]

_SMOOTHNESS = 1e-3  # per sample and knot; bridges knots without samples by straight lines
_ROUNDS = 5
_FINAL_SCALE = 2.5  # levels; 8-bit rounding and mild JPEG noise count fully


@dataclass(frozen=True)
class Profile:
    """``values`` (k, channels) at ``k`` even knots from ``start`` to ``stop``."""

    start: float
    stop: float
    values: Array

    def at(self, t: Array) -> Array:
        cell, part = _cells(t, self.start, self.stop, len(self.values))
        lower, upper = self.values[cell], self.values[cell + 1]
        return lower + (upper - lower) * part[:, None]

    def slope(self, t: Array) -> Array:
        """d value / d t, constant between two knots."""
        cell, _ = _cells(t, self.start, self.stop, len(self.values))
        spacing = (self.stop - self.start) / (len(self.values) - 1)
        return (np.diff(self.values, axis=0) / spacing)[cell]


def _cells(t: Array, start: float, stop: float, knots: int) -> tuple[NDArray[np.int64], Array]:
    place = np.clip((t - start) * ((knots - 1) / max(stop - start, 1e-6)), 0, knots - 1)
    cell = np.minimum(place.astype(np.int64), knots - 2)
    return cell, place - cell


def project(t: Array, values: Array, weights: Array, span: tuple[float, float], knots: int):
    """The weighted least-squares ``Profile`` through ``values`` (n, channels)."""
    cell, part = _cells(t, *span, knots)
    lower, upper = weights * (1 - part), weights * part
    diagonal = np.bincount(cell, lower * (1 - part), knots)
    diagonal += np.bincount(cell + 1, upper * part, knots)
    beside = np.bincount(cell, lower * part, knots)[: knots - 1]
    system = np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1)
    bend = np.diff(np.eye(knots), n=2, axis=0)
    strength = _SMOOTHNESS * max(float(weights.sum()) / knots, 1e-6)
    system += strength * (bend.T @ bend) + 1e-9 * np.eye(knots)
    right = np.empty((knots, values.shape[1]))
    for channel in range(values.shape[1]):
        column = values[:, channel]
        right[:, channel] = np.bincount(cell, lower * column, knots)
        right[:, channel] += np.bincount(cell + 1, upper * column, knots)
    return Profile(*span, np.linalg.solve(system, right))


def fit(t: Array, values: Array, knots: int, begin: Profile | None = None):
    """Robust profile and the weights (n,) that it ended with; up to 40 % outliers per knot."""
    low, high = np.percentile(t, [0.0, 100.0])
    span = (float(low), float(max(high, low + 1e-3)))
    profile = begin or _of_medians(t, values, span, min(knots, 24))
    weights = np.ones(len(t))
    for round_ in range(_ROUNDS if begin is None else 2):
        off = np.abs(values - profile.at(t)).max(axis=1)
        scale = _FINAL_SCALE if begin is not None else _scale(off, round_)
        weights = 1.0 / (1.0 + (off / scale) ** 2) ** 2
        profile = project(t, values, weights, span, knots)
    return profile, weights


def _scale(off: Array, round_: int) -> float:
    """Starts at what most samples show and narrows to the noise of 8-bit pictures."""
    return max(_FINAL_SCALE, 2.0 * float(np.median(off)) / (1 + round_))


def _of_medians(t: Array, values: Array, span: tuple[float, float], bins: int) -> Profile:
    """Channel medians of equal bins, without bins that break the chain; straight in between."""
    width = (span[1] - span[0]) / bins
    index = np.clip(((t - span[0]) / width).astype(np.int64), 0, bins - 1)
    counts = np.bincount(index, minlength=bins)
    filled = np.flatnonzero(counts)
    middle = (np.cumsum(counts) - counts + counts // 2)[filled]
    medians = np.empty((len(filled), values.shape[1]))
    for channel in range(values.shape[1]):
        order = np.lexsort((values[:, channel], index))
        medians[:, channel] = values[order[middle], channel]
    chain = _smooth_chain(filled, medians, counts[filled])
    centres = span[0] + (filled[chain] + 0.5) * width
    knots = np.linspace(span[0], span[1], bins + 1)
    return Profile(*span, _extended(knots, centres, medians[chain]))


def _smooth_chain(places: NDArray, medians: Array, counts: NDArray) -> NDArray:
    """The heaviest subsequence of bins in which no step is much steeper than is usual.

    A bin that an object covers wholly has the object's colour as its median; it stands off.
    """
    gaps = np.abs(np.diff(medians, axis=0)).max(axis=1) / np.diff(places)
    usual = float(np.median(gaps)) if len(gaps) else 0.0
    total = counts.astype(np.float64)
    before = np.full(len(places), -1)
    for here in range(1, len(places)):
        step = np.abs(medians[:here] - medians[here]).max(axis=1)
        reachable = step <= 3.0 + usual * (2.0 + places[here] - places[:here])
        if reachable.any():
            best = int(np.where(reachable, total[:here], -1.0).argmax())
            total[here] += total[best]
            before[here] = best
    chain = [int(total.argmax())]
    while before[chain[-1]] >= 0:
        chain.append(int(before[chain[-1]]))
    return np.array(chain[::-1])


def _extended(knots: Array, centres: Array, values: Array) -> Array:
    """Linear interpolation that goes on straight beyond the first and last centre."""
    inside = [np.interp(knots, centres, values[:, c]) for c in range(values.shape[1])]
    result = np.stack(inside, axis=1)
    if len(centres) < 3:
        return result
    for edge, inner, outside in ((0, 2, knots < centres[0]), (-1, -3, knots > centres[-1])):
        slope = (values[edge] - values[inner]) / (centres[edge] - centres[inner])
        result[outside] = values[edge] + (knots[outside] - centres[edge])[:, None] * slope
    return result


def simplified(profile: Profile, tolerance: float) -> tuple[F32, F32]:
    """Knots that straight lines need to stay within ``tolerance`` (Douglas and Peucker, 1973)."""
    t = np.linspace(profile.start, profile.stop, len(profile.values))
    kept = {0, len(t) - 1}
    pending = [(0, len(t) - 1)]
    while pending:
        first, last = pending.pop()
        part = ((t[first : last + 1] - t[first]) / (t[last] - t[first]))[:, None]
        line = profile.values[first] * (1 - part) + profile.values[last] * part
        off = np.abs(profile.values[first : last + 1] - line).max(axis=1)
        worst = int(off.argmax())
        if off[worst] > tolerance:
            kept.add(first + worst)
            pending += [(first, first + worst), (first + worst, last)]
    chosen = sorted(kept)
    return t[chosen].astype(np.float32), profile.values[chosen].astype(np.float32)
