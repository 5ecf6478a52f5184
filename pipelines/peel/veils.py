"""Translucent panels on a photograph, where the network sees them."""

from __future__ import annotations

import cv2
import numpy as np

from layerstudio.color import F32
from layerstudio.document import Role
from layerstudio.geometry import Bounds, Extent
from layerstudio.pipelines.flat.analysis import Analysis, dilate, ellipse_kernel, find_regions
from layerstudio.pipelines.flat.element import Element
from layerstudio.pipelines.flat.outline import FREE, Outline, candidates
from layerstudio.pipelines.flat.veils import cannot_be_under, find_veils, robust_veil
from layerstudio.pipelines.peel.reading import Mask, Reading

_SEEN = 0.5
_MIN_SHARE = 0.008  # of the canvas
_ALIKE = 0.75  # IoU of a veil by its edges and one that is seen
_MIN_LIKE = 0.8  # IoU of an outline and the pixels that it stands for
_LOOSE = {"shape": 0.06, "polygon": 0.04}  # taken off, since such outlines follow any piece
_PAD = 8
_FRAYED = 12  # pixels: radius below which what sticks out of a veil is none of it
_MAX_OPACITY, _MIN_OPACITY = 0.97, 0.15
_MOST_IMPOSSIBLE = 0.6  # share of a veil that no photograph under it can show
_MARGIN = 10  # pixels into a veil where no line is its edge
_BEYOND, _MOST_BEYOND = (4, 8), 0.6  # pixels beside a veil, and the share that may look veiled
_BARE = 0.8  # share of a line that lies beside what it parts
# Over 120 veils of designs the mean of a usual opacity and of the two that contrast tells misses by
# 0.066, a usual one alone by 0.126.
_USUAL_OPACITY = 0.65
_LIKELY = (0.3, 0.9)
_SURROUNDINGS = 60  # pixels around a veil whose contrast is compared
_MIN_SAMPLE = 300  # pixels
_TEXTURE = 4.0  # pixels: Gaussian deviation below which texture is
_LEAST_CONTRASTS = (3.0, 0.5)  # levels: where colours and texture have as little, it tells nothing
_OTHER = 30  # levels between the rim of a veil and what lies deeper, where the rim is a border
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
    # What lies on a veil may part it, a drawing from side to side or letters here and there.
    for group in _large(left | drawn):
        found += _veils_of(analysis, _joined(left & group), left, drawn)
    return sorted(found, key=lambda veil: -float((veil.alpha > 0).sum()))


def _veils_of(analysis: Analysis, seen: Mask, bare: Mask, drawn: Mask) -> list[Element]:
    """One veil over all that is ``seen`` (h, w), or those of its pieces; ``bare`` is what nothing
    lies on."""
    if np.count_nonzero(seen) < _MIN_SHARE * seen.size:
        return []
    one = _veil(analysis, seen, drawn)
    if one is not None and _is_whole(one, bare, drawn):
        return [one]
    pieces = _large(seen)
    if len(pieces) > 1:
        return [veil for piece in pieces for veil in _veils_of(analysis, piece, bare, drawn)]
    parts = [_veil(analysis, part, drawn) for part in _large(bare & seen)]
    several = [part for part in parts if part is not None]
    if len(several) == len(parts) > 1:
        return several
    return [] if one is None else [one]


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
    split = _is_split(there[inner], free[inner])
    return bool(alike) and not split and not _goes_on(seen & ~drawn, ~drawn, veil.bounds)


def _goes_on(there: Mask, free: Mask, box: Bounds) -> bool:
    """Whether what is ``there`` (h, w) runs on beyond a side of the box."""
    canvas = Extent.of(there)
    bands = (
        Bounds.from_edges(box.x - _BEYOND[1], box.y, box.x - _BEYOND[0], box.bottom),
        Bounds.from_edges(box.right + _BEYOND[0], box.y, box.right + _BEYOND[1], box.bottom),
        Bounds.from_edges(box.x, box.y - _BEYOND[1], box.right, box.y - _BEYOND[0]),
        Bounds.from_edges(box.x, box.bottom + _BEYOND[0], box.right, box.bottom + _BEYOND[1]),
    )
    for band in bands:
        view = band.clamped(canvas).slices
        shown = np.count_nonzero(free[view])
        if shown and np.count_nonzero(there[view]) > _MOST_BEYOND * shown:
            return True
    return False


