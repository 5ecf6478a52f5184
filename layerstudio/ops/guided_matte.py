"""A matte out of a trimap in a moment, without weights and without a linear system.

Two ways of seeing an open pixel help each other. Linear models of the colours, spread from coarse
to fine (``guided.py``), follow soft edges but lose strands; comparing a pixel with the colours of
the foreground and the background around it finds strands but is fooled where these are not known.
The first starts; the second corrects it as far as it explains the picture; a filter joins them.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from layerstudio.color import F32, U8, to_float
from layerstudio.geometry import Bounds, Extent
from layerstudio.ops.carried import carried, halved
from layerstudio.ops.guided import LinearModels, linear_models
from layerstudio.ops.unblend import dot

# Chosen on rendered hair, soft edges and glass (benchmarks/matting.py).
_START_RADIUS, _RADIUS = 6, 12
_EPSILON = 1e-5
_OPEN = 0.05  # weight of a pixel that is open, against one that is known, at the start
_EXPLAINED = 0.3  # weight of one whose colours are explained
_LEAST = 0.05  # confidence that every pixel has
_APART = 0.1  # distance of two colours between which alpha is told well
_OFF = 0.1  # distance from the line between them that makes both doubtful
_SURE = 8  # power of alpha by which an open pixel counts as foreground's colour
_ROUNDS = 3
_COARSEST = 8  # pixels
_MARGIN = 32  # pixels of the known around what is open
_LARGEST = 3 * 2**19  # pixels worked; models found there serve a larger picture


def guided_matte(image: U8, trimap: F32, *, check: Callable[[], None] | None = None) -> F32:
    """Alpha (h, w) in [0, 1] of ``image`` (h, w, 3); ``trimap`` (h, w) is 0, 1, or open between.

    Known pixels keep their value. ``check`` is called between steps and may raise ``Cancelled``.
    """
    assert image.shape == (*trimap.shape, 3), (image.shape, trimap.shape)
    alpha = np.array(trimap, np.float32)
    is_open = (trimap > 0) & (trimap < 1)
    content = Bounds.of_mask(is_open)
    if content.is_empty:
        return alpha
    box = content.padded(_MARGIN).clamped(Extent.of(image))
    seen, place = image[box.slices], is_open[box.slices]
    models = _models(*_working(seen, alpha[box.slices], place), check or (lambda: None))
    for rows, shown in models.in_bands(seen):
        part = alpha[box.slices][rows]
        part[place[rows]] = np.clip(shown[place[rows]], 0, 1)
    return alpha


def _working(image: U8, trimap: F32, is_open: np.ndarray) -> tuple[F32, F32, F32]:
    """Picture, share of known pixels and of known foreground, at the size that is worked."""
    known = (~is_open).astype(np.float32)
    front = np.where(is_open, 0, trimap).astype(np.float32)
    scale = (_LARGEST / trimap.size) ** 0.5
    if scale < 1:
        size = [max(1, round(side * scale)) for side in Extent.of(trimap)]
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
        known, front = (
            np.asarray(cv2.resize(x, size, interpolation=cv2.INTER_AREA), np.float32)
            for x in (known, front)
        )
    return to_float(image), known, front


def _models(picture: F32, known: F32, front: F32, check: Callable[[], None]) -> LinearModels:
    alpha = _spread(picture, known, front, check)
    unknown = 1 - known
    models = None
    for _ in range(_ROUNDS):
        check()
        behind = known - front
        foreground = carried(picture, front + unknown * alpha**_SURE)
        background = carried(picture, behind + unknown * (1 - alpha) ** _SURE)
        seen, confidence = _compared(picture, foreground, background)
        wanted = front + unknown * (confidence * seen + (1 - confidence) * alpha)
        weight = known + unknown * _EXPLAINED * (confidence + _LEAST)
        models = linear_models(picture, wanted, weight, radius=_RADIUS, epsilon=_EPSILON)
        alpha = front + unknown * np.clip(models.applied(picture), 0, 1)
    assert models is not None
    return models


def _spread(picture: F32, known: F32, front: F32, check: Callable[[], None]) -> F32:
    """What is known carried into what is open, from coarse to fine along the picture's edges."""
    levels = [(picture, known, front)]
    while min(levels[-1][1].shape) > _COARSEST:
        guide, sure, fore = levels[-1]
        levels.append((halved(guide), halved(sure), halved(fore)))
    share = float(levels[-1][2].sum() / max(float(levels[-1][1].sum()), 1e-6))
    alpha = np.full(levels[-1][1].shape, share, np.float32)
    for guide, sure, fore in reversed(levels):
        check()
        height, width = sure.shape
        alpha = np.asarray(cv2.resize(alpha, (width, height), interpolation=cv2.INTER_LINEAR))
        wanted, weight = fore + (1 - sure) * alpha, sure + _OPEN * (1 - sure)
        found = linear_models(guide, wanted, weight, radius=_START_RADIUS, epsilon=_EPSILON)
        alpha = np.asarray(fore + (1 - sure) * np.clip(found.applied(guide), 0, 1), np.float32)
    return alpha


def _compared(picture: F32, foreground: F32, background: F32) -> tuple[F32, F32]:
    """Alpha by projection on the line between both colours, and confidence in [0, 1]: they must be
    apart, and the pixel near that line."""
    axis = np.asarray(foreground - background, np.float32)
    off = np.asarray(picture - background, np.float32)
    length = dot(axis, axis)
    alpha = np.asarray(np.clip(dot(off, axis) / (length + 1e-4), 0, 1), np.float32)
    lacking = np.asarray(off - alpha[..., None] * axis, np.float32)
    near = np.exp(-dot(lacking, lacking) / _OFF**2)
    return alpha, np.asarray(length / (length + _APART**2) * near, np.float32)
