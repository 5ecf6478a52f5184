"""Soft shadows: where the backdrop darkens gradually, and what casts that.

A drop shadow is the silhouette of its caster, blurred, offset and tinted. Those few numbers are
fitted to the part that shows, and give the hidden part too; where no such shadow fits, the
measured darkness is kept and carried on smoothly beneath the caster.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32, U8, channel_max
from layerstudio.document import Role
from layerstudio.geometry import Bounds
from layerstudio.ops.unblend import project_alpha
from layerstudio.pipelines.flat.analysis import (
    Analysis,
    dilate,
    erode,
    find_regions,
    pieces_with,
    residual,
)
from layerstudio.pipelines.flat.drop_shadow import fit_drop_shadow
from layerstudio.pipelines.flat.element import Element

# Share of the backdrop's brightness between neighbours within a soft shadow: 60 % black blurred
# by 3 pixels falls by 0.6 / (3 * sqrt(2 pi)) = 0.08 a pixel at its steepest.
_SOFT_STEP = 0.08
_MIN_HALF_WIDTH = 3  # pixels: thinner darkness is a line
_PLATEAU_SHARE = 0.006  # of the canvas: a region of this size without any slope is a fill
_MAX_TINT = 120  # levels: a shadow's colour is dark in every channel
_MIN_AREA = 60
RIM = 2  # pixels beside what covers a shadow, which its soft edge may colour
_LEAST_PEAK = 0.03  # opacity that a shadow reaches somewhere
FAINTEST = 0.5 / 255  # opacity that 8 bits hold
FAINT = 0.06  # opacity of a shadow that is not told from the backdrop
_MAX_FIT_ERROR = 0.035  # mean error of alpha with which a fitted shadow is believed


def soft_darkness(analysis: Analysis, backdrop: F32) -> NDArray[np.bool_]:
    """Pixels that are backdrop made darker, reached from plain backdrop by small steps."""
    off = residual(analysis.rgb, backdrop)
    plain = off <= analysis.tolerance
    luma = cv2.cvtColor(analysis.rgb, cv2.COLOR_RGB2GRAY)
    shaded = cv2.cvtColor(cv2.convertScaleAbs(backdrop), cv2.COLOR_RGB2GRAY)
    darker = luma <= cv2.add(shaded, np.ceil(analysis.tolerance))
    gentle = gentle_steps(analysis, backdrop) & darker & ~_plateaus(analysis, off)
    # Through corners the search would slip along antialiased edges into what casts the shadow.
    soft = broad(pieces_with(gentle, plain, connectivity=4) & ~plain)
    return _shadow_like(analysis, backdrop, soft)


def gentle_steps(analysis: Analysis, backdrop: F32) -> NDArray[np.bool_]:
    """Pixels (h, w) that differ from their neighbours by no more than a soft shadow does."""
    slope = cv2.convertScaleAbs(channel_max(backdrop), alpha=_SOFT_STEP, beta=analysis.tolerance)
    return analysis.step <= slope


def _plateaus(analysis: Analysis, off: U8) -> NDArray[np.bool_]:
    """Broad flat fills that are clearly not the backdrop: what shows of a soft shadow slopes."""
    flat = analysis.step <= (0 if analysis.noise < 0.5 else 1)
    fills = find_regions(flat & (off > 3 * analysis.tolerance))
    broad = fills.areas >= _PLATEAU_SHARE * analysis.extent.pixel_count
    broad[0] = False
    return broad[fills.labels]


def _shadow_like(analysis: Analysis, backdrop: F32, soft: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The pixels of each soft piece that one dark tint over the backdrop explains."""
    pieces = find_regions(soft, connectivity=8)
    kept = np.zeros_like(soft)
    for label in np.flatnonzero(pieces.areas >= _MIN_AREA):
        if label == 0:
            continue
        bounds = pieces.bounds(int(label))
        view = bounds.slices
        piece = pieces.mask(int(label), bounds)
        image = analysis.rgb[view][piece].astype(np.float32)
        under = backdrop[view][piece]
        tint = shadow_tint(image, under)
        alpha = project_alpha(image, tint, under)[:, None]
        off = np.abs(under + alpha * (tint - under) - image).max(axis=1)
        fits = off <= analysis.tolerance + 1.5
        if fits.mean() > 0.5 and tint.max() <= _MAX_TINT and tint.mean() < 0.5 * under.mean():
            kept[view][piece] = fits
    return kept


