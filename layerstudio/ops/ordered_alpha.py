"""From weights of a palette to layers of solid colour, one over the other.

Mixing with weights and compositing with source-over give the same colour when
``a_i = w_i / (w_1 + ... + w_i)``, layers counted from the bottom (Tan, Lien and Gingold, TOG 2016;
Tan, Echevarria and Gingold 2018, section 5).
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32

_HIDDEN = 2e-3  # weight of what is shown so far under which it does not tell an alpha
_SPREADS = (2.0, 8.0, 32.0)  # pixels of a small picture: how far around is looked
_TRUST = 1e-2  # of each spread in the next: the nearest that tells anything decides
_FREEDOM = 2.0 / 255.0  # how far an alpha may move to make up for the rounding of those below


def hidden_alphas(weights: F32) -> F32:
    """(h, w, k) alphas as those of the surroundings, for where the layers above hide a layer.

    There an alpha is a quotient of two small numbers, and as noise would appear as soon as
    somebody hides the layers above.
    """
    numerators = np.maximum(weights, 0.0)
    total = numerators.mean(axis=(0, 1)) * np.float32(_TRUST ** len(_SPREADS))
    blurred = np.broadcast_to(total, weights.shape).copy()
    for index, sigma in enumerate(_SPREADS):
        for channel in range(weights.shape[2]):
            plane = np.ascontiguousarray(numerators[..., channel])
            near = cv2.GaussianBlur(plane, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
            blurred[..., channel] += near * np.float32(_TRUST**index)
    below = np.cumsum(blurred, axis=2)
    return np.divide(blurred, below, out=np.zeros_like(below), where=below > 0)


def ordered_alphas(weights: F32, hidden: F32) -> F32:
    """(n, k) alphas, bottom to top, of (n, k) weights with sum 1; the lowest is 1.

    ``hidden`` (n, k) stands in where the layers above leave nothing to see.
    """
    below = np.cumsum(weights, axis=1)
    alphas = (weights + _HIDDEN * hidden) / (below + _HIDDEN)
    alphas[:, 0] = 1.0
    return np.asarray(np.clip(alphas, 0.0, 1.0), np.float32)


def rounded_alphas(
    alphas: F32, colours: NDArray, target: F32, full: int
) -> tuple[NDArray[np.float32], F32]:
    """``alphas`` (n, k) in whole levels of ``full``, and what the layers then show (n, 3).

    ``colours`` (k, 3) and ``target`` (n, 3) are in [0, 1]. Rounded one by one, alphas would add up
    their errors; here each is rounded to what brings the layers up to it nearest to what they
    should show, errors below included, as error diffusion does along a row.
    """
    palette = np.asarray(colours, np.float32)
    count = alphas.shape[1]
    levels = np.empty(alphas.T.shape, np.float32)
    levels[0] = full
    wanted = np.repeat(palette[0][:, None], len(alphas), axis=1)
    shown = wanted.copy()
    for index in range(1, count):
        alpha, colour = alphas[:, index], palette[index][:, None]
        wanted += alpha * (colour - wanted)
        goal = target.T if index == count - 1 else wanted
        levels[index] = _nearest_level(alpha, colour - shown, goal - shown, full)
        shown += levels[index] / np.float32(full) * (colour - shown)
    return levels.T, shown.T


def _nearest_level(alpha: F32, axis: F32, missing: F32, full: int) -> F32:
    """The whole level near ``alpha`` that covers most of what is ``missing`` along ``axis``."""
    length = np.einsum("ij,ij->j", axis, axis)
    along = np.einsum("ij,ij->j", axis, missing)
    # Under a level of difference to the colour below, alpha does not show and stays as it is.
    best = np.divide(along, length, out=alpha.copy(), where=length > (1.0 / 255.0) ** 2)
    best = np.clip(best, alpha - _FREEDOM, alpha + _FREEDOM)
    return np.rint(np.clip(best, 0.0, 1.0) * full)
