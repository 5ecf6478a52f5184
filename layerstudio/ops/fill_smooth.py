"""Membrane fill: inside the hole the picture is harmonic, on its edge it is what is there.

Laplace's equation with the 5-point stencil (Dirichlet values from the known pixels, Neumann at the
picture's border), solved by a cascade from coarse to fine and V-cycles of damped Jacobi
(Briggs, Henson, McCormick, "A Multigrid Tutorial", 2000, chapters 2 and 3; weight 4/5).
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32
from layerstudio.geometry import Bounds, Extent

_DAMPING = 0.8
_SMOOTHING = 2
_CASCADE_STEPS = 6
_COARSEST_STEPS = 120
_COARSEST_SIDE = 12
_CYCLES = 4
_ENOUGH = 1e-3  # of the range of values: a quarter of an 8-bit level
_CROSS = np.array([[0, 0.25, 0], [0.25, 0, 0.25], [0, 0.25, 0]], dtype=np.float32)
_RELAX = (_DAMPING * _CROSS).astype(np.float32)
_RELAX[1, 1] = 1 - _DAMPING
_RESIDUAL = _CROSS.copy()
_RESIDUAL[1, 1] = -1.0


def fill_smooth(image: NDArray, hole: NDArray) -> NDArray:
    """``image`` (h, w, c) of any channels with the pixels of ``hole`` (h, w) interpolated.

    uint8 comes back as uint8 by rounding, anything else as float32. A hole without any known
    pixel becomes the mean of the whole picture.
    """
    result = image.copy() if image.dtype == np.uint8 else image.astype(np.float32)
    if not hole.any():
        return result
    if hole.all():
        result[:] = np.rint(image.mean((0, 1))) if image.dtype == np.uint8 else image.mean((0, 1))
        return result
    box = Bounds.of_mask(hole).padded(1).clamped(Extent.of(hole)).slices
    inside = hole[box]
    for first in range(0, image.shape[2], 4):  # OpenCV resizes at most four channels
        part = np.ascontiguousarray(image[box][..., first : first + 4], dtype=np.float32)
        solved = _solved(part, inside)
        if image.dtype == np.uint8:
            solved = np.clip(np.rint(solved), 0, 255).astype(np.uint8)
        result[box][..., first : first + 4][inside] = solved[inside]
    return result


def _solved(values: F32, hole: NDArray) -> F32:
    inside = hole.astype(np.uint8)
    start = _cascade(_planes(values), inside)
    small = _ENOUGH * float(np.ptp(values[~hole]))
    for _ in range(_CYCLES):
        before = start.copy()
        _v_cycle(start, inside, None)
        if cv2.norm(start, before, cv2.NORM_INF) <= small:
            break
    return start


def _planes(values: NDArray) -> F32:
    """OpenCV drops an axis of one channel."""
    planes = values if values.ndim == 3 else values[..., None]
    return planes.astype(np.float32, copy=False)


def _cascade(values: F32, inside: NDArray) -> F32:
    """First guess: solve at half the size, enlarge, relax."""
    known = (1 - inside).astype(np.float32)
    guess = values * known[..., None]
    if min(inside.shape) <= _COARSEST_SIDE or not inside.any():
        mean = guess.sum((0, 1)) / max(float(known.sum()), 1.0)
        guess += inside[..., None] * mean
        return _relaxed(guess, inside, None, _COARSEST_STEPS)
    half = _half_size(inside)
    share = cv2.resize(known, half, interpolation=cv2.INTER_AREA)
    coarse = _planes(cv2.resize(guess, half, interpolation=cv2.INTER_AREA))
    coarse /= np.maximum(share, 1e-6)[..., None]
    coarse = _cascade(coarse, (share < 1e-3).astype(np.uint8))
    finer = _planes(cv2.resize(coarse, inside.shape[::-1], interpolation=cv2.INTER_LINEAR))
    cv2.copyTo(finer, inside, guess)
    return _relaxed(guess, inside, None, _CASCADE_STEPS)


def _half_size(inside: NDArray) -> tuple[int, int]:
    return (inside.shape[1] + 1) // 2, (inside.shape[0] + 1) // 2


def _relaxed(values: F32, inside: NDArray, source: F32 | None, steps: int) -> F32:
    """Damped Jacobi in place for ``mean of neighbours - value = -source`` inside."""
    for _ in range(steps):
        moved = cv2.filter2D(values, -1, _RELAX, borderType=cv2.BORDER_REPLICATE)
        if source is not None:
            moved = cv2.scaleAdd(source, _DAMPING, _like(moved, source))
        cv2.copyTo(_like(moved, values), inside, values)
    return values


def _like(array: NDArray, shaped: F32) -> F32:
    return array.reshape(shaped.shape).astype(np.float32, copy=False)


def _v_cycle(values: F32, inside: NDArray, source: F32 | None) -> None:
    """Improves ``values`` in place: relax, correct by the coarse error, relax."""
    if min(inside.shape) <= _COARSEST_SIDE or not inside.any():
        _relaxed(values, inside, source, _COARSEST_STEPS)
        return
    _relaxed(values, inside, source, _SMOOTHING)
    residual = _like(cv2.filter2D(values, -1, _RESIDUAL, borderType=cv2.BORDER_REPLICATE), values)
    if source is not None:
        residual += source
    residual *= inside[..., None]
    half = _half_size(inside)
    # A coarse step is twice as long, so the same curvature shows four times.
    coarse_source = 4.0 * _planes(cv2.resize(residual, half, interpolation=cv2.INTER_AREA))
    share = cv2.resize(inside.astype(np.float32), half, interpolation=cv2.INTER_AREA)
    coarse_inside = (share > 0.8).astype(np.uint8)
    error = np.zeros_like(coarse_source)
    _v_cycle(error, coarse_inside, coarse_source)
    finer = _planes(cv2.resize(error, inside.shape[::-1], interpolation=cv2.INTER_LINEAR))
    values += finer * inside[..., None]
    _relaxed(values, inside, source, _SMOOTHING)
