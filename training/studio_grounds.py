"""Backgrounds that ``studio`` knows by name: ten kinds, drawn by rule in two colours."""

from __future__ import annotations

import colorsys
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

# Hue (turns), saturation and value of the colours that have a name.
COLOURS: dict[str, tuple[float, float, float]] = {
    "red": (0.0, 0.75, 0.85),
    "orange": (0.085, 0.8, 0.97),
    "yellow": (0.145, 0.65, 0.98),
    "green": (0.34, 0.6, 0.68),
    "blue": (0.59, 0.65, 0.85),
    "purple": (0.77, 0.5, 0.7),
    "pink": (0.93, 0.35, 0.97),
    "white": (0.6, 0.02, 0.98),
    "grey": (0.6, 0.04, 0.65),
    "black": (0.65, 0.25, 0.13),
}
Floats = NDArray[np.floating]
Grid = tuple[Floats, Floats]  # x to the right and y downwards, in [0, 1] over the canvas


def ground(kind: str, colour: str, side: int, rng: np.random.Generator) -> Floats:
    """(side, side, 3) in [0, 1]. Scenes (meadow, sea, night, snow, sunset) have own colours."""
    y, x = np.mgrid[:side, :side].astype(np.float32) / np.float32(side - 1)
    first = shade(colour, rng)
    return GROUNDS[kind]((x, y), first, rng).astype(np.float32).clip(0, 1)


def shade(colour: str, rng: np.random.Generator) -> Floats:
    """(3,) in [0, 1]: one of the many colours that go by this name."""
    hue, saturation, value = COLOURS[colour]
    hue += rng.uniform(-0.015, 0.015)
    saturation = np.clip(saturation + rng.uniform(-0.05, 0.05) * (saturation > 0.1), 0, 1)
    value = np.clip(value + rng.uniform(-0.05, 0.03), 0, 1)
    return np.array(colorsys.hsv_to_rgb(hue % 1, saturation, value), np.float32)


def _plain(grid: Grid, first: Floats, rng: np.random.Generator) -> Floats:
    return np.broadcast_to(first, (*grid[0].shape, 3))


def _gradient(grid: Grid, first: Floats, rng: np.random.Generator) -> Floats:
    return _mixed(grid[1], first, lighter(first))


def _glow(grid: Grid, first: Floats, rng: np.random.Generator) -> Floats:
    distance = np.hypot(grid[0] - 0.5, grid[1] - 0.5) / np.float32(0.7)
    return _mixed(distance, lighter(first), first)


def _stripes(grid: Grid, first: Floats, rng: np.random.Generator) -> Floats:
    return _mixed(_soft(np.sin(grid[0] * np.float32(8 * np.pi)), 6), first, lighter(first, 0.35))


def _dots(grid: Grid, first: Floats, rng: np.random.Generator) -> Floats:
    x, y = (axis * 8 % 1 - 0.5 for axis in grid)
    return _mixed(_soft(0.26 - np.hypot(x, y), 18), first, lighter(first, 0.5))


def _rays(grid: Grid, first: Floats, rng: np.random.Generator) -> Floats:
    dx, dy = grid[0] - 0.5, grid[1] - 0.5
    wave = np.sin(np.arctan2(dy, dx) * 12) * np.minimum(1, np.hypot(dx, dy) * 8)
    return _mixed(_soft(wave, 5), first, lighter(first, 0.35))


def _meadow(grid: Grid, first: Floats, rng: np.random.Generator) -> Floats:
    sky = _mixed(grid[1], shade("blue", rng), shade("white", rng))
    hill = 0.68 + 0.05 * np.sin(grid[0] * np.float32(np.pi * 1.6) + 0.4)
    grass = _mixed((grid[1] - 0.65) / 0.35, lighter(shade("green", rng), 0.25), shade("green", rng))
    return _over(sky, grass, _soft(grid[1] - hill, 150))


def _sea(grid: Grid, first: Floats, rng: np.random.Generator) -> Floats:
    sky = _mixed(grid[1], lighter(shade("blue", rng), 0.5), shade("white", rng))
    blue = shade("blue", rng)
    water = _mixed((grid[1] - 0.6) / 0.4, lighter(blue, 0.15), blue * np.float32(0.6))
    return _over(sky, water, _soft(grid[1] - 0.6, 150))


def _night(grid: Grid, first: Floats, rng: np.random.Generator) -> Floats:
    deep = np.array([0.05, 0.06, 0.2], np.float32)
    sky = _mixed(grid[1], deep, np.array([0.2, 0.18, 0.42], np.float32))
    stars = np.random.default_rng(5).uniform(0.03, 0.97, (40, 3))  # always the same sky
    light = np.zeros_like(grid[0])
    for x, y, size in stars:
        away = np.hypot(grid[0] - x, grid[1] - y)
        light = np.maximum(light, _soft(0.003 + 0.006 * size - away, 300))
    return _over(sky, np.broadcast_to(np.array([1, 0.97, 0.85], np.float32), sky.shape), light)


def _snow(grid: Grid, first: Floats, rng: np.random.Generator) -> Floats:
    sky = _mixed(grid[1], lighter(shade("blue", rng), 0.3), lighter(shade("blue", rng), 0.8))
    hill = 0.7 + 0.06 * np.sin(grid[0] * np.float32(np.pi * 2.2) + 2)
    white = shade("white", rng)
    snow = _mixed((grid[1] - 0.65) / 0.35, white, white * np.array([0.82, 0.88, 0.95], np.float32))
    return _over(sky, snow, _soft(grid[1] - hill, 150))


def _sunset(grid: Grid, first: Floats, rng: np.random.Generator) -> Floats:
    sky = _mixed(grid[1] * 1.4, shade("purple", rng), shade("orange", rng))
    sun = _soft(0.13 - np.hypot(grid[0] - 0.5, grid[1] - 0.62), 150)
    sky = _over(sky, np.broadcast_to(np.array([1, 0.9, 0.55], np.float32), sky.shape), sun)
    land = np.broadcast_to(np.array([0.2, 0.1, 0.22], np.float32), sky.shape)
    return _over(sky, land, _soft(grid[1] - 0.74, 150))


GROUNDS: dict[str, Callable[[Grid, Floats, np.random.Generator], Floats]] = {
    "plain": _plain,
    "gradient": _gradient,
    "glow": _glow,
    "stripes": _stripes,
    "dots": _dots,
    "rays": _rays,
    "meadow": _meadow,
    "sea": _sea,
    "night": _night,
    "snow": _snow,
    "sunset": _sunset,
}
SCENES = ("meadow", "sea", "night", "snow", "sunset")  # no colour word goes with these


def lighter(colour: Floats, share: float = 0.7) -> Floats:
    """Towards white, or for what is white already, towards light blue."""
    other = (
        np.array([0.75, 0.86, 0.97], np.float32) if colour.min() > 0.9 else np.ones(3, np.float32)
    )
    return colour + (other - colour) * np.float32(share)


def _mixed(share: Floats, first: Floats, second: Floats) -> Floats:
    weight = share.clip(0, 1)[..., None]
    return first * (1 - weight) + second * weight


def _over(below: Floats, above: Floats, alpha: Floats) -> Floats:
    return below + (above - below) * alpha[..., None]


def _soft(values: Floats, steepness: float) -> Floats:
    """0 below and 1 above zero, with a slope that spares the edge from stairs."""
    return (values * np.float32(steepness) + 0.5).clip(0, 1).astype(np.float32)