def shadow_tint(image: NDArray, under: NDArray) -> F32:
    """The dark colour towards which a shadow takes its backdrop; pixels are (n, 3).

    Alpha and tint are found in turn: alpha by projection, then the tint by least squares,
    weighted by alpha. Only their product is certain where the shadow is faint, so the search
    starts at black and the tint moves away from it no further than the colours demand.
    """
    stride = max(1, len(image) // 4000)
    image, under = image[::stride], under[::stride]
    tint = np.zeros(3, np.float32)
    for _ in range(6):
        alpha = project_alpha(image, tint, under)[:, None]
        power = float((alpha * alpha).sum())
        if power < 1e-3:
            break
        wanted = (alpha * (image - (1.0 - alpha) * under)).sum(axis=0) / power
        tint = np.clip(wanted, 0, 255).astype(np.float32)
    return tint


def broad(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Only the pieces that are somewhere wide: thin ones are outlines of drawings."""
    return pieces_with(mask, erode(mask, _MIN_HALF_WIDTH))


def shadow_of(
    analysis: Analysis,
    backdrop: F32,
    soft: NDArray[np.bool_],
    caster: Element,
    hidden: NDArray[np.bool_],
    *,
    only_fitted: bool = False,
) -> Element | None:
    """The shadow layer beneath ``caster``, from the ``soft`` pixels around it.

    ``hidden`` (h, w) marks pixels of the canvas where something else covers what lies beneath,
    so that nothing is known there. None where no soft darkness touches the caster, or where no
    drop shadow explains it and ``only_fitted`` is set.
    """
    reach = max(24, int(0.25 * max(caster.bounds.width, caster.bounds.height)))
    bounds = caster.bounds.padded(min(reach, 160)).clamped(analysis.extent)
    near = _touching(soft, caster, bounds)
    if np.count_nonzero(near) < _MIN_AREA:
        return None
    image = analysis.rgb[bounds.slices].astype(np.float32)
    under = backdrop[bounds.slices]
    tint = shadow_tint(image[near], under[near])
    seen = project_alpha(image, tint, under)
    silhouette = silhouette_in(bounds, caster)
    covered = silhouette >= 0.02
    known = ~covered & (~hidden[bounds.slices] | near)
    seen[~near & known] = np.minimum(seen[~near & known], FAINT)
    clear = known & ~dilate(covered | (hidden[bounds.slices] & ~near), RIM)
    fitted, error = fit_drop_shadow(silhouette, seen, clear)
    seen[~near & known] = 0.0
    if error <= _MAX_FIT_ERROR:
        # What shows is taken as it is; the numbers give what is hidden, and where to stop.
        cast = fitted.cast(silhouette)
        alpha = np.where(near & known & (cast > 1.0 / 255), seen, cast).astype(np.float32)
    elif only_fitted:
        return None
    else:
        alpha = carried_on(seen, known)
    if float(alpha.max()) < _LEAST_PEAK:
        return None
    alpha[alpha < FAINTEST] = 0.0
    colour = np.broadcast_to(np.float32(tint), (*alpha.shape, 3))
    return Element(Role.SHADOW, bounds, alpha, colour, "shadow").cropped()


def silhouette_in(bounds: Bounds, caster: Element) -> F32:
    """The caster's alpha over ``bounds``, which contain it."""
    alpha = np.zeros(bounds.extent.shape, np.float32)
    alpha[caster.bounds.relative_to(bounds).slices] = caster.alpha
    return alpha


def _touching(soft: NDArray[np.bool_], caster: Element, bounds: Bounds) -> NDArray[np.bool_]:
    """The soft pixels of regions that come near the caster, over ``bounds``."""
    part = soft[bounds.slices]
    body = np.zeros(part.shape, bool)
    body[caster.bounds.relative_to(bounds).slices] = caster.alpha > 0.5
    return pieces_with(part, dilate(body, 4))


def carried_on(seen: F32, known: NDArray[np.bool_]) -> F32:
    """Measured darkness, with the unknown part filled by repeated smoothing from its edge."""
    alpha = np.where(known, seen, 0).astype(np.float32)
    weight = known.astype(np.float32)
    filled = alpha.copy()
    for sigma in (2.0, 6.0, 18.0, 54.0):
        near = cv2.GaussianBlur(weight, (0, 0), sigma)
        value = cv2.GaussianBlur(alpha * weight, (0, 0), sigma)
        missing = ~known & (near > 0.02) & (filled == 0)
        filled[missing] = value[missing] / near[missing]
    return filled
