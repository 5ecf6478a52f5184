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

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32
from layerstudio.document import BlendMode
from layerstudio.ops.blend_slopes import Shown, shown_colour, shown_with_slopes

SPARSITY = 0.01  # Koyama and Goto 2018, the weight of the sum of the alphas
_MISSED = 1e4  # of the square of what is missing, in the measure of progress
_STEPS = 40  # Newton steps at most; most colours need a dozen
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


def unmixed_alphas(colours: F32, models: LayerModels) -> F32:
    """(n, k) alphas of the best stack for each of ``colours`` (n, 3); the lowest is 1.

    The problem has several local minima, so it is started from every layer alone and from all at
    half, and the best answer is kept.
    """
    starts = _starts(len(models.modes))
    target = np.tile(np.ascontiguousarray(colours.T, np.float32), (1, len(starts)))
    alphas = np.repeat(starts.T, len(colours), axis=1)
    alphas, cost = _minimised(target, alphas, models)
    best = cost.reshape(len(starts), -1).argmin(axis=0)
    chosen = best * len(colours) + np.arange(len(colours))
    return np.ascontiguousarray(alphas[:, chosen].T)


def fitted_colours(target: F32, alphas: F32, models: LayerModels, steps: int) -> F32:
    """(k, 3, n) most probable colours with which layers of ``alphas`` (k, n) show ``target``
    (3, n), as nearly as colours in [0, 1] can."""
    colours = np.repeat(models.means[:, :, None], target.shape[1], axis=2)
    for _ in range(steps):
        shown = shown_with_slopes(models.modes, alphas, colours)
        pulls, covered = _pulls(shown, alphas, models)
        missing = target - shown.colour + _moved(shown, colours, models)
        colours = _with_deviations(pulls, _solved(covered, missing), models)
    return colours


def _starts(count: int) -> F32:
    """(s, k): the lowest alone, each other one alone, faintly, and all at half."""
    alone = np.eye(count, dtype=np.float32)
    faint = 0.25 * alone[1:]
    starts = np.concatenate([alone, faint, np.full((1, count), 0.5, np.float32)])
    starts[:, 0] = 1.0
    return starts


def _minimised(target: F32, alphas: F32, models: LayerModels) -> tuple[F32, F32]:
    """Alphas (k, n) after damped steps, each taken only where it lowers the cost, and that (n,)."""
    colours = np.repeat(models.means[:, :, None], target.shape[1], axis=2)
    alphas, colours, cost = _advanced(target, alphas, colours, models, None)
    damping = np.full(target.shape[1], 1.0, np.float32)
    for _ in range(_STEPS):
        live = np.flatnonzero(damping < _MOST)
        if not live.size:
            break
        tried_alphas, tried_colours, tried = _advanced(
            target[:, live], alphas[:, live], colours[:, :, live], models, damping[live]
        )
        better = tried < cost[live] - 1e-7
        rows = live[better]
        alphas[:, rows] = tried_alphas[:, better]
        colours[:, :, rows] = tried_colours[:, :, better]
        cost[rows] = tried[better]
        damping[live] = np.where(better, np.maximum(damping[live] * 0.2, _LEAST), damping[live] * 8)
    return alphas, cost


def _advanced(
    target: F32, alphas: F32, colours: F32, models: LayerModels, damping: F32 | None
) -> tuple[F32, F32, F32]:
    """One step in alphas (none without ``damping``) and colours, and what it then costs."""
    shown = shown_with_slopes(models.modes, alphas, colours)
    pulls, covered = _pulls(shown, alphas, models)
    missing = target - shown.colour + _moved(shown, colours, models)
    if damping is not None:
        step = _alpha_step(shown, covered, missing, alphas, colours, models, damping)
        changed = np.clip(alphas + step, 0, 1)
        missing = missing - np.einsum("kn,kcn->cn", changed - alphas, shown.by_alpha)
        alphas = changed
    colours = _with_deviations(pulls, _solved(covered, missing), models)
    return alphas, colours, _cost(target, alphas, colours, models)


def _pulls(shown: Shown, alphas: F32, models: LayerModels) -> tuple[F32, NDArray[np.float64]]:
    """J_i / a_i (k, 3, n), and K (3, 3, n)."""
    pulls = shown.by_colour / np.maximum(alphas, 1e-4)[:, None]
    reach = shown.by_colour.astype(np.float64)
    covered = np.einsum("kin,kij,kjn->ijn", pulls, models.covariances, reach, optimize=True)
    covered[np.arange(3), np.arange(3)] += _RIDGE
    return pulls, covered


def _moved(shown: Shown, colours: F32, models: LayerModels) -> F32:
    """What the colours' deviations from their means contribute, (3, n), to first order."""
    return np.einsum("kcn,kcn->cn", shown.by_colour, colours - models.means[:, :, None])


def _with_deviations(pulls: F32, forces: F32, models: LayerModels) -> F32:
    deviations = np.einsum("kij,kjn->kin", models.covariances, pulls * forces, optimize=True)
    return np.clip(models.means[:, :, None] + deviations, 0, 1)


def _alpha_step(
    shown: Shown,
    covered: NDArray[np.float64],
    missing: F32,
    alphas: F32,
    colours: F32,
    models: LayerModels,
    damping: F32,
) -> F32:
    """(k, n): the damped Newton step of the cost by the alphas alone, 0 where they are bound."""
    forces = _solved(covered, missing)
    off = colours - models.means[:, :, None]
    unlikely = np.einsum("kin,kij,kjn->kn", off, models.precisions, off, optimize=True)
    gradient = unlikely + SPARSITY - 2 * np.einsum("kcn,cn->kn", shown.by_alpha, forces)
    bound = ((alphas <= 0) & (gradient > 0)) | ((alphas >= 1) & (gradient < 0))
    bound[0] = True
    answers = np.stack([_solved(covered, slope) for slope in shown.by_alpha])
    curvature = 2 * np.einsum("kcn,lcn->nkl", shown.by_alpha, answers, optimize=True)
    free = (~bound).T.astype(np.float32)
    curvature *= free[:, :, None] * free[:, None, :]
    diagonal = np.arange(len(alphas))
    curvature[:, diagonal, diagonal] += damping[:, None]
    return -np.linalg.solve(curvature, (gradient.T * free)[:, :, None])[:, :, 0].T


def _cost(target: F32, alphas: F32, colours: F32, models: LayerModels) -> F32:
    shown = shown_colour(models.modes, alphas, colours)
    off = colours - models.means[:, :, None]
    unlikely = np.einsum("kin,kij,kjn->kn", off, models.precisions, off, optimize=True)
    missed = np.square(shown - target).sum(axis=0)
    return (alphas * (unlikely + SPARSITY)).sum(axis=0) + _MISSED * missed


def _solved(matrix: NDArray[np.float64], right: F32) -> F32:
    """(3, n): symmetric (3, 3, n) systems, by Cramer's rule."""
    (a, b, c), (_, d, e), (_, _, f) = matrix
    one, two, three = d * f - e * e, c * e - b * f, b * e - c * d
    middle, last, corner = a * f - c * c, b * c - a * e, a * d - b * b
    x, y, z = right
    scale = 1.0 / (a * one + b * two + c * three)
    rows = (
        one * x + two * y + three * z,
        two * x + middle * y + last * z,
        three * x + last * y + corner * z,
    )
    return np.stack([row * scale for row in rows]).astype(np.float32)
