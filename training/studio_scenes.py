"""What the transformer of ``studio`` learns from: posters of known things, and their words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from layerstudio.color import to_float
from layerstudio.models.studio_codec import StudioCodec, on_grey, tokens_of
from layerstudio.models.studio_network import (
    BACKGROUND,
    COMPOSITE,
    FIRST,
    PATCH,
    SIDE,
    Place,
)
from layerstudio.pipelines.studio.model import Vocabulary, ground_word, variant_word
from training.studio_captions import is_held_back
from training.studio_grounds import COLOURS, GROUNDS, SCENES, Floats, ground
from training.studio_sprites import Drawing

_COLOUR_SHARE, _VARIANT_SHARE = 0.75, 0.85  # how often a caption has these words
_UNNAMED = 0.1  # share of documents without any word, for guidance
_SMALLEST, _LARGEST = 64, 150  # pixels of a thing's side


def vocabulary_of(drawings: Sequence[Drawing]) -> Vocabulary:
    things: dict[str, tuple[str, ...]] = {}
    for drawing in drawings:
        things[drawing.noun] = (*things.get(drawing.noun, ()), drawing.colour)
    return Vocabulary.of(things, {kind: kind not in SCENES for kind in GROUNDS})


@dataclass(frozen=True, eq=False)
class Scene:
    """``things`` are (drawing, left, top, side) bottom to top. Tokens are cached."""

    kind: str
    colour: str
    things: tuple[tuple[int, float, float, float], ...]
    ground: Tensor  # (64, values)
    composite: Tensor
    plate: Tensor  # the background with clear squares where things are


class Stock:
    """Scenes and drawings as tokens of one codec, made once per run."""

    def __init__(
        self, drawings: Sequence[Drawing], codec: StudioCodec, scenes: int, seed: int
    ) -> None:
        self.drawings = list(drawings)
        self.vocabulary = vocabulary_of(drawings)
        self._codec = codec
        pictures = [to_float(drawing.pixels[None]) for drawing in self.drawings]
        self.things = torch.cat([self._tokens(picture) for picture in pictures])  # (n, 16, values)
        rng = np.random.default_rng([seed, 11])
        self.scenes = [self._scene(rng) for _ in range(scenes)]

    def random_things(
        self, rng: np.random.Generator, count: int
    ) -> tuple[tuple[int, float, float, float], ...]:
        """Different nouns at random places; every noun is as likely as the others."""
        known = list(self.vocabulary.things)
        nouns = [str(noun) for noun in rng.choice(known, min(count, len(known)), replace=False)]
        if is_held_back(nouns, frozenset(known)):
            return self.random_things(rng, count)
        found = []
        for noun in nouns:
            own = [k for k, drawing in enumerate(self.drawings) if drawing.noun == noun]
            side = float(rng.uniform(_SMALLEST, _LARGEST))
            left, top = (float(v) for v in rng.uniform(0, SIDE - side, 2))
            found.append((int(rng.choice(own)), left, top, side))
        return tuple(found)

    def _scene(self, rng: np.random.Generator) -> Scene:
        kind, colour = str(rng.choice(list(GROUNDS))), str(rng.choice(list(COLOURS)))
        things = self.random_things(rng, int(rng.integers(1, 4)))
        plain = ground(kind, colour, SIDE, rng)
        opaque = np.ones((SIDE, SIDE, 1), np.float32)
        flat, holes = plain.copy(), opaque.copy()
        for number, left, top, side in things:
            put(flat, self.drawings[number].pixels, left, top, side)
            x, y, size = round(left), round(top), round(side)
            holes[y : y + size, x : x + size] = 0
        pictures = [
            np.dstack([plain, opaque]),
            np.dstack([flat, opaque]),
            np.dstack([plain, holes]),
        ]
        own, composite, plate = self._tokens(np.stack(pictures))
        return Scene(kind, colour, things, own, composite, plate)

    def _tokens(self, straight: Floats) -> Tensor:
        """(n, h, w, 4) to (n, tokens, values)."""
        own = torch.from_numpy(np.ascontiguousarray(straight.transpose(0, 3, 1, 2)))
        with torch.inference_mode():
            latents = self._codec.encode(on_grey(own).to(self._codec.mean.device))
            return tokens_of(latents.float(), PATCH).clone()


def put(flat: Floats, pixels: np.ndarray, left: float, top: float, side: float) -> None:
    """Draw a square of straight RGBA (uint8) over ``flat`` (h, w, 3) at whole pixels."""
    x, y, size = round(left), round(top), round(side)
    own = to_float(np.ascontiguousarray(pixels))
    own[..., :3] *= own[..., 3:]
    scaled = cv2.resize(own, (size, size), interpolation=cv2.INTER_AREA)
    part = flat[y : y + size, x : x + size]
    scaled = scaled[: part.shape[0], : part.shape[1]]
    part *= 1 - scaled[..., 3:]
    part += scaled[..., :3]


@dataclass(frozen=True, eq=False)
class Poster:
    """A document to learn from: its layers' places and their true tokens (n, values)."""

    places: tuple[Place, ...]
    tokens: Tensor


