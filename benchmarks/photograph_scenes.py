"""Scenes like photographs whose layers are known: things that hide each other on a photograph's
ground, and cast contact shadows on it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32, U8, to_float, to_u8
from layerstudio.geometry import Bounds, Extent
from training.assets import Assets, shrunk
from training.backgrounds import photograph
from training.splits import Split

Mask = NDArray[np.bool_]
_NOISE = 1.5 / 255  # deviation of a sensor's noise
_SIZES = (0.28, 0.5)  # of the shorter side
_DEPTH_BLUR = 4.0  # pixels: networks smear edges


@dataclass(frozen=True, eq=False)
class Thing:
    """One object as it is: ``colour`` (h, w, 3) and ``alpha`` (h, w) of the whole canvas, hidden
    parts too; ``shadow`` (h, w) is what it leaves of the ground's light."""

    colour: F32
    alpha: F32
    shadow: F32


@dataclass(frozen=True, eq=False)
class Scene:
    """``things`` from far to near over ``plate`` (h, w, 3); ``picture`` (h, w, 3) is what a camera
    sees, ``visible`` the pixels in which each thing is what shows most."""

    picture: U8
    plate: F32
    things: tuple[Thing, ...]
    visible: tuple[Mask, ...]

    @property
    def extent(self) -> Extent:
        return Extent.of(self.picture)

    @property
    def shadow(self) -> F32:
        """(h, w): what all of them leave of the ground's light."""
        return np.prod([thing.shadow for thing in self.things], axis=0, dtype=np.float32)

    def nearness(self, rng: np.random.Generator, *, noise: float = 0.15) -> F32:
        """(h, w) as a network may see it: a sloping ground, things nearer than what they stand
        before; each is off by ``noise`` of the distance between two things (deviation)."""
        height, width = self.extent.shape
        depth = np.repeat(np.linspace(0, 0.4, height, dtype=np.float32)[:, None], width, axis=1)
        for rank, mask in enumerate(self.visible):
            level = 0.5 + (rank + rng.normal(0, noise)) / max(1, len(self.visible)) * 0.5
            depth[mask] = level + rng.uniform(-0.03, 0.03)
        return np.asarray(cv2.GaussianBlur(depth, (0, 0), _DEPTH_BLUR), np.float32)


def scene(
    seed: int,
    extent: Extent,
    things: int,
    *,
    assets: Assets | None = None,
    split: Split = "dev",
    shadows: bool = True,
) -> Scene:
    """The same for the same ``seed``; at least a fifth of each thing can be seen."""
    assets, rng = assets or Assets.bundled(), np.random.default_rng(seed)
    names = assets.photograph_names(split)
    plate = to_float(photograph(assets.photograph(names[seed % len(names)]), extent, rng))
    placed: list[Thing] = []
    while len(placed) < things:
        thing = _thing(assets, split, extent, rng, shadows=shadows, beside=placed)
        stack = [*placed, thing]
        if all(_seen(one, stack[index + 1 :]) > 0.2 for index, one in enumerate(placed)):
            placed = stack
    return _photographed(plate, tuple(placed), rng)


def _thing(
    assets: Assets,
    split: Split,
    extent: Extent,
    rng: np.random.Generator,
    *,
    shadows: bool,
    beside: list[Thing],
) -> Thing:
    names = assets.sprite_names(split)
    sprite = None
    while sprite is None:
        side = round(rng.uniform(*_SIZES) * min(extent))
        sprite = _sized(assets.sprites.read(str(rng.choice(names))), side)
    sprite = _grained(sprite, rng)
    place = _place(Extent.of(sprite), extent, rng, beside)
    colour, alpha = np.zeros((*extent.shape, 3), np.float32), np.zeros(extent.shape, np.float32)
    straight = to_float(sprite)
    colour[place.slices], alpha[place.slices] = straight[..., :3], straight[..., 3]
    shadow = _shadow(alpha, rng) if shadows else np.ones(extent.shape, np.float32)
    return Thing(colour, alpha, shadow)


