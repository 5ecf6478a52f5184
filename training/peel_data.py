"""Examples for ``peel``: a crop of a drawn design, and what each of its pixels belongs to.

A design is drawn once and used many times: its layers are moved, and laid on another photograph.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32, U8, to_u8
from layerstudio.document import Layer, Role
from layerstudio.geometry import Bounds, Extent
from layerstudio.models.peel_network import network_input
from training import backgrounds
from training.assets import Assets
from training.designs import Design, make_design, through_jpeg
from training.splits import Split

KINDS = ("background", "shape", "text", "object")
_SOLID = 128  # alpha from which a layer owns a pixel
_OPAQUE = 250  # a shape whose alpha never gets there is a veil
_BORDER = 3  # pixels of the window in which two owners meet
_SIDE = 9  # pixels of the window in which one of two owners is the upper
_PHOTOGRAPHS = 0.6  # share of examples
_NEIGHBOURS = 0.35  # share of examples whose layers are moved, so that more of them touch
_JPEG = 0.3
_FIRST_DESIGNS = 40
_STEPS_A_DESIGN = 4


@dataclass(frozen=True, eq=False)
class Truth:
    """What a pixel of a design belongs to, all (h, w).

    ``kind`` uint8 indexes ``KINDS`` by the topmost solid layer; ``veil`` bool says that a
    translucent shape lies there, seen or under text; ``shadow`` in [0, 1] is the opacity of the
    shadows that are seen; ``border`` bool, where two things other than text touch; ``upper`` bool
    where the pixel near a border belongs to the upper one, and ``near`` where that is known;
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
    """``inputs`` (5, h, w) for the network, and the truth about it."""

    inputs: F32
    truth: Truth


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
    border, upper, near = _borders(owner)
    return Truth(kind, veil, shadow, border, upper, near, lettered)


def _borders(owner: U8) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """Where owners touch, the upper side of that, and how far around it sides are known."""
    meets = np.zeros(owner.shape, np.uint8)
    for one, other, view in (
        (owner[:, 1:], owner[:, :-1], (slice(None), slice(1, None))),
        (owner[1:], owner[:-1], (slice(1, None), slice(None))),
    ):
        meets[view] |= ((one != other) & (one > 0) & (other > 0)).astype(np.uint8)
    border = cv2.dilate(meets, np.ones((_BORDER, _BORDER), np.uint8)) > 0
    window = np.ones((_SIDE, _SIDE), np.uint8)
    highest = cv2.dilate(owner, window)
    near = (cv2.dilate(meets, window) > 0) & (owner > 0)
    return border, near & (owner == highest), near


class Pool:
    """The last designs drawn; the pool after a step depends on the step alone.

    It begins with a few, so that training starts at once, and one is drawn every fourth step:
    drawing takes longer than a step.
    """

    def __init__(self, seed: int, assets: Assets, size: int, split: Split = "train") -> None:
        self._seed = seed
        self._assets = assets
        self._split: Split = split
        self._designs: deque[Design] = deque(maxlen=size)
        self._drawn = 0

    def at(self, step: int) -> list[Design]:
        size = self._designs.maxlen or 1
        wanted = _FIRST_DESIGNS + step // _STEPS_A_DESIGN
        self._drawn = max(self._drawn, wanted - size)
        while self._drawn < wanted:
            seed = self._seed * 1_000_000 + self._drawn
            self._designs.append(make_design(seed, self._split, assets=self._assets))
            self._drawn += 1
        return list(self._designs)


