"""The foreground's own colour where it is mixed with what lies behind it.

Both colours of ``I = a F + (1 - a) B`` are estimated from coarse to fine, as by Germer et al. 2020
("Fast Multi-Level Foreground Estimation", arXiv:2006.14970), each level by means of the
neighbourhood that are then corrected by what the equation lacks, as by Forte ("Approximate Fast
Foreground Colour Estimation", ICIP 2021). Only box filters and arithmetic on whole arrays: no
compiler, no linear system.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32, U8, to_float

# Found on rendered hair, soft edges and glass (benchmarks/matting.py); none of them is critical.
_SHARPNESS = 4  # power of alpha by which a pixel tells its neighbours about its colour
_FLOOR = 1e-3  # weight of pixels that know nothing, so that a mean exists everywhere
_WINDOW = 5  # pixels
_ROUNDS = 2  # of mean and correction at each level
_TRUST = 0.01  # in the means against the equation: bounds what noise is multiplied by
_SMALLEST = 2  # pixels of the coarsest level's shorter side
# Rows of a band depend on so many beyond it.
_REACH = _ROUNDS * (_WINDOW // 2) + 2
_BAND = 2**21  # pixels worked at once


def foreground(image: U8, alpha: F32, *, check: Callable[[], None] | None = None) -> F32:
    """``F`` (h, w, 3) in [0, 1] of ``image`` (h, w, 3) and ``alpha`` (h, w) in [0, 1].

    Where alpha is 1 it is the image; where alpha is 0 it goes on from what is near. ``check`` is
    called between levels and bands and may raise ``Cancelled``.
    """
    return foreground_and_background(image, alpha, check=check)[0]


def foreground_and_background(
    image: U8, alpha: F32, *, check: Callable[[], None] | None = None
) -> tuple[F32, F32]:
    """``F`` and ``B``, of which ``a F + (1 - a) B`` is nearly the image."""
    assert image.shape == (*alpha.shape, 3), (image.shape, alpha.shape)
    levels = _levels(image, alpha)
    front, back = _mean_colours(*levels[-1])
    for picture, matte in reversed(levels):
        front, back = _finer(picture, matte, front, back, check)
    for colour, known in ((front, alpha >= 1), (back, alpha <= 0)):
        colour[known] = to_float(image[known])
    return front, back


def _levels(image: U8, alpha: F32) -> list[tuple[U8, F32]]:
    """From the full size down by halves; in 8 bits, which the means of the finer ones even out."""
    levels = [(image, np.asarray(alpha, np.float32))]
    while min(levels[-1][1].shape) > _SMALLEST:
        height, width = levels[-1][1].shape
        size = ((width + 1) // 2, (height + 1) // 2)
        picture, matte = (cv2.resize(x, size, interpolation=cv2.INTER_AREA) for x in levels[-1])
        levels.append((np.asarray(picture, np.uint8), np.asarray(matte, np.float32)))
    return levels


def _mean_colours(image: U8, alpha: F32) -> tuple[F32, F32]:
    """(h, w, 3) each: the mean of what knows best."""
    picture = to_float(image)

    def mean(share: F32) -> F32:
        weight = _weight(share)
        colour = (picture * weight[..., None]).sum(axis=(0, 1)) / weight.sum()
        return np.broadcast_to(colour, picture.shape).astype(np.float32)

    return mean(alpha), mean(1 - alpha)


def _finer(
    image: U8, alpha: F32, front: F32, back: F32, check: Callable[[], None] | None
) -> tuple[F32, F32]:
    """Both colours of a level from those of the one below, in bands of rows."""
    height, width = alpha.shape
    size = (width, height)
    front, back = (_enlarged(colour, size) for colour in (front, back))
    rows = max(1, _BAND // width)
    if rows >= height:
        return _settled(image, alpha, front, back, check)
    results = np.empty_like(front), np.empty_like(back)
    for top in range(0, height, rows):
        bottom = min(height, top + rows)
        first, last = max(0, top - _REACH), min(height, bottom + _REACH)
        seen = slice(first, last)
        found = _settled(image[seen], alpha[seen], front[seen], back[seen], check)
        for result, colour in zip(results, found, strict=True):
            result[top:bottom] = colour[top - first : bottom - first]
    return results


def _settled(
    image: U8, alpha: F32, front: F32, back: F32, check: Callable[[], None] | None
) -> tuple[F32, F32]:
    if check is not None:
        check()
    picture, share = to_float(image), alpha[..., None]
    front, back = _corrected(picture, share, front, back)
    for _ in range(_ROUNDS):
        front, back = (_blurred(front, alpha), _blurred(back, 1 - alpha))
        front, back = _corrected(picture, share, front, back)
    return front, back


def _corrected(picture: F32, share: F32, front: F32, back: F32) -> tuple[F32, F32]:
    """The colours nearest to those given with which the equation holds: what it lacks is shared
    out as alpha says (least squares with the means as priors)."""
    rest = 1 - share
    lacking = picture - share * front - rest * back
    lacking /= share * share + rest * rest + _TRUST
    return (
        np.clip(front + share * lacking, 0, 1, dtype=np.float32),
        np.clip(back + rest * lacking, 0, 1, dtype=np.float32),
    )


def _blurred(colour: F32, share: NDArray) -> F32:
    """The mean of each neighbourhood, by what its pixels know."""
    weight = _weight(share)
    window = (_WINDOW, _WINDOW)
    total = cv2.blur(colour * weight[..., None], window, borderType=cv2.BORDER_REPLICATE)
    total_weight = cv2.blur(weight, window, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(total / total_weight[..., None], np.float32)


def _weight(share: NDArray) -> F32:
    return np.asarray(share**_SHARPNESS + _FLOOR, np.float32)


def _enlarged(colour: F32, size: tuple[int, int]) -> F32:
    return np.asarray(cv2.resize(colour, size, interpolation=cv2.INTER_LINEAR), np.float32)
