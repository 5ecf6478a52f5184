"""What mattes have in common: the trimap's three values, and alpha that keeps to them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32
from layerstudio.errors import InvalidRequest, NumericalFailure

BACKGROUND, UNKNOWN, FOREGROUND = 0.0, 0.5, 1.0


def is_background(trimap: F32) -> NDArray[np.bool_]:
    return trimap <= BACKGROUND


def is_foreground(trimap: F32) -> NDArray[np.bool_]:
    return trimap >= FOREGROUND


def is_unknown(trimap: F32) -> NDArray[np.bool_]:
    return (trimap > BACKGROUND) & (trimap < FOREGROUND)


def required(trimap: F32 | None, shape: tuple[int, ...], stage: str) -> F32:
    """The trimap of a stage that needs one; raises ``InvalidRequest`` without it."""
    if trimap is None:
        raise InvalidRequest(
            f"The stage {stage!r} needs to be told roughly what the foreground is.",
            advice="Give a trimap, a mask or a box, or choose one that decides by itself.",
        )
    assert trimap.shape == shape, (trimap.shape, shape)
    return np.asarray(trimap, np.float32)


def kept(alpha: F32, trimap: F32 | None) -> F32:
    """``alpha`` in [0, 1], and what the trimap knows where it knows it.

    Raises ``NumericalFailure`` for values that are not numbers.
    """
    if not np.isfinite(alpha).all():
        raise NumericalFailure(
            "The matte holds values that are not numbers.",
            advice="Run it in float32 (--dtype float32).",
        )
    alpha = np.clip(alpha, 0.0, 1.0)
    if trimap is not None:
        alpha[is_background(trimap)] = BACKGROUND
        alpha[is_foreground(trimap)] = FOREGROUND
    return alpha
