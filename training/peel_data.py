"""Examples for ``peel``: a drawn design, and what each part of it belongs to.

A design is drawn once and used several times: its layers are moved, and laid on a photograph.
"""

from __future__ import annotations

import itertools
from collections import deque
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32, U8, to_u8
from layerstudio.document import Layer, Role
from layerstudio.geometry import Bounds, Extent
from layerstudio.models.peel_network import CELL, means, most, network_input
from training import backgrounds
from training.assets import Assets
from training.designs import Design, make_design, through_jpeg

F16 = NDArray[np.float16]

KINDS = ("background", "shape", "text", "object")
_SOLID = 128  # alpha from which a layer owns a pixel
_OPAQUE = 250  # a shape whose alpha never gets there is a veil
_BORDER = 3  # pixels of the window in which two owners meet
_SIDE = 9  # pixels of the window in which one of two owners is the upper
_PHOTOGRAPHS = 0.6  # share of examples
_NEIGHBOURS = 0.5  # share of examples whose layers are moved, so that more of them touch
_DRAWN_NEAR = 0.6  # share of objects that move towards another
_JPEG = 0.3
_LEAST_PART = 420  # pixels of the shorter side of a part of a photograph
_FIRST = 48  # examples with which a pool begins
_VARIANTS = 6  # examples of one design


@dataclass(frozen=True, eq=False)
class Truth:
    """What a pixel of a design belongs to, all (h, w).

    ``kind`` uint8 indexes ``KINDS`` by the topmost solid layer; ``veil`` bool says that a
    translucent shape lies there, seen or under text; ``shadow`` in [0, 1] is the opacity of the
    shadows that are seen; ``border`` bool, where a drawing ends because a shape or another drawing
    lies on it; ``upper`` bool where the pixel near two things that touch belongs to the upper one,
    and ``near`` where that is known;
    ``lettered`` bool where text hides what touches.
    """

    kind: U8
    veil: NDArray[np.bool_]
    shadow: F32
    border: NDArray[np.bool_]
    upper: NDArray[np.bool_]
    near: NDArray[np.bool_]
    lettered: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Example:
    """What the network gets and should say, by squares of 4 x 4 pixels: ``inputs`` (8, h, w),
    ``wanted`` (8, h, w) in [0, 1] in the order of the network's outputs, and ``weight`` (3, h, w)
    of all outputs but the last two, of the border and of its upper side."""

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
        ]
        free = 1 - means(truth.lettered.astype(np.float32))
        weight = [np.ones_like(near), free, near]
        return cls(
            network_input(pixels).astype(np.float16),
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
    return Truth(kind, veil, shadow, border, upper, near, lettered)


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
            layers = _moved(layers, extent, rng)
        window = Bounds(0, 0, extent.width // CELL * CELL, extent.height // CELL * CELL)
        ground = None
        if rng.random() < _PHOTOGRAPHS:
            source = _strange(self._photographs[int(rng.integers(len(self._photographs)))], rng)
            ground = _noisy(backgrounds.photograph(source, window.extent, rng), rng)
        pixels = _composed(layers, window, ground)
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
    inputs = arrays[0].copy()
    if rng.random() < 0.3:
        inputs[:3] = inputs[:3][rng.permutation(3)]
    rest = ((0, 0), (0, side - inputs.shape[1]), (0, side - inputs.shape[2]))
    wanted, weight = (np.pad(values, rest) for values in arrays[1:])
    return Example(np.pad(inputs, rest, mode="edge"), wanted, weight)


def _strange(photograph: U8, rng: np.random.Generator) -> U8:
    """A part of it, turned and in other colours, so that few photographs pass for many."""
    photograph = np.rot90(_part(photograph, rng), int(rng.integers(4)))
    if rng.random() < 0.5:
        photograph = photograph[..., rng.permutation(3)]
    if rng.random() < 0.2:
        photograph = 255 - photograph
    gain, lift = rng.uniform(0.6, 1.3, 3), rng.uniform(-30, 30, 3)
    levels = np.clip(np.arange(256)[:, None] * gain + lift, 0, 255).astype(np.uint8)
    return np.ascontiguousarray(np.stack([levels[photograph[..., c], c] for c in range(3)], -1))


def _part(photograph: U8, rng: np.random.Generator) -> U8:
    """Often a part of a large photograph, seldom much smaller than a design."""
    height, width = photograph.shape[:2]
    least = min(1.0, _LEAST_PART / min(height, width))
    if least == 1 or rng.random() < 0.3:
        return photograph
    share = rng.uniform(least, 1)
    rows, cols = max(1, int(height * share)), max(1, int(width * share))
    y, x = int(rng.integers(height - rows + 1)), int(rng.integers(width - cols + 1))
    return photograph[y : y + rows, x : x + cols]


def _noisy(photograph: U8, rng: np.random.Generator) -> U8:
    """Sometimes out of focus, sometimes with the grain of a sensor."""
    chance = rng.random()
    if chance < 0.15:
        sigma = float(rng.uniform(0.6, 3.5))
        return np.asarray(cv2.GaussianBlur(photograph, (0, 0), sigma), np.uint8)
    if chance < 0.35:
        grain = rng.normal(0, rng.uniform(0.5, 5), photograph.shape)
        return np.clip(np.rint(photograph + grain), 0, 255).astype(np.uint8)
    return photograph


def _moved(layers: list[Layer], extent: Extent, rng: np.random.Generator) -> list[Layer]:
    """Shapes and objects moved about, each with the shadow right below it; objects often towards
    the one before, so that they overlap."""
    moved = layers[:1]
    reach = 0.06 * min(extent)
    shift, last = (0, 0), None
    for number, (below, layer) in enumerate(itertools.pairwise(layers), 1):
        if below.role is not Role.SHADOW:
            dx, dy = rng.normal(0, reach, 2)
            thing = layers[min(number + (layer.role is Role.SHADOW), len(layers) - 1)]
            if thing.role is Role.OBJECT and last is not None and rng.random() < _DRAWN_NEAR:
                share = rng.uniform(0.3, 0.85)
                dx += share * (_middle(last)[0] - _middle(thing.bounds)[0])
                dy += share * (_middle(last)[1] - _middle(thing.bounds)[1])
            shift = (0, 0) if layer.role is Role.TEXT else (round(float(dx)), round(float(dy)))
        bounds = layer.bounds.moved(*shift)
        if layer.role is Role.OBJECT:
            last = bounds
        moved.append(Layer(layer.name, bounds, layer.pixels, role=layer.role))
    return moved


def _middle(bounds: Bounds) -> tuple[float, float]:
    return bounds.x + bounds.width / 2, bounds.y + bounds.height / 2


def _composed(layers: list[Layer], window: Bounds, ground: U8 | None) -> U8:
    """The layers over ``window``, on ``ground`` instead of their own background if it is given."""
    picture = np.zeros((*window.extent.shape, 3), np.float32)
    if ground is not None:
        picture += ground
    for layer in layers[0 if ground is None else 1 :]:
        common = layer.bounds.intersection(window)
        if common.is_empty:
            continue
        part = layer.pixels[common.relative_to(layer.bounds).slices].astype(np.float32)
        under = picture[common.relative_to(window).slices]
        under += (part[..., :3] - under) * (part[..., 3:] / 255)
    return to_u8(picture / np.float32(255))
