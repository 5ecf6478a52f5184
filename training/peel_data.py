"""Examples for ``peel``: a drawn design, and what each part of it belongs to.

A design is drawn once and used several times: its layers are moved, and laid on a photograph.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32, U8
from layerstudio.document import Layer, Role
from layerstudio.geometry import Bounds
from layerstudio.ops.peel_forward import REACH
from layerstudio.ops.square_features import CELL, means, most, square_features
from training import backgrounds
from training.assets import Assets
from training.designs import Design, make_design, through_jpeg
from training.peel_variation import composed, crowded, headlined, moved, noisy, strange

F16 = NDArray[np.float16]

KINDS = ("background", "shape", "text", "object")
_SOLID = 128  # alpha from which a layer owns a pixel
_OPAQUE = 250  # a shape whose alpha never gets there is a veil
_BORDER = 3  # pixels of the window in which two owners meet
_SIDE = 9  # pixels of the window in which one of two owners is the upper
_PHOTOGRAPHS = 0.6  # share of examples
_NEIGHBOURS = 0.5  # share of examples whose layers are moved, so that more of them touch
_CROWDED = 0.6  # share of examples with more drawings beside those of the design
_HEADLINED = 0.2  # share of examples with a headline in large letters
_JPEG = 0.3
_FIRST = 48  # examples with which a pool begins
_VARIANTS = 6  # examples of one design
_ACROSS = 8  # the output that mirroring turns round


@dataclass(frozen=True, eq=False)
class Truth:
    """What a pixel of a design belongs to, all (h, w).

    ``kind`` uint8 indexes ``KINDS`` by the topmost solid layer; ``veil`` bool says that a
    translucent shape lies there, seen or under text; ``shadow`` in [0, 1] is the opacity of the
    shadows that are seen; ``border`` bool, where a drawing ends because a shape or another drawing
    lies on it; ``upper`` bool where the pixel near two things that touch belongs to the upper one,
    and ``near`` where that is known;
    ``lettered`` bool where text hides what touches. ``away`` (2, h, w) is the way, across and down
    in pixels, to the middle of what is seen of the drawing that owns a pixel; ``owned`` bool, where
    one does.
    """

    kind: U8
    veil: NDArray[np.bool_]
    shadow: F32
    border: NDArray[np.bool_]
    upper: NDArray[np.bool_]
    near: NDArray[np.bool_]
    lettered: NDArray[np.bool_]
    away: F32
    owned: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Example:
    """What the network gets and should say, by squares of 4 x 4 pixels: ``inputs`` (8, h, w),
    ``wanted`` (10, h, w) in the order of the network's outputs, in [0, 1] but for the last two, and
    ``weight`` (4, h, w) of all outputs but the last four, of the border, of its upper side and of
    the way to the middle."""

    inputs: F16
    wanted: F16
    weight: F16

    @classmethod
    def of(cls, pixels: U8, truth: Truth) -> Example:
        """Of (h, w, 3) pixels, sides multiples of 4."""
        kinds = np.stack([truth.kind == index for index in range(len(KINDS))], axis=-1)
        near = means(truth.near.astype(np.float32))
        upper = means(truth.upper.astype(np.float32)) / np.maximum(near, 1e-3)
        wanted = [
            *means(kinds.astype(np.float32)).transpose(2, 0, 1),
            means(truth.veil.astype(np.float32)),
            means(truth.shadow),
            most(truth.border.astype(np.float32)),
            np.minimum(upper, 1),
            *means(truth.away.transpose(1, 2, 0)).transpose(2, 0, 1) / np.float32(REACH),
        ]
        free = 1 - means(truth.lettered.astype(np.float32))
        owned = np.floor(means(truth.owned.astype(np.float32)))
        weight = [np.ones_like(near), free, near, owned]
        return cls(
            square_features(pixels).astype(np.float16),
            np.stack(wanted).astype(np.float16),
            np.stack(weight).astype(np.float16),
        )


def is_veil(layer: Layer) -> bool:
    return layer.role is Role.SHAPE and int(layer.pixels[..., 3].max()) < _OPAQUE


def truth_of(layers: list[Layer], window: Bounds) -> Truth:
    """What the pixels of ``window`` belong to; the first layer is the background."""
    shape = window.extent.shape
    kind = np.zeros(shape, np.uint8)
    owner = np.zeros(shape, np.uint8)
    veil = np.zeros(shape, bool)
    shadow = np.zeros(shape, np.float32)
    lettered = np.zeros(shape, bool)
    for index, layer in enumerate(layers[1:], 1):
        common = layer.bounds.intersection(window)
        if common.is_empty:
            continue
        view = common.relative_to(window).slices
        alpha = layer.pixels[common.relative_to(layer.bounds).slices][..., 3]
        if layer.role is Role.SHADOW:
            through = alpha.astype(np.float32) / 255
            shadow[view] += (1 - shadow[view]) * through
        elif is_veil(layer):
            veil[view] |= alpha > 0.5 * alpha.max(initial=1)
        else:
            solid = alpha >= _SOLID
            kind[view][solid] = KINDS.index(str(layer.role.value))
            shadow[view] *= 1 - alpha.astype(np.float32) / 255
            if layer.role is Role.TEXT:
                lettered[view] |= solid
            else:
                lettered[view][solid] = False
                veil[view][solid] = False
                owner[view][solid] = index
    drawn = np.array([layer.role is Role.OBJECT for layer in layers])
    border, upper, near = _borders(owner, drawn)
    owned = drawn[owner] & (kind == KINDS.index("object"))
    away = _away(np.where(owned, owner, 0))
    return Truth(kind, veil, shadow, border, upper, near, lettered, away, owned)


def _away(owner: U8) -> F32:
    """(2, h, w): from each pixel to the middle of those of the same number, across and down."""
    rows, cols = np.indices(owner.shape, np.float32)
    areas = np.maximum(np.bincount(owner.ravel()), 1)
    middles = [np.bincount(owner.ravel(), place.ravel()) / areas for place in (cols, rows)]
    ways = [middle[owner] - place for middle, place in zip(middles, (cols, rows), strict=True)]
    return np.stack(ways).astype(np.float32)


def _borders(
    owner: U8, drawn: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """Where owners touch and the lower is ``drawn`` (n,), the upper side of all contacts, and how
    far around them sides are known."""
    meets = np.zeros(owner.shape, np.uint8)
    ends = np.zeros(owner.shape, np.uint8)
    for one, other, view in (
        (owner[:, 1:], owner[:, :-1], (slice(None), slice(1, None))),
        (owner[1:], owner[:-1], (slice(1, None), slice(None))),
    ):
        touching = (one != other) & (one > 0) & (other > 0)
        meets[view] |= touching.astype(np.uint8)
        ends[view] |= (touching & drawn[np.minimum(one, other)]).astype(np.uint8)
    border = cv2.dilate(ends, np.ones((_BORDER, _BORDER), np.uint8)) > 0
    window = np.ones((_SIDE, _SIDE), np.uint8)
    highest = cv2.dilate(owner, window)
    near = (cv2.dilate(meets, window) > 0) & (owner > 0)
    return border, near & (owner == highest), near


class Examples:
    """A pool of examples that grows and is renewed by one a step; the batch of a step depends on
    the seed and the step alone."""

    def __init__(self, seed: int, assets: Assets, side: int, pool: int) -> None:
        self._seed = seed
        self._side = side // CELL
        self._assets = assets
        self._photographs = assets.training_photographs()
        self._kept: deque[Example] = deque(maxlen=pool)
        self._made = 0
        self._design: tuple[int, Design] | None = None

    def batch(self, step: int, count: int) -> list[Example]:
        wanted = _FIRST + step
        self._made = max(self._made, wanted - (self._kept.maxlen or 1))
        while self._made < wanted:
            self._kept.append(self._example(self._made))
            self._made += 1
        rng = np.random.default_rng([self._seed, step])
        chosen = [self._kept[int(rng.integers(len(self._kept)))] for _ in range(count)]
        return [_varied(example, self._side, rng) for example in chosen]

    def _example(self, number: int) -> Example:
        design = self._drawn(self._seed * 1_000_000 + number // _VARIANTS)
        rng = np.random.default_rng([self._seed, number, 1])
        layers = [layer for layer in design.document.children if isinstance(layer, Layer)]
        extent = design.document.extent
        if rng.random() < _NEIGHBOURS:
            layers = moved(layers, extent, rng)
        if rng.random() < _CROWDED:
            layers = crowded(layers, extent, self._assets, rng)
        if rng.random() < _HEADLINED:
            layers = headlined(layers, extent, self._assets, rng)
        window = Bounds(0, 0, extent.width // CELL * CELL, extent.height // CELL * CELL)
        ground = None
        if rng.random() < _PHOTOGRAPHS:
            source = strange(self._photographs[int(rng.integers(len(self._photographs)))], rng)
            ground = noisy(backgrounds.photograph(source, window.extent, rng), rng)
        pixels = composed(layers, window, ground)
        if rng.random() < _JPEG:
            quality = int(rng.integers(72, 97))
            opaque = np.dstack([pixels, np.full(pixels.shape[:2], 255, np.uint8)])
            pixels = through_jpeg(opaque, quality, subsampled=bool(rng.random() < 0.5))[..., :3]
        return Example.of(np.ascontiguousarray(pixels), truth_of(layers, window))

    def _drawn(self, seed: int) -> Design:
        if self._design is None or self._design[0] != seed:
            self._design = seed, make_design(seed, "train", assets=self._assets)
        return self._design[1]


def _varied(example: Example, side: int, rng: np.random.Generator) -> Example:
    """A window of ``side`` squares, mirrored and recoloured at times; what is beyond the canvas
    weighs nothing."""
    arrays = [example.inputs, example.wanted, example.weight]
    height, width = example.inputs.shape[1:]
    y = int(rng.integers(max(1, height - side + 1)))
    x = int(rng.integers(max(1, width - side + 1)))
    arrays = [values[:, y : y + side, x : x + side] for values in arrays]
    if rng.random() < 0.5:
        arrays = [values[:, :, ::-1] for values in arrays]
        arrays[1] = arrays[1].copy()
        arrays[1][_ACROSS] *= -1
    inputs = arrays[0].copy()
    if rng.random() < 0.3:
        inputs[:3] = inputs[:3][rng.permutation(3)]
    rest = ((0, 0), (0, side - inputs.shape[1]), (0, side - inputs.shape[2]))
    wanted, weight = (np.pad(values, rest) for values in arrays[1:])
    return Example(np.pad(inputs, rest, mode="edge"), wanted, weight)