def _is_whole(veil: Element, there: Mask, drawn: Mask) -> bool:
    """Whether what lies on a veil of a simple outline is all that parts it."""
    view = veil.bounds.padded(-_MARGIN).slices
    return veil.shape not in FREE and not _is_split(there[view], ~drawn[view])


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
    """The simple shape most like the piece, or the piece without its frayed parts, where nothing
    hides it."""
    bounds = Bounds.of_mask(piece).padded(_PAD).clamped(analysis.extent)
    mask, free = piece[bounds.slices], ~drawn[bounds.slices]
    best, likeness = None, _MIN_LIKE
    for own in (mask, _smooth(mask, free)):
        for outline in candidates(own, bounds, analysis.extent) if own.any() else ():
            inside = outline.inside()
            both = np.count_nonzero(inside & mask & free)
            like = both / max(1, np.count_nonzero((inside | mask) & free))
            like -= _LOOSE.get(outline.shape, 0.0)
            if like > likeness:
                best, likeness = outline, like
    return best


def _smooth(mask: Mask, free: Mask) -> Mask:
    """The largest piece after opening, with what lies on it taken for a part: it frays no edge."""
    whole = (mask | ~free).astype(np.uint8)
    opened = cv2.morphologyEx(whole, cv2.MORPH_OPEN, ellipse_kernel(_FRAYED)) > 0
    pieces = find_regions(opened)
    shown = np.bincount(pieces.labels[mask], minlength=len(pieces.areas))
    shown[0] = 0
    return (pieces.labels == int(shown.argmax())) & mask & opened


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
    if fit is not None and _MIN_OPACITY <= fit[0] <= _MAX_OPACITY:
        deep = np.median(image[free & (away < -_MARGIN) & (away > -3 * _MARGIN)], axis=0)
        if not np.abs(deep - np.median(inner[ys, xs, :3], axis=0)).max() > _OTHER:
            return fit
    return _by_contrast(analysis, outline, drawn)


def _by_contrast(analysis: Analysis, outline: Outline, drawn: Mask) -> tuple[float, F32] | None:
    """Where the photograph beside an outline does not tell the opacity, the mean of a usual one and
    of what colours and texture have lost of their contrast; the colour is then that which explains
    the middle of what is seen on both sides."""
    around = outline.bounds.padded(_SURROUNDINGS).clamped(analysis.extent)
    body = np.zeros(around.extent.shape, np.uint8)
    body[outline.bounds.relative_to(around).slices] = outline.inside()
    free = ~dilate(drawn[around.slices], _RIM)
    depths = [cv2.distanceTransform(side, cv2.DIST_L2, 5) for side in (body, 1 - body)]
    within, beyond = (free & (depth > _MARGIN) & (depth < _SURROUNDINGS) for depth in depths)
    if min(np.count_nonzero(within), np.count_nonzero(beyond)) < _MIN_SAMPLE:
        return None
    image = analysis.rgb[around.slices].astype(np.float32)
    texture = np.abs(image - cv2.GaussianBlur(image, (0, 0), _TEXTURE))
    contrasts = [
        [float(image[where].std(axis=0).mean()), float(texture[where].mean())]
        for where in (within, beyond)
    ]
    lost = [
        float(np.clip(1 - left / whole, *_LIKELY))
        for left, whole, least in zip(*contrasts, _LEAST_CONTRASTS, strict=True)
        if whole > least
    ]
    sides = [
        where & (depth < 3 * _MARGIN) for where, depth in zip((within, beyond), depths, strict=True)
    ]
    veiled, bare = (np.median(image[side], axis=0) for side in sides)
    opacity = max(float(np.mean([_USUAL_OPACITY, *lost])), _least_opacity(veiled, bare))
    if opacity > _MAX_OPACITY:
        return None
    tint = (veiled - (1 - opacity) * bare) / opacity
    return opacity, np.clip(tint, 0, 255).astype(np.float32)


def _least_opacity(veiled: F32, bare: F32) -> float:
    """That of black or white, which makes of a colour (3,) the other."""
    darker = 1 - veiled / np.maximum(bare, 1)
    lighter = (veiled - bare) / np.maximum(255 - bare, 1)
    return float(np.maximum(darker, lighter).max())


def _blurred(image: F32, where: Mask) -> F32:
    """Means (h, w, 3) of the pixels of ``where`` nearby, and their weight as a fourth channel."""
    weight = where.astype(np.float32)
    total = cv2.GaussianBlur(image * weight[..., None], (0, 0), 3.0)
    share = cv2.GaussianBlur(weight, (0, 0), 3.0)
    return np.dstack([total / np.maximum(share, 1e-3)[..., None], share]).astype(np.float32)