def _sized(sprite: U8 | None, side: int) -> U8 | None:
    """Brought to ``side``, enlarged too: then with the softness of a lens."""
    if sprite is None or max(sprite.shape[:2]) >= side:
        return None if sprite is None else shrunk(sprite, side)
    scale = side / max(sprite.shape[:2])
    premul = to_float(sprite)
    premul[..., :3] *= premul[..., 3:]
    size = (round(sprite.shape[1] * scale), round(sprite.shape[0] * scale))
    large = np.clip(cv2.resize(premul, size, interpolation=cv2.INTER_CUBIC), 0, 1)
    large[..., :3] /= np.maximum(large[..., 3:], 1e-4)
    return to_u8(large)


def _grained(sprite: U8, rng: np.random.Generator) -> U8:
    """With a material's grain: drawings are flat, things are not."""
    grain = rng.normal(0, 1, sprite.shape[:2]).astype(np.float32)
    grain = cv2.GaussianBlur(grain, (0, 0), 1.5) * 0.06
    shaded = to_float(sprite)
    shaded[..., :3] = np.clip(shaded[..., :3] + grain[..., None], 0, 1)
    return to_u8(shaded)


def _place(size: Extent, extent: Extent, rng: np.random.Generator, beside: list[Thing]) -> Bounds:
    """On the ground, each time a little nearer, and often before another thing."""
    room = Extent(max(1, extent.width - size.width), max(1, extent.height - size.height))
    x, y = int(rng.integers(room.width)), int(rng.integers(room.height))
    if beside and rng.random() < 0.8:
        other = Bounds.of_mask(beside[int(rng.integers(len(beside)))].alpha > 0.5)
        x = other.x + round(rng.uniform(-0.7, 0.7) * other.width)
        y = other.bottom - size.height + round(rng.uniform(-0.05, 0.25) * size.height)
    x, y = (int(np.clip(at, 0, most - 1)) for at, most in zip((x, y), room, strict=True))
    return Bounds(x, y, *size)


def _shadow(alpha: F32, rng: np.random.Generator) -> F32:
    """A soft dark patch where the thing touches the ground."""
    box = Bounds.of_mask(alpha > 0.5)
    patch = np.zeros(alpha.shape, np.float32)
    foot = alpha[max(0, box.bottom - max(4, box.height // 8)) : box.bottom] > 0.5
    columns = np.flatnonzero(foot.any(axis=0))
    centre = (int(columns.mean()), box.bottom - 2)
    axes = (max(4, int(np.ptp(columns) * 0.6)), max(3, box.height // 14))
    cv2.ellipse(patch, centre, axes, 0, 0, 360, 1.0, -1)
    patch = cv2.GaussianBlur(patch, (0, 0), max(2.0, box.height / 30))
    return np.asarray(1 - rng.uniform(0.35, 0.6) * patch, np.float32)


def _seen(thing: Thing, above: list[Thing]) -> float:
    left = thing.alpha.copy()
    for one in above:
        left *= 1 - one.alpha
    return float(left.sum() / max(1.0, thing.alpha.sum()))


def _photographed(plate: F32, things: tuple[Thing, ...], rng: np.random.Generator) -> Scene:
    shown = plate * np.prod([thing.shadow for thing in things], axis=0, dtype=np.float32)[..., None]
    left = [np.ones(plate.shape[:2], np.float32)]
    for thing in things:
        shown = shown * (1 - thing.alpha[..., None]) + thing.colour * thing.alpha[..., None]
        left = [share * (1 - thing.alpha) for share in left] + [thing.alpha]
    most = np.argmax(np.stack(left), axis=0)
    noisy = shown + rng.normal(0, _NOISE, shown.shape)
    visible = tuple(most == rank + 1 for rank in range(len(things)))
    return Scene(to_u8(np.clip(noisy, 0, 1)), plate, things, visible)
