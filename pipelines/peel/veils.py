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
from layerstudio.pipelines.flat.veils import cannot_be_under, find_veils, robust_veil
from layerstudio.pipelines.peel.reading import Mask, Reading

_SEEN = 0.5
_MIN_SHARE = 0.008  # of the canvas
_ALIKE = 0.75  # IoU of a veil by its edges and one that is seen
_MIN_LIKE = 0.8  # IoU of an outline and the pixels that it stands for
_PAD = 8
_MAX_OPACITY, _MIN_OPACITY = 0.97, 0.15
_MOST_IMPOSSIBLE = 0.6  # share of a veil that no photograph under it can show
_MARGIN = 10  # pixels into a veil where no line is its edge
_BARE = 0.8  # share of a line that lies beside what it parts
_USUAL_OPACITY = 0.65
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
        if (_is_seen(veil, seen, drawn) or _is_seen(veil, panel, drawn))
        and _is_possible(analysis, veil, drawn)
    ]
    left = seen.copy()
    for veil in exact:
        left[veil.bounds.padded(3).clamped(analysis.extent).slices] = False
    found = list(exact)
    for whole in _large(_joined(left)):
        parts = _large(left & whole)
        veils = [_veil(analysis, part, drawn) for part in parts] if len(parts) > 1 else [None]
        if None in veils:  # rather one, of which something hides a part, than several side by side
            veils = [_veil(analysis, whole, drawn)]
        found += [veil for veil in veils if veil is not None]
    return sorted(found, key=lambda veil: -float((veil.alpha > 0).sum()))


def _large(mask: Mask) -> list[Mask]:
    """The pieces of a mask that may be veils, largest first."""
    pieces = find_regions(mask)
    order = np.argsort(-pieces.areas)
    return [
        pieces.labels == label
        for label in order
        if label != 0 and pieces.areas[label] >= _MIN_SHARE * mask.size
    ]


def _joined(seen: Mask) -> Mask:
    """Pieces of a veil that what lies on it keeps apart are one."""
    kernel = np.ones((9, 9), np.uint8)
    return cv2.morphologyEx(seen.astype(np.uint8), cv2.MORPH_CLOSE, kernel) > 0


def _is_seen(veil: Element, seen: Mask, drawn: Mask) -> bool:
    """Whether the network sees one there, where nothing hides it."""
    around = veil.bounds.padded(12).clamped(Extent.of(seen))
    own = np.zeros(around.extent.shape, bool)
    own[veil.bounds.relative_to(around).slices] = veil.alpha > 0.5 * veil.alpha.max()
    free = ~drawn[around.slices]
    there = seen[around.slices]
    both = np.count_nonzero(own & there & free)
    alike = both >= _ALIKE * max(1, np.count_nonzero((own | there) & free))
    inner = veil.bounds.padded(-_MARGIN).relative_to(around).slices
    return bool(alike) and not _is_split(there[inner], free[inner])


def _is_split(there: Mask, free: Mask) -> bool:
    """Whether a line from side to side shows that what is ``there`` is two."""
    for axis in (0, 1):
        shown = np.count_nonzero(free, axis=axis)
        bare = np.count_nonzero(free & ~there, axis=axis)
        if (bare > _BARE * np.maximum(shown, 0.5 * there.shape[axis])).any():
            return True
    return False


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
    veil = Element(Role.SHAPE, outline.bounds, alpha, colour, outline.shape).cropped()
    return veil if _is_possible(analysis, veil, drawn) else None


def _is_possible(analysis: Analysis, veil: Element, drawn: Mask) -> bool:
    """Whether a photograph under the veil could look like what is seen of it."""
    free = ~drawn[veil.bounds.slices]
    impossible = cannot_be_under(analysis.rgb, veil, analysis.tolerance)
    return bool(np.count_nonzero(impossible & free) <= _MOST_IMPOSSIBLE * np.count_nonzero(free))


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
    if fit is None:
        return _usual(inner[ys, xs, :3], outer[ys, xs, :3])
    return fit if _MIN_OPACITY <= fit[0] <= _MAX_OPACITY else None


def _usual(inner: F32, outer: F32) -> tuple[float, F32]:
    """Where the photograph varies too little beside an outline to tell the opacity, a usual one;
    the colour is then that which explains the middle of what is seen (n, 3) on both sides."""
    veiled, bare = (np.median(colours, axis=0) for colours in (inner, outer))
    tint = (veiled - (1 - _USUAL_OPACITY) * bare) / _USUAL_OPACITY
    return _USUAL_OPACITY, np.clip(tint, 0, 255).astype(np.float32)


def _blurred(image: F32, where: Mask) -> F32:
    """Means (h, w, 3) of the pixels of ``where`` nearby, and their weight as a fourth channel."""
    weight = where.astype(np.float32)
    total = cv2.GaussianBlur(image * weight[..., None], (0, 0), 3.0)
    share = cv2.GaussianBlur(weight, (0, 0), 3.0)
    return np.dstack([total / np.maximum(share, 1e-3)[..., None], share]).astype(np.float32)
