"""Translucent panels on a photograph, where the network sees them."""

from __future__ import annotations

import cv2
import numpy as np

from layerstudio.color import F32
from layerstudio.document import Role
from layerstudio.geometry import Bounds, Extent
from layerstudio.pipelines.flat.analysis import Analysis, dilate, find_regions
from layerstudio.pipelines.flat.element import Element
from layerstudio.pipelines.flat.outline import Outline, candidates
from layerstudio.pipelines.flat.veils import find_veils, robust_veil
from layerstudio.pipelines.peel.reading import Mask, Reading

_SEEN = 0.5
_MIN_SHARE = 0.008  # of the canvas
_ALIKE = 0.75  # IoU of a veil by its edges and one that is seen
_MIN_LIKE = 0.8  # IoU of an outline and the pixels that it stands for
_PAD = 8
_MAX_OPACITY, _MIN_OPACITY = 0.97, 0.15
_RIM = 4


def guided_veils(analysis: Analysis, reading: Reading, drawn: Mask) -> list[Element]:
    """Veils as elements, largest first; ``drawn`` (h, w) marks what lies on them."""
    seen = (reading.veil > _SEEN) & ~drawn
    panel = (np.maximum(reading.veil, reading.shape) > _SEEN) & ~drawn
    covered = dilate(drawn, _RIM)
    # Where the rules measure a veil, the network may take it for an opaque panel.
    exact = [
        veil
        for veil in find_veils(analysis, covered)
        if _is_seen(veil, seen, drawn) or _is_seen(veil, panel, drawn)
    ]
    left = seen.copy()
    for veil in exact:
        left[veil.bounds.padded(3).clamped(analysis.extent).slices] = False
    found = list(exact)
    pieces = find_regions(_joined(left, drawn))
    for label in np.argsort(-pieces.areas):
        if label == 0 or pieces.areas[label] < _MIN_SHARE * analysis.extent.pixel_count:
            continue
        veil = _veil(analysis, pieces.labels == label, drawn)
        if veil is not None:
            found.append(veil)
    return sorted(found, key=lambda veil: -float((veil.alpha > 0).sum()))


def _joined(seen: Mask, drawn: Mask) -> Mask:
    """Pieces of a veil that what lies on it keeps apart are one."""
    kernel = np.ones((9, 9), np.uint8)
    closed = cv2.morphologyEx(seen.astype(np.uint8), cv2.MORPH_CLOSE, kernel) > 0
    return closed


def _is_seen(veil: Element, seen: Mask, drawn: Mask) -> bool:
    """Whether the network sees one there, where nothing hides it."""
    around = veil.bounds.padded(12).clamped(Extent.of(seen))
    own = np.zeros(around.extent.shape, bool)
    own[veil.bounds.relative_to(around).slices] = veil.alpha > 0.5 * veil.alpha.max()
    free = ~drawn[around.slices]
    there = seen[around.slices]
    both = np.count_nonzero(own & there & free)
    return bool(both >= _ALIKE * max(1, np.count_nonzero((own | there) & free)))


def _veil(analysis: Analysis, piece: Mask, drawn: Mask) -> Element | None:
    outline = _outline(analysis, piece, drawn)
    if outline is None:
        return None
    fit = _paint(analysis, outline, drawn)
    if fit is None:
        return None
    opacity, tint = fit
    alpha = (outline.coverage * np.float32(opacity)).astype(np.float32)
    colour = np.broadcast_to(tint, (*alpha.shape, 3)).astype(np.float32)
    return Element(Role.SHAPE, outline.bounds, alpha, colour, outline.shape).cropped()


def _outline(analysis: Analysis, piece: Mask, drawn: Mask) -> Outline | None:
    """The simple shape most like the piece, where nothing hides it."""
    bounds = Bounds.of_mask(piece).padded(_PAD).clamped(analysis.extent)
    mask, free = piece[bounds.slices], ~drawn[bounds.slices]
    best, likeness = None, _MIN_LIKE
    for outline in candidates(mask, bounds, analysis.extent):
        inside = outline.inside()
        both = np.count_nonzero(inside & mask & free)
        like = both / max(1, np.count_nonzero((inside | mask) & free))
        like -= 0.04 if outline.shape in ("shape", "polygon") else 0.0
        if like > likeness:
            best, likeness = outline, like
    return best


def _paint(analysis: Analysis, outline: Outline, drawn: Mask) -> tuple[float, F32] | None:
    """Opacity and colour from what is seen on both sides of the outline."""
    bounds = outline.bounds
    image = analysis.rgb[bounds.slices].astype(np.float32)
    free = ~dilate(drawn[bounds.slices], 2)
    away = outline.distance
    within = free & (away < -2.5) & (away > -7)
    beyond = free & (away > 2.5) & (away < 7)
    inner, outer = _blurred(image, within), _blurred(image, beyond)
    line = np.abs(away) < 0.8
    ys, xs = np.nonzero(line & (inner[..., 3] > 0.05) & (outer[..., 3] > 0.05))
    if len(ys) < 40:
        return None
    fit = robust_veil(inner[ys, xs, :3], outer[ys, xs, :3])
    if fit is None or not _MIN_OPACITY <= fit[0] <= _MAX_OPACITY:
        return None
    return fit


def _blurred(image: F32, where: Mask) -> F32:
    """Means (h, w, 3) of the pixels of ``where`` nearby, and their weight as a fourth channel."""
    weight = where.astype(np.float32)
    total = cv2.GaussianBlur(image * weight[..., None], (0, 0), 3.0)
    share = cv2.GaussianBlur(weight, (0, 0), 3.0)
    return np.dstack([total / np.maximum(share, 1e-3)[..., None], share]).astype(np.float32)