class Crops:
    """Examples of ``side`` pixels from a pool; the batch of a step depends on the step alone."""

    def __init__(self, seed: int, assets: Assets, side: int, pool: int) -> None:
        self._seed = seed
        self._side = side
        self._pool = Pool(seed, assets, pool)
        names = assets.photograph_names("train")
        self._photographs = [assets.photograph(name) for name in names]

    def batch(self, step: int, count: int) -> list[Example]:
        designs = self._pool.at(step)
        rng = np.random.default_rng([self._seed, step])
        return [self._example(designs[int(rng.integers(len(designs)))], rng) for _ in range(count)]

    def _example(self, design: Design, rng: np.random.Generator) -> Example:
        layers = [layer for layer in design.document.children if isinstance(layer, Layer)]
        if rng.random() < _NEIGHBOURS:
            layers = _moved(layers, design.document.extent, rng)
        scale = float(rng.uniform(0.75, 1.3)) if rng.random() < 0.25 else 1.0
        side = min(round(self._side / scale), *design.document.extent)
        window = _window(layers, design.document.extent, side, rng)
        ground = None
        if rng.random() < _PHOTOGRAPHS:
            ground = self._ground(design.document.extent, window, rng)
        pixels = _composed(layers, window, ground)
        truth = truth_of(layers, window)
        pixels, truth = _turned(pixels, truth, rng)
        if pixels.shape[0] != self._side:
            pixels, truth = _scaled(pixels, truth, self._side)
        if rng.random() < _JPEG:
            quality = int(rng.integers(72, 97))
            opaque = np.dstack([pixels, np.full(pixels.shape[:2], 255, np.uint8)])
            pixels = through_jpeg(opaque, quality, subsampled=bool(rng.random() < 0.5))[..., :3]
        return Example(network_input(np.ascontiguousarray(pixels)), truth)

    def _ground(self, extent: Extent, window: Bounds, rng: np.random.Generator) -> U8:
        """(h, w, 3) of a photograph over ``window``, of a size as on designs or smaller."""
        source = _strange(self._photographs[int(rng.integers(len(self._photographs)))], rng)
        if rng.random() < 0.4:
            return _noisy(backgrounds.photograph(source, window.extent, rng), rng)
        return _noisy(backgrounds.photograph(source, extent, rng)[window.slices], rng)


def _strange(photograph: U8, rng: np.random.Generator) -> U8:
    """Turned and in other colours, so that few photographs pass for many."""
    photograph = np.rot90(photograph, int(rng.integers(4)))
    if rng.random() < 0.5:
        photograph = photograph[..., rng.permutation(3)]
    if rng.random() < 0.2:
        photograph = 255 - photograph
    gain, lift = rng.uniform(0.6, 1.3, 3), rng.uniform(-30, 30, 3)
    levels = np.clip(np.arange(256)[:, None] * gain + lift, 0, 255).astype(np.uint8)
    return np.ascontiguousarray(np.stack([levels[photograph[..., c], c] for c in range(3)], -1))


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
    """Shapes and objects moved about, each with the shadow right below it."""
    moved = layers[:1]
    reach = 0.06 * min(extent)
    shift = (0, 0)
    for below, layer in zip(layers, layers[1:], strict=False):
        if below.role is not Role.SHADOW:
            dx, dy = (round(float(v)) for v in rng.normal(0, reach, 2))
            shift = (dx, dy) if layer.role is not Role.TEXT else (0, 0)
        bounds = layer.bounds.moved(*shift)
        moved.append(Layer(layer.name, bounds, layer.pixels, role=layer.role))
    return moved


def _window(layers: list[Layer], extent: Extent, side: int, rng: np.random.Generator) -> Bounds:
    """A square within the canvas, mostly around a point of some layer."""
    x, y = rng.uniform(0, extent.width), rng.uniform(0, extent.height)
    if len(layers) > 1 and rng.random() < 0.8:
        box = layers[int(rng.integers(1, len(layers)))].bounds
        x, y = rng.uniform(box.x, box.right), rng.uniform(box.y, box.bottom)
    left = int(np.clip(round(x - side / 2), 0, extent.width - side))
    top = int(np.clip(round(y - side / 2), 0, extent.height - side))
    return Bounds(left, top, side, side)


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


def _turned(pixels: U8, truth: Truth, rng: np.random.Generator) -> tuple[U8, Truth]:
    """Mirrored at times; upside down seldom, since shadows fall down."""
    across, down = rng.random() < 0.5, rng.random() < 0.15

    def turn(values: NDArray) -> NDArray:
        values = values[:, ::-1] if across else values
        return np.ascontiguousarray(values[::-1] if down else values)

    return turn(pixels), _each(truth, turn)


def _scaled(pixels: U8, truth: Truth, side: int) -> tuple[U8, Truth]:
    size = (side, side)
    way = cv2.INTER_AREA if pixels.shape[0] > side else cv2.INTER_CUBIC

    def nearest(values: NDArray) -> NDArray:
        plain = values.astype(np.uint8) if values.dtype == bool else values
        resized = cv2.resize(plain, size, interpolation=cv2.INTER_NEAREST)
        return resized.astype(values.dtype)

    return np.asarray(cv2.resize(pixels, size, interpolation=way), np.uint8), _each(truth, nearest)


def _each(truth: Truth, change) -> Truth:  # type: ignore[no-untyped-def]
    return Truth(**{name: change(values) for name, values in vars(truth).items()})
