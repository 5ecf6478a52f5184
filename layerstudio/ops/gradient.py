"""Fitting plain colours, linear and radial gradients to pixels among which some do not belong.

How a geometry (direction, or centre and aspect) is found: sort the samples by the ``t`` that it
gives; where it is right, neighbours in that order have nearly the same colour. The mean truncated
step is the cost, which is the string-length period search of Dworetsky (MNRAS 203, 1983) with a
cap for outliers, so it needs no model of the ramp. A coarse scan picks the geometry, and variable
projection (Kaufman, BIT 15, 1975) with the ramp's slope polishes it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from layerstudio.ops import profile as ramps
from layerstudio.ops.shade import Shade, plain

__all__ = ["Shade", "best_shade", "best_shade_of", "fit_linear", "fit_plain", "fit_radial"]

Array = NDArray[np.floating]

_SAMPLES = 16_000
_SCAN_SAMPLES = 1_500
_KNOTS = 48
_POLISH_ROUNDS = 5
_STOP_TOLERANCE = 0.6  # levels; a stop that changes less is rounding, not design
_SHARE = 0.98


def fit_plain(pixels: NDArray, mask: NDArray | None = None) -> Shade:
    """The most frequent colour of ``pixels`` (h, w, 3) in 0..255 where ``mask`` (h, w) is true.

    The densest cell of a 16-level grid, then the mean of what lies within 8 levels of it,
    so that any minority of other colours has no pull. An empty mask gives black.
    """
    _, colors = _samples(pixels, mask, _SAMPLES)
    return _plain_of(colors)


def fit_linear(pixels: NDArray, mask: NDArray | None = None) -> Shade:
    """The linear gradient with the best direction; see the module for the method."""
    points, colors = _samples(pixels, mask, _SAMPLES)
    if len(points) < 8:
        return _plain_of(colors)
    return _linear_of(points, colors)


def fit_radial(pixels: NDArray, mask: NDArray | None = None) -> Shade:
    """The radial gradient, circular or stretched along the axes; the centre may lie outside."""
    points, colors = _samples(pixels, mask, _SAMPLES)
    if len(points) < 16:
        return _plain_of(colors)
    return _radial_of(points, colors, *_slopes(pixels, points))


def best_shade(
    pixels: NDArray, mask: NDArray | None, tolerance: float, share: float = _SHARE
) -> Shade | None:
    """The simplest of plain, linear, radial that shows ``share`` of the masked pixels.

    A pixel is shown if no channel is off by more than ``tolerance`` levels (JPEG noise wants 6
    to 10, clean pictures 2). None if no shade does; lower ``share`` where objects lie inside.
    """
    points, colors = _samples(pixels, mask, _SAMPLES)
    if len(points) == 0:
        return None
    fits = (
        lambda: _plain_of(colors),
        lambda: _linear_of(points, colors),
        lambda: _radial_of(points, colors, *_slopes(pixels, points)),
    )
    for fit in fits if len(points) >= 16 else fits[:1]:
        shade = fit()
        off = np.abs(shade.at(points[:, 0], points[:, 1]) - colors).max(axis=1)
        if np.mean(off <= tolerance) >= share:
            return shade
    return None


def best_shade_of(
    pixels: NDArray, mask: NDArray | None, tolerance: float, shares: Sequence[float]
) -> Shade | None:
    """``best_shade`` for a fill of which an unknown part is hidden by other things.

    ``shares`` are tried from the highest. A plain colour is taken wherever it shows the lowest
    share: a gradient with a stop more always shows more, by following the shadows on the fill.
    """
    loosest = best_shade(pixels, mask, tolerance, min(shares))
    if loosest is None or loosest.kind == "plain":
        return loosest
    for share in sorted(shares, reverse=True)[:-1]:
        shade = best_shade(pixels, mask, tolerance, share)
        if shade is not None:
            return shade
    return loosest


def _samples(pixels: NDArray, mask: NDArray | None, count: int) -> tuple[Array, Array]:
    """Up to ``count`` positions (n, 2) as (x, y) and their colours (n, 3), evenly at random."""
    height, width = pixels.shape[:2]
    inside = np.arange(height * width) if mask is None else np.flatnonzero(mask)
    if len(inside) > count:
        strata = np.linspace(0, len(inside), count, endpoint=False)
        jitter = np.random.default_rng(0).random(count) * (len(inside) / count)
        inside = inside[np.minimum((strata + jitter).astype(np.int64), len(inside) - 1)]
    points = np.stack([inside % width, inside // width], axis=1).astype(np.float32)
    return points, pixels.reshape(-1, pixels.shape[2])[inside, :3].astype(np.float32)


def _plain_of(colors: Array) -> Shade:
    if len(colors) == 0:
        return plain((0.0, 0.0, 0.0))
    cells = (colors.astype(np.int64) >> 4) @ np.array([256, 16, 1])
    value = np.median(colors[cells == np.bincount(cells).argmax()], axis=0)
    for _ in range(3):
        value = colors[np.abs(colors - value).max(axis=1) <= 8.0].mean(axis=0)
    exact, near = np.rint(value), np.abs(colors - value).max(axis=1) <= 8.0
    if np.mean((colors[near] == exact).all(axis=1)) > 0.5:
        value = exact
    off = np.abs(colors - value).max(axis=1)
    return plain(value, residual=float(np.median(off)))


def _roughness(t: Array, colors: Array) -> Array:
    """How much colour jumps in the order of ``t`` (candidates, n); lower is a better geometry.

    Several caps together see both steep ramps (large caps) and faint ones among outliers.
    """
    order = np.argsort(t, axis=1)
    steps = np.abs(np.diff(colors[order], axis=1)).max(axis=2)
    caps = (np.log(0.05 + np.minimum(steps, cap).mean(axis=1)) for cap in (32.0, 10.0, 3.0))
    return sum(caps, start=np.zeros(len(t)))


def _linear_of(points: Array, colors: Array) -> Shade:
    def parameter(q: Array) -> tuple[Array, Array]:
        cos, sin = np.cos(q[0]), np.sin(q[0])
        t = cos * points[:, 0] + sin * points[:, 1]
        return t, (cos * points[:, 1] - sin * points[:, 0])[:, None]

    starts = [_scan_angle(points, colors)]
    affine = _affine_angle(points, colors)
    if abs(np.sin(affine - starts[0])) > 0.01:
        starts.append(affine)
    fits = [_polish(parameter, np.array([start]), colors) for start in starts]
    q, ramp, residual, _ = min(fits, key=lambda fit: fit[3])
    stops, values = ramps.simplified(ramp, max(_STOP_TOLERANCE, residual))
    return Shade(
        "linear",
        tuple(map(float, stops)),
        _rgb(values),
        direction=(float(np.cos(q[0])), float(np.sin(q[0]))),
        residual=residual,
    )


def _scan_angle(points: Array, colors: Array) -> float:
    """Coarse direction in radians by the smallest roughness."""
    stride = max(1, len(points) // _SCAN_SAMPLES)
    some, shown = points[::stride], colors[::stride]
    best, reach = 0.0, np.pi / 2
    for _ in range(3):
        angles = best + np.linspace(-reach, reach, 37)
        t = np.cos(angles)[:, None] * some[:, 0] + np.sin(angles)[:, None] * some[:, 1]
        best = float(angles[_roughness(t, shown).argmin()])
        reach /= 9.0
    return best


def _affine_angle(points: Array, colors: Array) -> float:
    """Direction of a robust affine fit, the right start for faint ramps between two colours.

    Objects with straight edges make the roughness favour their own directions there.
    """
    stride = max(1, len(points) // _SCAN_SAMPLES)
    some, shown = points[::stride], colors[::stride]
    centred = some - some.mean(axis=0)
    system = np.concatenate(
        [centred / max(float(np.ptp(centred)), 1.0), np.ones_like(some[:, :1])], 1
    )
    fitted = np.zeros((3, 3))
    fitted[2] = _plain_of(shown).colors[0]
    for scale in (40.0, 25.0, 16.0, 10.0, 6.0, 4.0, 3.0, 3.0):
        off = np.abs(shown - system @ fitted).max(axis=1)
        weighted = system / ((1.0 + (off / scale) ** 2) ** 2)[:, None]
        fitted = np.linalg.lstsq(weighted.T @ system, weighted.T @ shown, rcond=1e-9)[0]
    slopes = fitted[:2] @ fitted[:2].T
    return float(0.5 * np.arctan2(2 * slopes[0, 1], slopes[0, 0] - slopes[1, 1]))


def _radial_of(points: Array, colors: Array, sites: Array, slopes: Array) -> Shade:
    origin = points.mean(axis=0)
    size = max(float(np.ptp(points, axis=0).max()), 1.0)
    unit = (points - origin) / size
    q = _scan_centre(unit, colors, _hints((sites - origin) / size, slopes))

    def parameter(q: Array) -> tuple[Array, Array]:
        dx, dy, stretch = unit[:, 0] - q[0], unit[:, 1] - q[1], np.exp(q[2])
        t = np.sqrt(dx * dx + (stretch * dy) ** 2)
        safe = np.maximum(t, 1e-3)
        across = -(stretch**2) * dy / safe
        return t, np.stack([-dx / safe, across, -across * dy], axis=1)

    q, ramp, residual, _ = _polish(parameter, q, colors)
    stops, values = ramps.simplified(ramp, max(_STOP_TOLERANCE, residual))
    return Shade(
        "radial",
        tuple(float(t) * size for t in stops),
        _rgb(values),
        centre=(float(q[0] * size + origin[0]), float(q[1] * size + origin[1])),
        aspect=float(np.exp(q[2])),
        residual=residual,
    )


def _slopes(pixels: NDArray, points: Array) -> tuple[Array, Array]:
    """Colour slopes (n, 2) of the steepest channel at those ``points`` that have a gentle one.

    Flat places and edges, which is what objects in front mostly are, drop out.
    """
    height, width = pixels.shape[:2]
    reach = max(1, min(height, width) // 100)
    x, y = points[:, 0].astype(np.int64), points[:, 1].astype(np.int64)
    left, right = np.maximum(x - reach, 0), np.minimum(x + reach, width - 1)
    above, below = np.maximum(y - reach, 0), np.minimum(y + reach, height - 1)
    across = pixels[y, right, :3].astype(np.float32) - pixels[y, left, :3]
    down = pixels[below, x, :3].astype(np.float32) - pixels[above, x, :3]
    slopes = np.stack([across, down], axis=2)
    slopes[..., 0] /= np.maximum(right - left, 1)[:, None]
    slopes[..., 1] /= np.maximum(below - above, 1)[:, None]
    steep = np.hypot(slopes[..., 0], slopes[..., 1])
    channel = steep.argmax(axis=1)
    rows = np.arange(len(points))
    slopes, steep = slopes[rows, channel], steep[rows, channel]
    sloped = steep > 0
    typical = float(np.median(steep[sloped])) if sloped.any() else 0.0
    kept = sloped & (steep <= 3.0 * typical)
    return points[kept], slopes[kept] / steep[kept, None]


def _hints(sites: Array, slopes: Array) -> Array:
    """Geometries (m, 3) at which the lines along ``slopes`` meet: a circle's and an ellipse's.

    The slope at p is along (x - cx, aspect^2 (y - cy)); its cross product with the slope is
    linear in (cx, cy) for a circle and in (cx, aspect^2, aspect^2 cy) for an ellipse.
    """
    if len(sites) < 8:
        return np.zeros((0, 3))
    (x, y), (gx, gy) = sites.T, slopes.T
    cx, cy = _robust_lstsq(np.stack([gy, -gx], axis=1), gy * x - gx * y)
    found = [(cx, cy, 0.0)]
    cx, square, product = _robust_lstsq(np.stack([gy, gx * y, -gx], axis=1), gy * x)
    if 0.04 < square < 25.0:
        found.append((cx, product / square, 0.5 * np.log(square)))
    return np.clip(np.array(found), -4.0, 4.0)


def _robust_lstsq(system: Array, right: Array) -> Array:
    """Least absolute deviations by reweighting."""
    weights = np.ones(len(right))
    solution = np.zeros(system.shape[1])
    for _ in range(8):
        weighted = system * weights[:, None]
        solution = np.linalg.lstsq(weighted.T @ system, weighted.T @ right, rcond=1e-9)[0]
        weights = 1.0 / np.maximum(np.abs(system @ solution - right), 0.01)
    return solution


def _scan_centre(unit: Array, colors: Array, hints: Array) -> Array:
    """Coarse (cx, cy, log aspect): a grid over and around the samples, then closer grids."""
    stride = max(1, len(unit) // _SCAN_SAMPLES)
    some, shown = unit[::stride], colors[::stride]
    starts, reach = np.zeros((1, 3)), np.array([0.8, 0.8, 0.8])
    for steps, stretches, keep in (
        (7, 5, 4),
        (3, 3, 3),
        (3, 3, 2),
        (3, 3, 1),
        (3, 3, 1),
        (3, 3, 1),
    ):
        axes = [np.linspace(-1, 1, steps)] * 2 + [np.linspace(-1, 1, stretches)]
        around = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 3)
        grid = np.concatenate([(starts[:, None] + reach * around).reshape(-1, 3), hints])
        dx = some[None, :, 0] - grid[:, :1]
        dy = np.exp(grid[:, 2:]) * (some[None, :, 1] - grid[:, 1:2])
        starts = grid[_roughness(dx * dx + dy * dy, shown).argsort()[:keep]]
        reach = reach * (0.22 if steps > 3 else 0.55)
    return starts[0]


def _polish(
    parameter: Callable[[Array], tuple[Array, Array]], q: Array, colors: Array
) -> tuple[Array, ramps.Profile, float, float]:
    """Gauss-Newton on the geometry, ramp projected out: geometry, ramp, median residual, cost."""
    knots = int(np.clip(len(colors) // 40, 3, _KNOTS))
    t, jacobian = parameter(q)
    ramp, weights = ramps.fit(t, colors, knots)
    cost = _cost(ramp, t, colors)
    for _ in range(_POLISH_ROUNDS):
        step = _step(ramp, t, jacobian, colors, weights)
        trial = q + step
        t_trial, jacobian_trial = parameter(trial)
        ramp_trial, weights_trial = ramps.fit(t_trial, colors, knots)
        cost_trial = _cost(ramp_trial, t_trial, colors)
        if cost_trial >= cost:
            break
        gain, cost = cost - cost_trial, cost_trial
        q, t, jacobian, ramp, weights = trial, t_trial, jacobian_trial, ramp_trial, weights_trial
        if gain < 1e-3 * cost:
            break
    off = np.abs(colors - ramp.at(t)).max(axis=1)
    return q, ramp, float(np.median(off)), cost


def _cost(ramp: ramps.Profile, t: Array, colors: Array) -> float:
    off = np.abs(colors - ramp.at(t)).max(axis=1)
    return float(np.mean(off**2 / (off**2 + 9.0)))


def _step(ramp: ramps.Profile, t: Array, jacobian: Array, colors: Array, weights: Array) -> Array:
    """The least-squares change of the geometry while the ramp follows freely."""
    knots, span = len(ramp.values), (ramp.start, ramp.stop)
    slope = ramp.slope(t)
    columns = (slope[:, :, None] * jacobian[:, None, :]).reshape(len(t), -1)
    columns = columns - ramps.project(t, columns, weights, span, knots).at(t)
    stacked = columns.reshape(len(t), 3, -1)
    off = colors - ramp.at(t)
    normal = np.einsum("n,ncp,ncq->pq", weights, stacked, stacked, optimize=True)
    right = np.einsum("n,ncp,nc->p", weights, stacked, off, optimize=True)
    return np.linalg.lstsq(normal, right, rcond=1e-6)[0]


def _rgb(values: Array) -> tuple[tuple[float, float, float], ...]:
    clipped = np.clip(values, 0.0, 255.0)
    return tuple((float(r), float(g), float(b)) for r, g, b in clipped)