def poster(stock: Stock, rng: np.random.Generator) -> Poster:
    """A document of one of MRT's three tasks (arXiv:2605.27235), told apart by what is given."""
    task = rng.random()
    named = rng.random() >= _UNNAMED
    if task < 0.8:
        return _from_text(stock, rng, named)
    scene = stock.scenes[int(rng.integers(len(stock.scenes)))]
    layers = [
        _ground_layer(stock, scene, rng, named),
        *_thing_layers(stock, scene.things, rng, named),
    ]
    if task < 0.89:
        unnamed = rng.random() < 0.5
        layers = [(_bare(place) if unnamed else place, own) for place, own in layers]
        return _joined([(Place(COMPOSITE, given=True), scene.composite), *layers])
    if task < 0.92:
        return _joined(
            [(Place(COMPOSITE, given=True), scene.plate), (_bare(layers[0][0]), scene.ground)]
        )
    kept = rng.random(len(layers)) < 0.5
    if kept.all():
        kept[int(rng.integers(len(kept)))] = False
    return _joined(
        [
            (Place(p.layer, p.box, p.words, bool(given)), own)
            for (p, own), given in zip(layers, kept, strict=True)
        ]
    )


def _from_text(stock: Stock, rng: np.random.Generator, named: bool) -> Poster:
    """Backgrounds are four times as large as things: they are often left out."""
    layers = []
    if rng.random() < 0.6:
        scene = stock.scenes[int(rng.integers(len(stock.scenes)))]
        layers.append(_ground_layer(stock, scene, rng, named))
    things = stock.random_things(rng, int(rng.integers(3, 6)))
    return _joined([*layers, *_thing_layers(stock, things, rng, named)])


def _ground_layer(
    stock: Stock, scene: Scene, rng: np.random.Generator, named: bool
) -> tuple[Place, Tensor]:
    own = stock.vocabulary
    words = [own.number(ground_word(scene.kind))]
    if own.grounds[scene.kind]:
        words.append(own.number(scene.colour))
    return Place(BACKGROUND, words=tuple(words) if named else ()), scene.ground


def _thing_layers(
    stock: Stock,
    things: Sequence[tuple[int, float, float, float]],
    rng: np.random.Generator,
    named: bool,
) -> list[tuple[Place, Tensor]]:
    own, found = stock.vocabulary, []
    for layer, (number, *box) in enumerate(things, FIRST):
        drawing = stock.drawings[number]
        words = [own.number(drawing.noun)]
        if rng.random() < _COLOUR_SHARE:
            words.append(own.number(drawing.colour))
        if rng.random() < _VARIANT_SHARE:
            words.append(own.number(variant_word(drawing.variant)))
        left, top, side = box
        place = Place(layer, (left, top, side), tuple(words) if named else ())
        found.append((place, stock.things[number]))
    return found


def _bare(place: Place) -> Place:
    return Place(place.layer, place.box, (), place.given)


def _joined(layers: Sequence[tuple[Place, Tensor]]) -> Poster:
    return Poster(tuple(place for place, _ in layers), torch.cat([own for _, own in layers]))
