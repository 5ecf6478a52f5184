"""Pixels under an affine map, without a fringe and without aliasing.

Colour is resampled premultiplied, so that what is invisible has no say. A layer ends at its
bounds: inside, the border is continued, and each pixel of the result is weighed by how much of
it the mapped rectangle covers. So edges that fall on the grid stay sharp and others are smooth.

Where the map shrinks, pixels are averaged over the area that they come from: first along the
layer's own axes, then, for what still shrinks along the canvas's axes, by drawing larger and
averaging. In between is the cubic kernel of OpenCV (Keys 1981 with a = -0.75).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32, Pixels, full_scale, to_depth, to_float
from layerstudio.edits.affine import Affine
from layerstudio.edits.checks import affordable
from layerstudio.geometry import Bounds

_MOST_OVERSAMPLING = 16
_ROUNDING = 1e-3  # of a pixel: what float32 leaves of whole ones at places of some thousand pixels


def on_grid(channels: NDArray, bounds: Bounds, affine: Affine) -> tuple[NDArray, Bounds]:
    """(h, w, ...) at ``bounds`` under a map of pixels onto pixels, bit for bit."""
    assert affine.is_grid, affine
    exact = affine.rounded()
    turned = channels
    if exact.a == 0:  # x' depends on y: rows become columns
        turned = turned.swapaxes(0, 1)
    if exact.a + exact.c < 0:
        turned = turned[:, ::-1]
    if exact.b + exact.d < 0:
        turned = turned[::-1]
    return np.ascontiguousarray(turned), exact.bounds_of(bounds)


def nearest(channels: NDArray, bounds: Bounds, affine: Affine) -> tuple[NDArray, Bounds]:
    """(h, w) or (h, w, c): each pixel of the result is that under its centre, or 0."""
    target = affordable(affine.bounds_of(bounds), "The transformed layer")
    warped = cv2.warpAffine(
        np.ascontiguousarray(channels),
        _between_centres(affine, bounds, target),
        target.extent,
        flags=cv2.INTER_NEAREST,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=0,
    )
    return warped, target


def nearest_mask(
    pixels: NDArray, bounds: Bounds, affine: Affine, outside: int
) -> tuple[NDArray, Bounds]:
    """(h, w): ``nearest``, and ``outside`` (0 or 1) where the centre is not on the mask."""
    scale = pixels.dtype.type(full_scale(pixels.dtype))
    if outside == 0:
        return nearest(pixels, bounds, affine)
    hidden, target = nearest(scale - pixels, bounds, affine)
    return scale - hidden, target


def smooth(pixels: Pixels, bounds: Bounds, affine: Affine) -> tuple[NDArray, Bounds]:
    """Straight ``pixels`` (h, w, 4) resampled; planes one by one, to need little memory."""
    warp = Warp.of(bounds, affine)
    scale = full_scale(pixels.dtype)
    depth = cv2.CV_8U if scale == 255 else cv2.CV_16U
    weight = cv2.extractChannel(pixels, 3)
    alpha = warp.plane(to_float(weight)) if weight.min() < scale else None
    result = np.empty((*warp.target.extent.shape, 4), pixels.dtype)
    # What is less than half a step of alpha has no colour.
    divisor = None if alpha is None else np.where(alpha > 0.5 / scale, alpha, np.float32(np.inf))
    for channel in range(3):
        straight = cv2.extractChannel(pixels, channel)
        premul = cv2.multiply(straight, weight, scale=scale**-2.0, dtype=cv2.CV_32F)
        drawn = warp.plane(_f32(premul))
        if divisor is None:
            colour = to_depth(drawn, pixels.dtype)
        else:
            colour = cv2.divide(drawn, divisor, scale=scale, dtype=depth)
        cv2.insertChannel(colour, result, channel)
    shown = _within(warp.coverage(), alpha, warp.target)
    cv2.insertChannel(to_depth(shown, pixels.dtype), result, 3)
    return result, warp.target


def _within(coverage: F32 | None, alpha: F32 | None, target: Bounds) -> F32:
    """(h, w): alpha in [0, 1] where it is covered; None is 1 everywhere."""
    if alpha is None:
        return np.ones(target.extent.shape, np.float32) if coverage is None else coverage
    alpha = np.clip(alpha, 0, 1, out=alpha)
    return alpha if coverage is None else np.multiply(alpha, coverage, out=alpha)


def smooth_mask(
    pixels: NDArray, bounds: Bounds, affine: Affine, outside: int
) -> tuple[NDArray, Bounds]:
    """(h, w) resampled; what the mapped rectangle does not cover is ``outside`` (0 or 1)."""
    warp = Warp.of(bounds, affine)
    drawn = np.clip(warp.plane(to_float(pixels)), 0, 1)
    coverage = warp.coverage()
    if coverage is not None:
        drawn = outside + coverage * (drawn - outside)
    return to_depth(drawn, pixels.dtype), warp.target


@dataclass(frozen=True, eq=False)
class Warp:
    """How planes at ``bounds`` are drawn at ``target``.

    ``reduced`` (width, height) is the size they are averaged to first, ``over`` (x, y) how many
    times larger the result is drawn.
    """

    bounds: Bounds
    affine: Affine
    target: Bounds
    reduced: tuple[int, int]
    over: tuple[int, int]

    @classmethod
    def of(cls, bounds: Bounds, affine: Affine) -> Warp:
        target = affordable(affine.bounds_of(bounds), "The transformed layer")
        scale = np.minimum(np.linalg.norm(affine.linear, axis=0), 1)
        width = max(1, math.ceil(bounds.width * scale[0]))
        height = max(1, math.ceil(bounds.height * scale[1]))
        left = affine.linear * (bounds.width / width, bounds.height / height)
        rows = np.linalg.norm(left, axis=1)
        over = [min(_MOST_OVERSAMPLING, max(1, math.ceil(0.9 / row))) for row in rows]
        return cls(bounds, affine, target, (width, height), (over[0], over[1]))

    def plane(self, values: F32) -> F32:
        """(h, w) float32 at ``bounds`` as (h', w') at ``target``; overshoots are left in."""
        if self.reduced != self.bounds.extent:
            values = _f32(cv2.resize(values, self.reduced, interpolation=cv2.INTER_AREA))
        across, down = self.over
        size = (self.target.width * across, self.target.height * down)
        drawn = cv2.warpAffine(
            values, self._matrix(), size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
        )
        if self.over != (1, 1):
            drawn = cv2.resize(drawn, self.target.extent, interpolation=cv2.INTER_AREA)
        return _f32(drawn)

    def coverage(self) -> F32 | None:
        """(h', w') in [0, 1]: the share of each pixel under the mapped rectangle, None for all.

        Exact for upright rectangles; for others a pixel counts as a disc, as it does in the usual
        anti-aliasing of edges by distance.
        """
        inverse = np.linalg.inv(self.affine.matrix)
        xs = np.arange(self.target.x, self.target.right)[None, :] + 0.5
        ys = np.arange(self.target.y, self.target.bottom)[:, None] + 0.5
        sides = (self.bounds.x, self.bounds.right), (self.bounds.y, self.bounds.bottom)
        shares = []
        for (along_x, along_y, shift), (low, high) in zip(inverse[:2], sides, strict=True):
            pixel = math.hypot(along_x, along_y)
            middle = (low + high) / 2
            across = (along_x * xs + shift - middle) / pixel
            shares.append(_covered(across, along_y / pixel * ys, (high - low) / pixel))
        if min(float(share.min()) for share in shares) >= 1:
            return None
        return np.broadcast_to(shares[0] * shares[1], self.target.extent.shape)

    def _matrix(self) -> NDArray[np.float64]:
        """(2, 3) from centres of the reduced planes to centres of what is drawn."""
        width, height = self.reduced
        from_reduced = Affine(
            self.bounds.width / width,
            0,
            0,
            self.bounds.height / height,
            self.bounds.x,
            self.bounds.y,
        )
        across, down = self.over
        to_drawn = Affine(across, 0, 0, down, -self.target.x * across, -self.target.y * down)
        whole = to_drawn.matrix @ self.affine.matrix @ from_reduced.matrix
        return _centred(whole)


def _covered(across: NDArray, down: NDArray, width: float) -> F32:
    """The share of each pixel that lies in an interval of ``width`` pixels around 0.

    The pixel's place is ``across`` (1, w) plus ``down`` (h, 1); the answer is as small as it can be
    where one of them is 0.
    """
    if not down.any():
        place = across.astype(np.float32)
    elif not np.ptp(across):
        place = (across[:, :1] + down).astype(np.float32)
    else:
        place = np.add(across, down, dtype=np.float32)
    np.abs(place, out=place)
    np.subtract(np.float32(width / 2 + 0.5), place, out=place)
    whole = min(1.0, width)
    np.clip(place, 0, whole, out=place)
    place[place > whole - _ROUNDING] = whole
    return place


def _f32(values: NDArray) -> F32:
    """OpenCV's answer with its type told."""
    return np.asarray(values, np.float32)


def _between_centres(affine: Affine, bounds: Bounds, target: Bounds) -> NDArray[np.float64]:
    """(2, 3) from centres of pixels in ``bounds`` to centres of pixels in ``target``."""
    to_target = Affine(1, 0, 0, 1, -target.x, -target.y)
    from_bounds = Affine(1, 0, 0, 1, bounds.x, bounds.y)
    return _centred(to_target.matrix @ affine.matrix @ from_bounds.matrix)


def _centred(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Continuous coordinates to OpenCV's, in which centres of pixels are whole numbers."""
    half = Affine(1, 0, 0, 1, 0.5, 0.5).matrix
    return (np.linalg.inv(half) @ matrix @ half)[:2]
