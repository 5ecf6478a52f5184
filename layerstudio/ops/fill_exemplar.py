"""Texture fill: holes completed from patches of the picture's own known part.

Coarse to fine, patches are matched and voted in turn (Wexler, Shechtman, Irani, PAMI 29(3), 2007,
section 3) with a randomised nearest-neighbour field (Barnes et al., "PatchMatch", SIGGRAPH 2009,
section 3), all pixels at once. Patches are compared by their leading principal components.
The matching runs at a bounded size; the field is then enlarged and copies real pixels, whose low
frequencies follow the voted picture so that seams between copied pieces do not show.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32, U8
from layerstudio.ops.fill_smooth import fill_smooth

Index = NDArray[np.int32]
Bools = NDArray[np.bool_]

_RADIUS = 3  # 7 x 7 patches
_SIDE = 2 * _RADIUS + 1
_COMPONENTS = 20
_ITERATIONS = 3  # of the axes; they explain 0.1 % less of the variance than the best 20 at most
_SAMPLES = 800  # patches from which the components are learnt
_WORK_SIDE = 400
_COARSEST_SIDE = 24
_ROUNDS = (14, 12, 8, 4, 2)  # vote and match, from the coarsest level on
_NEARNESS = 0.5  # of a typical patch difference, for a source a picture's side away
_NEIGHBOURS = ((0, 1), (0, -1), (1, 0), (-1, 0))
_STRIDES = (4, 1, 2, 1)  # pixels between neighbours that a source is taken over from


@dataclass
class _Level:
    """One scale: ``picture`` (h, w, 3) float32, holes, matched centres and where they copy from."""

    picture: F32
    hole: Bools
    sources: Index  # (m, 2) rows and columns of centres whose whole patch is known
    allowed: Bools  # (h, w) true at sources
    targets: Index  # (n, 2) centres whose patch meets the hole
    place: Index  # (h, w) index into targets, or -1
    field: Index  # (n, 2) the source centre of each target
    axes: F32  # (components, 3, side, side) principal axes of the known patches


def fill_exemplar(image: U8, hole: Bools, seed: int = 0) -> U8:
    """``image`` (h, w, 3) uint8 with ``hole`` (h, w) completed; the same for the same seed.

    Falls back to the membrane where no whole patch is known.
    """
    if not hole.any():
        return image.copy()
    rng = np.random.default_rng(seed)
    scale = min(1.0, _WORK_SIDE / max(hole.shape))
    work, work_hole = _reduced(image.astype(np.float32), hole, scale)
    pyramid = [(work, work_hole)]
    while min(pyramid[-1][1].shape) > 2 * _COARSEST_SIDE and len(pyramid) < len(_ROUNDS):
        pyramid.append(_reduced(*pyramid[-1], 0.5))
    level = None
    for depth, (picture, holes) in enumerate(reversed(pyramid)):
        refined = _begin(picture, holes, level, rng)
        if refined is None:
            continue
        level = refined
        for _ in range(_ROUNDS[depth + len(_ROUNDS) - len(pyramid)]):
            _match(level, rng)
            _vote(level)
    if level is None or level.hole.shape != work_hole.shape:
        return fill_smooth(image, hole)
    return _enlarged(image, hole, level)


def _reduced(picture: F32, hole: Bools, scale: float) -> tuple[F32, Bools]:
    """Smaller by area means over known pixels only; a pixel that touches the hole is hole."""
    if scale == 1.0:
        return picture, hole
    size = (max(1, round(hole.shape[1] * scale)), max(1, round(hole.shape[0] * scale)))
    known = (~hole).astype(np.float32)
    share = cv2.resize(known, size, interpolation=cv2.INTER_AREA)
    small = cv2.resize(picture * known[..., None], size, interpolation=cv2.INTER_AREA)
    mean = small / np.maximum(share, 1e-6)[..., None]
    return mean.astype(np.float32, copy=False), share < 0.999


def _begin(picture: F32, hole: Bools, coarser: _Level | None, rng) -> _Level | None:
    """The level's first guess: the membrane and random sources, or the coarser level enlarged."""
    square = np.ones((_SIDE, _SIDE), dtype=np.uint8)
    near = cv2.dilate(hole.view(np.uint8), square) > 0
    allowed = ~near
    allowed[:_RADIUS] = allowed[-_RADIUS:] = False
    allowed[:, :_RADIUS] = allowed[:, -_RADIUS:] = False
    allowed = _as_rough_as_ring(picture, near, allowed)
    sources = np.argwhere(allowed).astype(np.int32)
    targets = np.argwhere(near).astype(np.int32)
    if len(sources) < 16:
        return None
    place = np.full(hole.shape, -1, dtype=np.int32)
    place[near] = np.arange(len(targets))
    field = sources[rng.integers(len(sources), size=len(targets))]
    axes = _principal_axes(picture, sources, rng)
    level = _Level(picture, hole, sources, allowed, targets, place, field, axes)
    if coarser is None:
        level.picture = _nearest_known(picture, hole)
    else:
        _inherit(level, coarser)
        _vote(level)
    return level


