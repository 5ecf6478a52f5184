"""The documents that ``studio`` learns: which layers are noise, given, or seen in a picture.

MRT's three tasks (arXiv:2605.27235), told apart by what is known: text to layers, picture to layers
(with plates to be filled), layers to layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from torch import Tensor

from layerstudio.color import to_float
from layerstudio.models.studio_network import BACKGROUND, FIRST, SIDE, VIEWS, Place
from layerstudio.pipelines.studio.model import ground_word, variant_word
from training.studio_scenes import Backdrop, Box, Floats, Scene, Stock, opaque, scaled_to

_TEXT, _PICTURE, _PLATE = 0.55, 0.25, 0.08  # shares; the rest are layers to layers
_UNNAMED = 0.1  # share of documents without any word, for guidance
_UNNAMED_SEEN = 0.5  # the same, of pictures and plates: there words are seldom given
_COLOUR_SHARE, _VARIANT_SHARE = 0.75, 0.85  # how often a caption has these words
_WITH_GROUND = 0.6  # of text to layers; a background is four times as large as a thing
_STRANGE = 0.3  # share of the things of pictures that have no name


@dataclass(frozen=True, eq=False)
class Poster:
    """A document to learn from: its layers' places, their true tokens (n, values), and the views
    of a picture there (n, VIEWS, values), zeros where nothing is seen."""

    places: tuple[Place, ...]
    tokens: Tensor
    seen: Tensor


@dataclass(frozen=True, eq=False)
class _Layer:
    place: Place
    tokens: Tensor
    seen: Tensor | None = None


def poster(stock: Stock, rng: np.random.Generator) -> Poster:
    """A document of a task drawn by its share."""
    task = rng.random()
    if task < _TEXT:
        return _joined(_from_text(stock, rng))
    backdrop = stock.backdrops[int(rng.integers(len(stock.backdrops)))]
    if task < _TEXT + _PICTURE:
        things = stock.random_things(rng, int(rng.integers(1, 5)), _STRANGE)
        return _joined(_from_picture(stock, stock.scene(backdrop, things), rng))
    things = stock.random_things(rng, int(rng.integers(1, 4)))
    if task < _TEXT + _PICTURE + _PLATE:
        return _joined([_plate(stock, backdrop, things, rng)])
    return _joined(_from_layers(stock, backdrop, things, rng))


def _from_text(stock: Stock, rng: np.random.Generator) -> list[_Layer]:
    named = rng.random() >= _UNNAMED
    layers = []
    if rng.random() < _WITH_GROUND:
        backdrop = stock.backdrops[int(rng.integers(len(stock.backdrops)))]
        layers.append(_ground_layer(stock, backdrop, named))
    things = stock.random_things(rng, int(rng.integers(3, 6)))
    return [*layers, *_thing_layers(stock, things, rng, named)]


def _from_picture(stock: Stock, scene: Scene, rng: np.random.Generator) -> list[_Layer]:
    named = rng.random() >= _UNNAMED_SEEN
    layers = [
        _ground_layer(stock, scene.backdrop, named),
        *_thing_layers(stock, scene.things, rng, named),
    ]
    return [
        replace(layer, place=replace(layer.place, seen=True), seen=own)
        for layer, own in zip(layers, stock.views(scene), strict=True)
    ]


def _plate(
    stock: Stock, backdrop: Backdrop, things: tuple[tuple[int, Box], ...], rng: np.random.Generator
) -> _Layer:
    layer = _ground_layer(stock, backdrop, rng.random() >= _UNNAMED_SEEN)
    holes = np.zeros((SIDE, SIDE), np.float32)
    for number, box in things:
        left, top, side = box
        part = holes[top : top + side, left : left + side]
        np.maximum(part, _hole(scaled_to(stock.pixels[number], side)[..., 3], rng), out=part)
    shown = plate_of(backdrop, holes)
    place = replace(layer.place, seen=True)
    return _Layer(place, layer.tokens, stock.plate_views(shown))


def plate_of(backdrop: Backdrop, holes: Floats) -> Floats:
    """(SIDE, SIDE, 4): the background, clear where ``holes`` (SIDE, SIDE) are 1."""
    shown = opaque(to_float(backdrop.pixels))
    shown[..., 3] = 1 - holes
    return shown


def _hole(alpha: Floats, rng: np.random.Generator) -> Floats:
    """(h, h) in {0, 1}: the square, a disc, or what ``alpha`` covers and a little around it."""
    shape, size = rng.random(), len(alpha)
    if shape < 0.4:
        return np.ones_like(alpha)
    if shape < 0.6:
        rows, columns = np.mgrid[:size, :size] + 0.5 - size / 2
        return (np.hypot(rows, columns) < size / 2).astype(np.float32)
    around = np.ones([2 * int(rng.integers(1, 6)) + 1] * 2, np.uint8)
    return np.asarray(cv2.dilate((alpha > 0).astype(np.float32), around), np.float32)


def _from_layers(
    stock: Stock, backdrop: Backdrop, things: tuple[tuple[int, Box], ...], rng: np.random.Generator
) -> list[_Layer]:
    named = rng.random() >= _UNNAMED
    layers = [
        _ground_layer(stock, backdrop, named),
        *_thing_layers(stock, things, rng, named),
    ]
    kept = rng.random(len(layers)) < 0.5
    if kept.all():
        kept[int(rng.integers(len(kept)))] = False
    return [
        replace(layer, place=replace(layer.place, given=bool(given)))
        for layer, given in zip(layers, kept, strict=True)
    ]


def _ground_layer(stock: Stock, backdrop: Backdrop, named: bool) -> _Layer:
    own = stock.vocabulary
    words = [own.number(ground_word(backdrop.kind))]
    if own.grounds[backdrop.kind]:
        words.append(own.number(backdrop.colour))
    return _Layer(Place(BACKGROUND, words=tuple(words) if named else ()), backdrop.tokens)


def _thing_layers(
    stock: Stock, things: Sequence[tuple[int, Box]], rng: np.random.Generator, named: bool
) -> list[_Layer]:
    own, found = stock.vocabulary, []
    for layer, (number, (left, top, side)) in enumerate(things, FIRST):
        words: list[int] = []
        if named and number < len(stock.drawings):
            drawing = stock.drawings[number]
            words.append(own.number(drawing.noun))
            if rng.random() < _COLOUR_SHARE:
                words.append(own.number(drawing.colour))
            if rng.random() < _VARIANT_SHARE:
                words.append(own.number(variant_word(drawing.variant)))
        box = float(left), float(top), float(side)
        found.append(_Layer(Place(layer, box, tuple(words)), stock.things[number]))
    return found


def _joined(layers: Sequence[_Layer]) -> Poster:
    seen = [_nothing(x.tokens) if x.seen is None else x.seen for x in layers]
    return Poster(
        tuple(layer.place for layer in layers),
        torch.cat([layer.tokens for layer in layers]),
        torch.cat(seen),
    )


def _nothing(tokens: Tensor) -> Tensor:
    return tokens.new_zeros(len(tokens), VIEWS, tokens.shape[1])
