"""Designs with known layers: posters, slides and cards drawn by rule from public-domain material.

The same seed, split and assets give the same design on every machine.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image

from layerstudio.color import U8, to_float, to_u8
from layerstudio.composite import composite
from layerstudio.document import Document, Layer, Role
from layerstudio.geometry import Extent
from layerstudio.picture import Picture
from training import backgrounds, layouts
from training.assets import Assets
from training.easel import Easel, Theme, random_theme
from training.splits import SPLITS, Split

Background = Literal["plain", "gradient", "photograph"]
BACKGROUNDS: tuple[Background, ...] = ("plain", "gradient", "photograph")

_JPEG_SHARE = 0.25
_MIN_VISIBLE = 0.6  # share of a layer's alpha that upper layers leave uncovered
_MIN_LAYERS, _MAX_LAYERS = 3, 14
_ATTEMPTS = 40


@dataclass(frozen=True, eq=False)
class Design:
    """``document`` holds the true layers, ``picture`` what a decomposition gets to see."""

    document: Document
    picture: Picture
    background: Background
    jpeg_quality: int | None
    placed: tuple[str, ...]


def make_design(
    seed: int, split: Split, *, background: Background | None = None, assets: Assets
) -> Design:
    """The design number ``seed`` of a split; ``background`` overrides its kind."""
    key = [seed, SPLITS.index(split)]
    for attempt in range(_ATTEMPTS):
        rng = np.random.default_rng([*key, attempt])
        kind = background or BACKGROUNDS[int(rng.integers(3))]
        easel = _drawn(kind, split, assets, rng)
        if _is_sound(easel.layers):
            return _finished(easel, kind, rng)
    raise AssertionError(f"no sound design for seed {seed} in {_ATTEMPTS} attempts")


def visible_shares(layers: list[Layer], extent: Extent) -> list[float]:
    """For each layer the share of its alpha that the layers above leave uncovered."""
    through = np.ones(extent.shape, np.float32)
    shares = []
    for layer in reversed(layers):
        alpha = to_float(layer.pixels[..., 3])
        there = through[layer.bounds.slices]
        shares.append(float((alpha * there).sum() / max(float(alpha.sum()), 1e-6)))
        there *= 1 - alpha
    return shares[::-1]


def _drawn(kind: Background, split: Split, assets: Assets, rng: np.random.Generator) -> Easel:
    easel = Easel(_extent(rng), random_theme(rng), assets, split, rng)
    ground = _ground(kind, easel.extent, easel.theme, split, assets, rng)
    opaque = np.full((*easel.extent.shape, 1), 255, np.uint8)
    easel.put(f"{kind} background", Role.BACKGROUND, np.dstack([ground, opaque]), 0, 0)
    layouts.fill(easel)
    return easel


def _extent(rng: np.random.Generator) -> Extent:
    """Sides of 512 to 768; square, upright and wide, often odd."""
    long, short = 768, int(rng.integers(512, 700))
    shape = rng.random()
    if shape < 0.25:
        return Extent(short, short)
    long = int(rng.integers(short, long + 1))
    return Extent(short, long) if shape < 0.55 else Extent(long, short)


def _ground(
    kind: Background,
    extent: Extent,
    theme: Theme,
    split: Split,
    assets: Assets,
    rng: np.random.Generator,
) -> U8:
    if kind == "plain":
        return backgrounds.plain(extent, theme.ground)
    if kind == "gradient":
        stops = [theme.ground, theme.second, theme.accents[0]][: 3 if rng.random() < 0.25 else 2]
        values = backgrounds.gradient(extent, stops, rng)
        return to_u8(backgrounds.dithered(values, rng) if rng.random() < 0.1 else values)
    names = assets.photograph_names(split)
    name = names[int(rng.integers(len(names)))]
    return backgrounds.photograph(assets.photograph(name), extent, rng)


def _is_sound(layers: list[Layer]) -> bool:
    """Neither bare nor crowded, and nothing important is hidden."""
    if not _MIN_LAYERS <= len(layers) <= _MAX_LAYERS or any(x.is_empty for x in layers):
        return False
    extent = layers[0].bounds.extent
    shares = visible_shares(layers, extent)
    needed = {Role.BACKGROUND: 0.2, Role.SHADOW: 0.05}
    return all(
        share >= needed.get(layer.role, _MIN_VISIBLE)
        for layer, share in zip(layers, shares, strict=True)
    )


def _finished(easel: Easel, kind: Background, rng: np.random.Generator) -> Design:
    document = Document(extent=easel.extent, children=tuple(easel.layers))
    pixels = to_u8(composite(document))
    quality = int(rng.integers(75, 96)) if rng.random() < _JPEG_SHARE else None
    if quality is not None:
        pixels = through_jpeg(pixels, quality, subsampled=bool(rng.random() < 0.5))
    picture = Picture(pixels, lossy=quality is not None)
    return Design(document, picture, kind, quality, tuple(easel.placed))


def through_jpeg(pixels: U8, quality: int, *, subsampled: bool) -> U8:
    """(h, w, 4) opaque pixels as a JPEG decoder gives them back."""
    buffer = io.BytesIO()
    image = Image.fromarray(np.ascontiguousarray(pixels[..., :3]))
    image.save(buffer, "JPEG", quality=quality, subsampling=2 if subsampled else 0)
    with Image.open(buffer) as decoded:
        rgb = np.asarray(decoded.convert("RGB"))
    return np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)])