def _as_rough_as_ring(picture: F32, near: Bools, allowed: Bools) -> Bools:
    """``allowed`` without places much smoother than anything beside the hole.

    A smooth patch is close to the mean of every rough one, so voting would drift to it.
    """
    side = (_SIDE, _SIDE)
    mean, square = cv2.blur(picture, side), cv2.blur(picture * picture, side)
    rough = np.sqrt(np.maximum(square - mean * mean, 0.0)).max(axis=2)
    ring = allowed & (cv2.dilate(near.view(np.uint8), np.ones((9, 9), dtype=np.uint8)) > 0)
    if not ring.any():
        return allowed
    kept = allowed & (rough >= 0.5 * np.percentile(rough[ring], 10))
    return kept if np.count_nonzero(kept) >= 0.1 * np.count_nonzero(allowed) else allowed


def _nearest_known(picture: F32, hole: Bools) -> F32:
    """Each hole pixel as its nearest known one: as rough as the texture, which a mean is not."""
    _, labels = cv2.distanceTransformWithLabels(
        hole.view(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    colors = np.zeros((int(labels.max()) + 1, 3), dtype=np.float32)
    index = labels.astype(np.int64)
    colors[index[~hole]] = picture[~hole]
    return colors[index]


def _inherit(level: _Level, coarser: _Level) -> None:
    """Sources from the coarser field, at the same offset in this level's pixels."""
    ratio = np.array(level.hole.shape) / np.array(coarser.hole.shape)
    parent = np.minimum(level.targets / ratio, np.array(coarser.hole.shape) - 1).astype(np.int32)
    index = coarser.place[parent[:, 0], parent[:, 1]]
    known = index >= 0
    offset = (coarser.field[index] - parent) * ratio
    wanted = level.targets + np.rint(offset).astype(np.int32)
    known &= _is_source(level, wanted)
    level.field[known] = wanted[known]


def _is_source(level: _Level, centres: Index) -> Bools:
    rows, columns = centres[:, 0], centres[:, 1]
    height, width = level.hole.shape
    on_canvas = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    inside = level.allowed[np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)]
    return on_canvas & inside


def _match(level: _Level, rng: np.random.Generator) -> None:
    """One round of propagation from neighbours and of random search, for all targets at once."""
    features = _features(level)
    height, width = level.hole.shape
    # In flat indices of a canvas with a margin, so that a step never leaves it.
    margin = max(_STRIDES)
    wide = width + 2 * margin
    allowed = np.pad(level.allowed, margin).ravel()
    place = np.pad(level.place, margin, constant_values=-1).ravel()
    targets = (level.targets[:, 0] + margin) * wide + level.targets[:, 1] + margin
    own = (level.field[:, 0] + margin) * wide + level.field[:, 1] + margin
    target = features[level.targets[:, 0] * width + level.targets[:, 1]]

    def cost(centres: NDArray[np.int64], rows: NDArray[np.int64]) -> F32:
        y, x = np.divmod(centres, wide)
        off = features[(y - margin) * width + x - margin] - target[rows]
        return np.einsum("nc,nc->n", off, off)

    best = cost(own, np.arange(len(own)))

    def consider(wanted: NDArray[np.int64], rows: NDArray[np.int64]) -> None:
        """Sources that are not the targets' own already."""
        usable = allowed[wanted]
        wanted, rows = wanted[usable], rows[usable]
        costs = cost(wanted, rows)
        better = costs < best[rows]
        best[rows[better]] = costs[better]
        own[rows[better]] = wanted[better]

    for stride in _STRIDES:
        for down, across in _NEIGHBOURS:
            delta = stride * (down * wide + across)
            beside = place[targets + delta]
            wanted = own[beside] - delta
            # Where a texture continues, neighbours copy from neighbours: nothing new.
            rows = np.flatnonzero((beside >= 0) & (wanted != own))
            consider(wanted[rows], rows)
    reach = max(height, width)
    while reach >= 1:
        step = rng.integers(-reach, reach + 1, size=(len(own), 2), dtype=np.int32)
        y, x = np.divmod(own, wide)
        y, x = y - margin + step[:, 0], x - margin + step[:, 1]
        rows = np.flatnonzero((y >= 0) & (y < height) & (x >= 0) & (x < width))
        consider((y[rows] + margin) * wide + x[rows] + margin, rows)
        reach //= 3
    y, x = np.divmod(own, wide)
    level.field = np.stack([y - margin, x - margin], axis=1).astype(np.int32)


def _principal_axes(picture: F32, sources: Index, rng: np.random.Generator) -> F32:
    """The directions in which known patches differ most, as correlation kernels per channel."""
    padded = cv2.copyMakeBorder(picture, _RADIUS, _RADIUS, _RADIUS, _RADIUS, cv2.BORDER_REFLECT_101)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (_SIDE, _SIDE), axis=(0, 1))
    some = sources[rng.integers(len(sources), size=_SAMPLES)]
    sample = windows[some[:, 0], some[:, 1]].reshape(len(some), -1)
    sample = sample - sample.mean(axis=0)
    covariance = cv2.mulTransposed(sample, True)
    # Orthogonal iteration: all of the components at once, where their span is all that counts. A
    # solver of whole matrices, and products by numpy, are split over threads that wait for each
    # other longer than they work, the more so where holes are filled side by side.
    axes = np.ascontiguousarray(sample[:_COMPONENTS].T)
    for _ in range(_ITERATIONS):
        axes, _ = np.linalg.qr(cv2.gemm(covariance, axes, 1.0, np.zeros_like(axes), 0.0))
    return np.ascontiguousarray(axes.T, np.float32).reshape(-1, 3, _SIDE, _SIDE)


