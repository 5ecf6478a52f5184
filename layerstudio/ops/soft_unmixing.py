"""A colour taken apart into the colours and alphas of layers with given blend modes.

Koyama and Goto, "Decomposing Images into Layers with Advanced Color Blending" (Pacific Graphics
2018), after Aksoy et al. (TOG 2017): of all stacks that show a pixel exactly, the one whose colours
are most probable under each layer's Gaussian model and whose alphas are few,

    min  sum_i a_i (c_i - m_i)' S_i^-1 (c_i - m_i) + 0.01 sum_i a_i,   0 <= a, c <= 1.

They solve it a pixel at a time with L-BFGS within an augmented Lagrangian. Here the colours are
eliminated: for given alphas and the slopes J_i of the shown colour by each layer's, the best
deviations are ``d_i = S_i J_i K^-1 r / a_i`` with ``K = sum_i J_i S_i J_i / a_i`` and r what is
missing of the pixel. What is left is smooth in the few alphas and takes damped Newton steps, for
many colours at once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32
from layerstudio.document import BlendMode
from layerstudio.ops.blend_slopes import Shown, shown_colour, shown_with_slopes

SPARSITY = 0.01  # Koyama and Goto 2018, the weight of the sum of the alphas
_MISSED = 1e4  # of the square of what is missing, in the measure of progress
_FIRST_STEPS = 6  # Newton steps from every start, enough to see which are worth more
_STEPS = 30  # and from the best ones, at most; most colours need a dozen
_WORTH = 3  # starts that are followed to their end
_CHUNK = 512  # colours worked at once: what one step touches stays in a core's cache
_LEVEL, _STRAY = 1.0 / 255.0, 3.0
_RIDGE = 1e-6  # added to K, in squares of colour: where no layer can change a channel
_LEAST, _MOST = 1e-3, 1e6  # damping


@dataclass(frozen=True, eq=False)
class LayerModels:
    """Layers bottom to top: ``modes`` (k), ``means`` (k, 3) in [0, 1], ``covariances`` (k, 3, 3).

    The lowest is opaque and its mode is without meaning.
    """

    modes: tuple[BlendMode, ...]
    means: F32
    covariances: F32

    def __post_init__(self) -> None:
        count = len(self.modes)
        assert self.means.shape == (count, 3), self.means.shape
        assert self.covariances.shape == (count, 3, 3), self.covariances.shape

    @cached_property
    def precisions(self) -> F32:
        return np.linalg.inv(self.covariances.astype(np.float64)).astype(np.float32)


def unmixed_alphas(colours: F32, models: LayerModels, check: Callable[[], None]) -> F32:
    """(n, k) alphas of the best stack for each of ``colours`` (n, 3); the lowest is 1.

    The problem has several local minima, so it is started from every layer alone and from all at
    half; the best starts are followed, and the best answer is kept. ``check`` is called now and
    then, and may raise to end it.
    """

    def work(start: int) -> F32:
        check()
        return _unmixed(colours[start : start + _CHUNK], models)

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return np.concatenate(list(pool.map(work, range(0, len(colours), _CHUNK))))


def fitted_colours(target: F32, alphas: F32, models: LayerModels, steps: int) -> F32:
    """(k, 3, n) most probable colours with which layers of ``alphas`` (k, n) show ``target``
    (3, n), as nearly as colours in [0, 1] can. A channel that gets to its end stays there, and the
    others make up for it."""
    colours = np.repeat(models.means[:, :, None], target.shape[1], axis=2)
    free = np.ones(colours.shape, bool)
    for _ in range(steps):
        state = _State.of(target, alphas, colours, models, free)
        forces = _product(state.inverse, state.missing)
        np.copyto(colours, _with_deviations(state.pulls, forces, models), where=free)
        free &= (colours > 0) & (colours < 1)
    return colours


def is_poor(target: F32, alphas: F32, colours: F32, models: LayerModels) -> NDArray[np.bool_]:
    """(n,) whether a stack misses its ``target`` (3, n) by a level, or one of its layers' colours
    is more than 3 deviations from what it should be."""
    missed = np.abs(shown_colour(models.modes, alphas, colours) - target).max(axis=0)
    strayed = (alphas * _unlikely(colours, models)).max(axis=0)
    return (missed > _LEVEL) | (strayed > _STRAY**2)


def mended_alphas(target: F32, alphas: F32, models: LayerModels) -> F32:
    """``alphas`` (k, n) moved to the nearest at which likely colours show ``target`` (3, n)."""
    return _minimised(target, alphas, models, _FIRST_STEPS)[0]


def _unmixed(colours: F32, models: LayerModels) -> F32:
    starts = _starts(len(models.modes))
    target = np.ascontiguousarray(colours.T, np.float32)
    many = np.tile(target, (1, len(starts)))
    alphas, cost = _minimised(many, np.repeat(starts.T, len(colours), 1), models, _FIRST_STEPS)
    worth = min(_WORTH, len(starts))
    best = np.argsort(cost.reshape(len(starts), -1), axis=0, kind="stable")[:worth]
    kept = (best * len(colours) + np.arange(len(colours))).ravel()
    alphas, cost = _minimised(np.tile(target, (1, worth)), alphas[:, kept], models, _STEPS)
    best = cost.reshape(worth, -1).argmin(axis=0)
    return alphas[:, best * len(colours) + np.arange(len(colours))].T


def _starts(count: int) -> F32:
    """(s, k): the lowest alone, each other one alone, faintly, and all at half."""
    alone = np.eye(count, dtype=np.float32)
    faint = 0.25 * alone[1:]
    starts = np.concatenate([alone, faint, np.full((1, count), 0.5, np.float32)])
    starts[:, 0] = 1.0
    return starts


def _minimised(target: F32, alphas: F32, models: LayerModels, steps: int) -> tuple[F32, F32]:
    """Alphas (k, n) after damped steps, each taken only where it lowers the cost, and that (n,)."""
    colours = np.repeat(models.means[:, :, None], target.shape[1], axis=2)
    alphas, colours, cost = _advanced(target, alphas, colours, models, None)
    damping = np.full(target.shape[1], 1.0, np.float32)
    for _ in range(steps):
        live = np.flatnonzero(damping < _MOST)
        if not live.size:
            break
        tried_alphas, tried_colours, tried = _advanced(
            target[:, live], alphas[:, live], colours[:, :, live], models, damping[live]
        )
        better = tried < cost[live] - 1e-6 * (1 + cost[live])
        rows = live[better]
        alphas[:, rows] = tried_alphas[:, better]
        colours[:, :, rows] = tried_colours[:, :, better]
        cost[rows] = tried[better]
        damping[live] = np.where(better, np.maximum(damping[live] * 0.2, _LEAST), damping[live] * 8)
    return alphas, cost


@dataclass(frozen=True, eq=False)
class _State:
    """Where a stack is: what it shows and its slopes, J_i / a_i (k, 3, n), the inverse of K
    (3, 3, n), and what deviations have to make up for (3, n), to first order."""

    shown: Shown
    pulls: F32
    inverse: F32
    missing: F32

    @classmethod
    def of(
        cls,
        target: F32,
        alphas: F32,
        colours: F32,
        models: LayerModels,
        free: NDArray[np.bool_] | None = None,
    ) -> _State:
        """``free`` (k, 3, n) are the channels that may move; None for all."""
        shown = shown_with_slopes(models.modes, alphas, colours)
        if free is not None:
            shown = shown._replace(by_colour=shown.by_colour * free)
        pulls = np.asarray(shown.by_colour / np.maximum(alphas, 1e-4)[:, None], np.float32)
        covered = [
            models.covariances[:, i, j] @ (pulls[:, i] * shown.by_colour[:, j])
            for i, j in ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))
        ]
        moved = shown.by_colour * (colours - models.means[:, :, None])
        missing = target - shown.colour + moved.sum(axis=0)
        return cls(shown, pulls, _inverse(covered), missing)


def _advanced(
    target: F32, alphas: F32, colours: F32, models: LayerModels, damping: F32 | None
) -> tuple[F32, F32, F32]:
    """One step in alphas (none without ``damping``) and colours, and what it then costs."""
    state = _State.of(target, alphas, colours, models)
    missing = state.missing
    if damping is not None:
        step = _alpha_step(state, alphas, colours, models, damping)
        changed = np.clip(alphas + step, 0, 1)
        missing = missing - ((changed - alphas)[:, None] * state.shown.by_alpha).sum(axis=0)
        alphas = changed
    colours = _with_deviations(state.pulls, _product(state.inverse, missing), models)
    return alphas, colours, _cost(target, alphas, colours, models)


def _with_deviations(pulls: F32, forces: F32, models: LayerModels) -> F32:
    deviations = models.covariances @ (pulls * forces)
    return np.asarray(np.clip(models.means[:, :, None] + deviations, 0, 1), np.float32)


def _alpha_step(state: _State, alphas: F32, colours: F32, models: LayerModels, damping: F32) -> F32:
    """(k, n): the damped Newton step of the cost by the alphas alone, 0 where they are bound."""
    slopes = state.shown.by_alpha
    forces = _product(state.inverse, state.missing)
    gradient = _unlikely(colours, models) + SPARSITY - 2 * (slopes * forces).sum(axis=1)
    bound = ((alphas <= 0) & (gradient > 0)) | ((alphas >= 1) & (gradient < 0))
    bound[0] = True
    answers = np.stack([_product(state.inverse, slope) for slope in slopes])
    free = (~bound).astype(np.float32)[:, None]
    curvature = 2 * (slopes * free).transpose(2, 0, 1) @ (answers * free).transpose(2, 1, 0)
    diagonal = np.arange(len(alphas))
    curvature[:, diagonal, diagonal] += damping[:, None]
    return -np.linalg.solve(curvature, (gradient * free[:, 0]).T[:, :, None])[:, :, 0].T


def _cost(target: F32, alphas: F32, colours: F32, models: LayerModels) -> F32:
    shown = shown_colour(models.modes, alphas, colours)
    missed = np.square(shown - target).sum(axis=0)
    return (alphas * (_unlikely(colours, models) + SPARSITY)).sum(axis=0) + _MISSED * missed


def _unlikely(colours: F32, models: LayerModels) -> F32:
    """(k, n) squared Mahalanobis distances."""
    off = colours - models.means[:, :, None]
    return (off * (models.precisions @ off)).sum(axis=1)


def _inverse(covered: Sequence[NDArray[np.floating]]) -> F32:
    """(3, 3, n) of symmetric matrices given by their upper triangle, by rows."""
    a, b, c, d, e, f = (row.astype(np.float64) for row in covered)
    a, d, f = a + _RIDGE, d + _RIDGE, f + _RIDGE
    one, two, three = d * f - e * e, c * e - b * f, b * e - c * d
    middle, last, corner = a * f - c * c, b * c - a * e, a * d - b * b
    rows = np.array([[one, two, three], [two, middle, last], [three, last, corner]])
    return (rows / (a * one + b * two + c * three)).astype(np.float32)


def _product(matrices: F32, vectors: F32) -> F32:
    """(3, n) of (3, 3, n) and (3, n)."""
    return (matrices * vectors).sum(axis=1)
