"""Designs made harder before ``peel`` learns from them: crowded, with larger letters, on stranger
photographs."""

from __future__ import annotations

import itertools

import cv2
import numpy as np

from layerstudio.color import U8, to_float, to_u8
from layerstudio.document import Layer, Role
from layerstudio.geometry import Bounds, Extent
from training import lettering, shapes
from training.assets import Assets

_DRAWN_NEAR = 0.6  # share of objects that move towards another
_MOST_COMPANIONS = 5
_SHORTEST, _LONGEST = 70, 288  # pixels of a companion's longest side
_TWIN = 0.12  # share of companions that are a drawing that is there already
_SHADED = 0.3  # share of companions with a shadow
_HEADLINE = (0.12, 0.34)  # of the canvas's height: size of a large headline
_LEAST_PART = 420  # pixels of the shorter side of a part of a photograph


def moved(layers: list[Layer], extent: Extent, rng: np.random.Generator) -> list[Layer]:
    """Shapes and objects moved about, each with the shadow right below it; objects often towards
    the one before, so that they overlap."""
    made = layers[:1]
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
        made.append(Layer(layer.name, bounds, layer.pixels, role=layer.role))
    return made


def _middle(bounds: Bounds) -> tuple[float, float]:
    return bounds.x + bounds.width / 2, bounds.y + bounds.height / 2


def crowded(
    layers: list[Layer], extent: Extent, assets: Assets, rng: np.random.Generator
) -> list[Layer]:
    """With more drawings of the train split, each beside one that is there, above or below it:
    designs alone hold few borders between drawings."""
    made = list(layers)
    for _ in range(int(rng.integers(1, _MOST_COMPANIONS + 1))):
        drawings = [n for n, layer in enumerate(made) if layer.role is Role.OBJECT]
        pixels = _companion([np.asarray(made[n].pixels, np.uint8) for n in drawings], assets, rng)
        if pixels is None or not drawings:
            continue
        beside = drawings[int(rng.integers(len(drawings)))]
        bounds = _beside(made[beside].bounds, pixels, rng)
        if bounds.clamped(extent).is_empty:
            continue
        own = [Layer("companion", bounds, pixels, role=Role.OBJECT)]
        if rng.random() < _SHADED:
            own.insert(0, _shadow(pixels, bounds, extent, rng))
        place = beside + 1
        if rng.random() < 0.5:
            place = beside - (made[beside - 1].role is Role.SHADOW)
        made[place:place] = own
    return made


def _companion(drawn: list[U8], assets: Assets, rng: np.random.Generator) -> U8 | None:
    """(h, w, 4); None where the chosen drawing is not usable."""
    if drawn and rng.random() < _TWIN:
        pixels = drawn[int(rng.integers(len(drawn)))]
    else:
        names = assets.sprite_names("train")
        side = int(rng.integers(_SHORTEST, _LONGEST + 1))
        sprite = assets.sprite(names[int(rng.integers(len(names)))], side)
        if sprite is None:
            return None
        pixels = sprite
    return np.ascontiguousarray(pixels[:, ::-1]) if rng.random() < 0.5 else pixels


def _beside(other: Bounds, pixels: U8, rng: np.random.Generator) -> Bounds:
    """Somewhere around another, so that the boxes meet and neither hides much of the other."""
    height, width = pixels.shape[:2]
    angle, near = rng.uniform(0, 2 * np.pi), rng.uniform(0.3, 0.48)
    x, y = _middle(other)
    x += near * (other.width + width) * np.cos(angle)
    y += near * (other.height + height) * np.sin(angle)
    return Bounds(round(x - width / 2), round(y - height / 2), width, height)


def _shadow(pixels: U8, bounds: Bounds, extent: Extent, rng: np.random.Generator) -> Layer:
    sigma = min(extent) / 100 * float(rng.uniform(*shapes.SHADOW_BLURS))
    opacity = float(rng.uniform(*shapes.SHADOW_OPACITIES))
    alpha, margin = shapes.shadow_alpha(to_float(pixels[..., 3]), sigma, opacity)
    dx, dy = shapes.shadow_offset(sigma, rng)
    height, width = alpha.shape
    own = np.zeros((height, width, 4), np.uint8)
    own[..., 3] = to_u8(alpha)
    x, y = bounds.x - margin + dx, bounds.y - margin + dy
    return Layer("shadow", Bounds(x, y, width, height), own, role=Role.SHADOW)


def headlined(
    layers: list[Layer], extent: Extent, assets: Assets, rng: np.random.Generator
) -> list[Layer]:
    """With one headline in letters far larger than those of the designs, below or above all
    drawings."""
    names = assets.font_names("train")
    size = float(rng.uniform(*_HEADLINE)) * extent.height
    font = assets.font(names[int(rng.integers(len(names)))], size)
    width = float(rng.uniform(0.6, 1.0)) * extent.width
    block = lettering.fitted(lettering.title(rng), font, width, 0.6 * extent.height, "center")
    pixels = np.empty((*block.alpha.shape, 4), np.uint8)
    pixels[..., :3] = rng.integers(0, 256, 3) if rng.random() < 0.6 else 255 * rng.integers(2)
    pixels[..., 3] = to_u8(block.alpha)
    height, width = block.alpha.shape
    x = _somewhere(extent.width - width, rng)
    y = _somewhere(extent.height - height, rng)
    layer = Layer("headline", Bounds(x, y, width, height), pixels, role=Role.TEXT)
    solid = (Role.OBJECT, Role.TEXT)
    first = next((n for n, own in enumerate(layers) if own.role in solid), len(layers))
    below = first - (layers[first - 1].role is Role.SHADOW)
    place = below if rng.random() < 0.5 else len(layers)
    return [*layers[:place], layer, *layers[place:]]


def _somewhere(room: int, rng: np.random.Generator) -> int:
    """0 up to ``room``, which is below 0 where something is larger than the canvas."""
    return int(rng.integers(min(0, room), max(1, room + 1)))


def strange(photograph: U8, rng: np.random.Generator) -> U8:
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


def noisy(photograph: U8, rng: np.random.Generator) -> U8:
    """Sometimes out of focus, sometimes with the grain of a sensor."""
    chance = rng.random()
    if chance < 0.15:
        sigma = float(rng.uniform(0.6, 3.5))
        return np.asarray(cv2.GaussianBlur(photograph, (0, 0), sigma), np.uint8)
    if chance < 0.35:
        grain = rng.normal(0, rng.uniform(0.5, 5), photograph.shape)
        return np.clip(np.rint(photograph + grain), 0, 255).astype(np.uint8)
    return photograph


def composed(layers: list[Layer], window: Bounds, ground: U8 | None) -> U8:
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
