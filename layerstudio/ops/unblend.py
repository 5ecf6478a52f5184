"""Solving ``I = a F + (1 - a) B`` for what is not known.

Colours are float32 (h, w, 3) in [0, 255], alpha float32 (h, w) in [0, 1]; all arrays share a size.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32, channel_max


def project_alpha(image: F32, foreground: F32, background: F32) -> F32:
    """Alpha of a known foreground colour over a known background, by orthogonal projection.

    ``a = <F - B, I - B> / |F - B|^2`` clipped to [0, 1] (LayerD, arXiv:2509.25134, foreground
    refinement). ``foreground`` may be (3,) for one colour. Where F equals B nothing can be known
    and alpha is 0.
    """
    axis = foreground - background
    length = dot(axis, axis)
    along = dot(axis, image - background)
    alpha = np.zeros_like(along)
    np.divide(along, length, out=alpha, where=length > 1e-6)
    np.clip(alpha, 0.0, 1.0, out=alpha)
    return alpha


def unblend_colour(image: F32, alpha: F32, background: F32) -> F32:
    """The foreground colour ``F = (I - (1 - a) B) / a`` clipped to [0, 255]; 0 where alpha is 0."""
    weight = alpha[..., None]
    colour = np.asarray(image - (1.0 - weight) * background, np.float32)
    np.divide(colour, weight, out=colour, where=weight > 0)
    colour[alpha <= 0] = 0
    np.clip(colour, 0.0, 255.0, out=colour)
    return colour


def least_alpha(image: F32, background: F32) -> F32:
    """The smallest alpha with which some colour in [0, 255] over the background gives the image.

    Per channel ``(I - B) / (255 - B)`` above the background and ``(B - I) / B`` below it
    (Smith and Blinn 1996, the bounds of blue-screen matting); the largest channel decides.
    """
    room = np.where(image > background, 255.0 - background, background)
    need = np.abs(image - background)
    ratio = np.divide(need, room, out=np.zeros_like(need), where=room > 1e-6)
    return np.clip(channel_max(ratio), 0.0, 1.0)


def dot(a: F32, b: F32) -> F32:
    """Inner product of the three channels, (...,)."""
    dot = a[..., 0] * b[..., 0] + a[..., 1] * b[..., 1] + a[..., 2] * b[..., 2]
    return np.asarray(dot, np.float32)


def unknown_veil(
    inside: NDArray[np.floating], outside: NDArray[np.floating]
) -> tuple[float, NDArray[np.float64]] | None:
    """Opacity and colour of a veil from pairs of colours with and without it, both (n, 3).

    Least squares of ``inside = (1 - a) outside + a p`` with one slope for all channels and an
    offset for each. None where the pairs vary too little to tell a slope.
    """
    x = np.asarray(outside, dtype=np.float64)
    y = np.asarray(inside, dtype=np.float64)
    x_mean, y_mean = x.mean(axis=0), y.mean(axis=0)
    spread = float(((x - x_mean) ** 2).sum())
    if spread < 4.0 * len(x):  # under about one level of deviation per channel
        return None
    slope = float(((x - x_mean) * (y - y_mean)).sum()) / spread
    alpha = 1.0 - slope
    if not 0.02 < alpha <= 1.0:
        return None
    colour = (y_mean - slope * x_mean) / alpha
    return alpha, np.clip(colour, 0.0, 255.0)
