"""Colour, opacity and edge of a panel whose outline is known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32, channel_max
from layerstudio.document import Role
from layerstudio.geometry import Bounds
from layerstudio.ops.fill_smooth import fill_smooth
from layerstudio.ops.gradient import best_shade_of
from layerstudio.ops.unblend import project_alpha, unknown_veil
from layerstudio.pipelines.flat.analysis import dilate
from layerstudio.pipelines.flat.element import Element
from layerstudio.pipelines.flat.outline import Outline

_BAND = 2.0  # pixels around an outline where alpha is measured instead of computed
_VEIL_ROUNDS = 4
# Share of the pixels that a fill must show, best first: shadows of what lies on it are the rest.
_FIT_SHARES = (0.97, 0.9, 0.8)
_LINE_CONTRAST = 12.0  # levels that a hairline differs from every mix of fill and backdrop
_MIN_BACKDROP_RANGE = 8.0  # levels: with less, an opaque and a translucent panel look the same


def paint_panel(
    image: F32,
    under: F32,
    outline: Outline,
    sure: NDArray[np.bool_],
    through: Sequence[NDArray[np.bool_]],
    border: float,
    tolerance: float,
    *,
    hairline: bool = True,
    any_fill: bool = False,
) -> Element | None:
    """The panel as an element; ``sure`` (h, w) marks pixels that show nothing but its fill,
    ``through`` parts where something else may be seen through it.

    ``image`` and ``under`` (h, w, 3) are the picture and what lies beneath, over the outline's
    bounds. ``hairline`` looks for a line of a pixel or two around the fill, which needs a backdrop
    that has the panel's shadow on it. None where the fill is no plain colour, gradient or veil;
    with ``any_fill`` it is what is seen of it, smoothly continued.
    """
    fill = _fill(image, under, sure, through, tolerance)
    if fill is None and any_fill and sure.any():
        fill = 1.0, fill_smooth(image, ~sure)
    if fill is None:
        return None
    opacity, colour = fill
    if border == 0 and hairline:
        border = _hairline(image, under, colour, outline, tolerance)
    if border > 0:
        colour = _bordered(image, under, colour, outline, border, opacity)
    distance = outline.distance - np.float32(border)
    over = (under + np.float32(opacity) * (colour - under)).astype(np.float32)
    measured = project_alpha(image, over, under)
    band = (np.abs(distance) <= _BAND) & _lies_between(image, over, under, tolerance)
    alpha = np.where(band, measured, np.clip(0.5 - distance, 0.0, 1.0)).astype(np.float32)
    alpha *= np.float32(opacity)
    alpha[alpha < 1.5 / 255] = 0
    return Element(Role.SHAPE, outline.bounds, alpha, colour, outline.shape).cropped()


def _fill(
    image: F32,
    under: F32,
    sure: NDArray[np.bool_],
    through: Sequence[NDArray[np.bool_]],
    tolerance: float,
) -> tuple[float, F32] | None:
    """Opacity and colour (h, w, 3) of a panel from the pixels that surely show it."""
    if np.count_nonzero(sure) < 32:
        return None
    tolerance = max(2.0, 0.8 * tolerance)
    veil = _veil(image[sure], under[sure], tolerance)
    if veil is None:
        veil = _veil_by_overlap(image, under, sure, through, tolerance)
    if veil is not None:
        opacity, tint = veil
        return opacity, np.broadcast_to(np.float32(tint), image.shape).copy()
    shade = best_shade_of(image, sure, tolerance, _FIT_SHARES)
    if shade is None:
        return None
    return 1.0, shade.render(Bounds(0, 0, image.shape[1], image.shape[0]))


def _veil_by_overlap(
    image: F32,
    under: F32,
    sure: NDArray[np.bool_],
    through: Sequence[NDArray[np.bool_]],
    tolerance: float,
) -> tuple[float, NDArray] | None:
    """A translucent panel over two plain colours: the change that shows through tells how much.

    With P over B and X over D, ``X - P = (1 - a) (D - B)``.
    """
    fill, plain = image[sure].mean(axis=0), under[sure].mean(axis=0)
    if float(image[sure].std(axis=0).max()) > tolerance + 1.0:
        return None
    for part in through:
        if np.count_nonzero(part) < 30:
            continue
        change = under[part].mean(axis=0) - plain
        seen = image[part].mean(axis=0) - fill
        power = float(change @ change)
        if power < 15.0**2:
            continue
        left = float(change @ seen) / power
        if not 0.03 < left < 0.85 or np.abs(seen - left * change).max() > tolerance + 1.5:
            continue
        tint = (fill - left * plain) / (1.0 - left)
        if (tint > -6).all() and (tint < 261).all():
            return 1.0 - left, np.clip(tint, 0, 255)
    return None


def _veil(image: NDArray, under: NDArray, tolerance: float) -> tuple[float, NDArray] | None:
    """A translucent plain panel, where what shines through tells it from an opaque one.

    Least squares, repeated without the pixels that do not fit: shadows on the panel are such.
    """
    keep = np.ones(len(image), bool)
    veil: tuple[float, NDArray] | None = None
    for _ in range(_VEIL_ROUNDS):
        if float(np.ptp(under[keep], axis=0).max()) < _MIN_BACKDROP_RANGE:
            return None
        veil = unknown_veil(image[keep], under[keep])
        if veil is None or not 0.15 < veil[0] < 0.97:
            return None
        off = _misfit(veil, image, under)
        keep = off <= max(tolerance, float(np.median(off)))
    if veil is None or float((_misfit(veil, image, under) <= tolerance).mean()) < _FIT_SHARES[-1]:
        return None
    return veil


def _misfit(veil: tuple[float, NDArray], image: NDArray, under: NDArray) -> NDArray:
    """Largest channel difference (n,) between pixels and what a veil makes of the backdrop."""
    opacity, tint = veil
    return np.abs(opacity * tint + (1.0 - opacity) * under - image).max(axis=1)


def _hairline(image: F32, under: F32, fill: F32, outline: Outline, tolerance: float) -> float:
    """Thickness of a line of 1 or 2 pixels around a panel, 0 for none.

    An antialiased edge is a mix of the fill and what lies beneath; a line is a colour of its own.
    """
    mixed = _lies_between(image, fill, under, tolerance + _LINE_CONTRAST, spread=0)
    beyond = (outline.distance > 2.5) & (outline.distance <= 4.5)
    thickness = 0.0
    for inner in (0.0, 1.0):
        ring = (outline.distance > inner) & (outline.distance <= inner + 1.0)
        if not ring.any() or not beyond.any() or mixed[ring].mean() > 0.5:
            break
        # A shadow goes on outwards; a line does not.
        change = np.median(image[ring], axis=0) - np.median(image[beyond], axis=0)
        if np.abs(change).max() < 2 * _LINE_CONTRAST:
            break
        thickness = inner + 1.0
    return thickness


def _bordered(
    image: F32, under: F32, fill: F32, outline: Outline, border: float, opacity: float
) -> F32:
    """The fill with its border: the median colour half-way between the two edges."""
    middle = np.abs(outline.distance - border / 2) <= max(0.75, border / 4)
    line = (image[middle] - (1 - opacity) * under[middle]) / opacity
    tint = np.clip(np.median(line, axis=0), 0, 255)
    share = np.clip(0.5 - outline.distance, 0.0, 1.0)[..., None]
    return (fill * share + tint * (1.0 - share)).astype(np.float32)


def _lies_between(
    image: F32, over: F32, under: F32, tolerance: float, spread: int = 1
) -> NDArray[np.bool_]:
    """Pixels that are a mix of backdrop and panel colour, so that nothing else is on them.

    Pixels as near as ``spread`` to one that is not are left out too.
    """
    alpha = project_alpha(image, over, under)[..., None]
    off = channel_max(np.abs(under + alpha * (over - under) - image))
    other = off > tolerance + 3.0
    return ~(dilate(other, spread) if spread else other)