def _features(level: _Level) -> F32:
    """Principal components of the patch at every pixel and its place, ``(h * w, components)``.

    The place makes near sources cheaper than far ones that are no better otherwise.
    """
    planes = cv2.split(level.picture)
    height, width = level.hole.shape
    count = len(level.axes)
    features = np.empty((height * width, count + 2), dtype=np.float32)
    for component, kernel in enumerate(level.axes):
        total = np.zeros((height, width), dtype=np.float32)
        for plane, channel in zip(planes, kernel, strict=True):
            total += cv2.filter2D(plane, cv2.CV_32F, channel, borderType=cv2.BORDER_REFLECT_101)
        features[:, component] = total.ravel()
    spread = float(np.sqrt(features[:, :count].var(axis=0).sum()))
    rows, columns = np.indices((height, width), dtype=np.float32)
    nearness = _NEARNESS * spread / max(height, width)
    features[:, count], features[:, count + 1] = nearness * rows.ravel(), nearness * columns.ravel()
    return features


def _vote(level: _Level) -> None:
    """Every hole pixel becomes the mean of what the patches over it show there."""
    width = level.hole.shape[1]
    # In flat indices, with a margin in which there are no targets; that of none is the last.
    none = len(level.targets)
    place = np.pad(level.place, _RADIUS, constant_values=-1)
    place[place < 0] = none
    wide = place.shape[1]
    pixels = np.argwhere(level.hole) + _RADIUS
    centres = pixels[:, 0] * wide + pixels[:, 1]
    field = np.append(level.field[:, 0] * width + level.field[:, 1], level.field[0] @ (width, 1))
    shown = level.picture.reshape(-1, 3)
    total = np.zeros((len(pixels), 3), dtype=np.float32)
    count = np.zeros(len(pixels), dtype=np.float32)
    for dy in range(-_RADIUS, _RADIUS + 1):
        for dx in range(-_RADIUS, _RADIUS + 1):
            index = place.ravel().take(centres - (dy * wide + dx))
            # The centre of a patch knows best what stands there (Wexler's weights fall off too).
            near = np.float32(np.exp(-(dy * dy + dx * dx) / (2.0 * 2.0**2)))
            weight = (index < none) * near
            total += shown.take(field.take(index) + (dy * width + dx), axis=0) * weight[:, None]
            count += weight
    level.picture = level.picture.copy()
    level.picture[level.hole] = total / np.maximum(count, 1e-6)[:, None]


def _enlarged(image: U8, hole: Bools, level: _Level) -> U8:
    """Full-size pixels copied along the field, with the voted picture's low frequencies."""
    ratio = np.array(level.hole.shape) / np.array(hole.shape)
    pixels = np.argwhere(hole)
    cell = np.minimum((pixels + 0.5) * ratio, np.array(level.hole.shape) - 1).astype(np.int32)
    index = level.place[cell[:, 0], cell[:, 1]]
    offset = np.rint((level.field[index] - cell) / ratio).astype(np.int64)
    source = np.clip(pixels + offset, 0, np.array(hole.shape) - 1)
    usable = (index >= 0) & ~hole[source[:, 0], source[:, 1]]
    voted = cv2.resize(level.picture, hole.shape[::-1], interpolation=cv2.INTER_LINEAR)
    copied = np.where(hole[..., None], voted, image).astype(np.float32)
    taken = pixels[usable]
    copied[taken[:, 0], taken[:, 1]] = image[source[usable, 0], source[usable, 1]]
    guide = np.where(hole[..., None], voted, image).astype(np.float32)
    sigma = 1.5 / float(ratio.mean())
    correction = cv2.GaussianBlur(guide - copied, (0, 0), sigma)
    result = image.copy()
    shown = np.clip(np.rint(copied + correction), 0, 255).astype(np.uint8)
    result[hole] = shown[hole]
    return result
