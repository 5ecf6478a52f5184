"""Posters as pictures and as tokens: what ``studio`` learns from and is tested on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from layerstudio.color import U8, to_float, to_u8
from layerstudio.models.studio_codec import StudioCodec, on_grey, tokens_of
from layerstudio.models.studio_network import PATCH, SIDE
from layerstudio.pipelines.studio.model import Vocabulary
from layerstudio.pipelines.studio.pixels import guess
from training.studio_captions import is_held_back
from training.studio_grounds import COLOURS, GROUNDS, SCENES, Floats, ground
from training.studio_sprites import SIDE as THING_SIDE
from training.studio_sprites import Drawing

_SMALLEST, _LARGEST = 64, 150  # pixels of a thing's side

Box = tuple[int, int, int]  # left, top and side in pixels of the canvas


def vocabulary_of(drawings: Sequence[Drawing]) -> Vocabulary:
    things: dict[str, tuple[str, ...]] = {}
    for drawing in drawings:
        things[drawing.noun] = (*things.get(drawing.noun, ()), drawing.colour)
    return Vocabulary.of(things, {kind: kind not in SCENES for kind in GROUNDS})


@dataclass(frozen=True, eq=False)
class Backdrop:
    """A background: ``pixels`` (SIDE, SIDE, 3) and its tokens (64, values)."""

    kind: str
    colour: str
    pixels: U8
    tokens: Tensor


@dataclass(frozen=True, eq=False)
class Scene:
    """``things`` are (drawing, box) bottom to top; ``flat`` (SIDE, SIDE, 3) is what is seen."""

    backdrop: Backdrop
    things: tuple[tuple[int, Box], ...]
    flat: Floats


class Stock:
    """Drawings and backgrounds, and their tokens of one codec, made once per run.

    ``strangers`` (SIDE, SIDE, 4) are drawings without a name: they come after the known ones and
    are met in pictures to be taken apart, so that those are not only recognised.
    """

    def __init__(
        self,
        drawings: Sequence[Drawing],
        codec: StudioCodec,
        backdrops: int,
        seed: int,
        strangers: Sequence[U8] = (),
    ) -> None:
        self.drawings = list(drawings)
        self.vocabulary = vocabulary_of(drawings)
        self.pixels = [*(drawing.pixels for drawing in drawings), *strangers]
        self._codec = codec
        self.things = torch.cat([self.tokens(to_float(own[None])) for own in self.pixels])
        rng = np.random.default_rng([seed, 11])
        self.backdrops = [self.new_backdrop(rng) for _ in range(backdrops)]

    def new_backdrop(self, rng: np.random.Generator) -> Backdrop:
        kind, colour = str(rng.choice(list(GROUNDS))), str(rng.choice(list(COLOURS)))
        pixels = to_u8(ground(kind, colour, SIDE, rng))
        return Backdrop(kind, colour, pixels, self.tokens(opaque(to_float(pixels))[None])[0])

    def random_things(
        self, rng: np.random.Generator, count: int, strange: float = 0.0
    ) -> tuple[tuple[int, Box], ...]:
        """Different nouns at random places; every noun is as likely as the others. A share of
        ``strange`` of them are strangers."""
        known = list(self.vocabulary.things)
        nouns = [str(noun) for noun in rng.choice(known, min(count, len(known)), replace=False)]
        if is_held_back(nouns, frozenset(known)):
            return self.random_things(rng, count, strange)
        found = []
        for noun in nouns:
            own = [k for k, drawing in enumerate(self.drawings) if drawing.noun == noun]
            others = range(len(self.drawings), len(self.pixels))
            if others and rng.random() < strange:
                own = list(others)
            side = round(float(rng.uniform(_SMALLEST, _LARGEST)))
            left, top = (int(v) for v in rng.integers(0, SIDE - side + 1, 2))
            found.append((int(rng.choice(own)), (left, top, side)))
        return tuple(found)

    def scene(self, backdrop: Backdrop, things: tuple[tuple[int, Box], ...]) -> Scene:
        flat = to_float(backdrop.pixels)
        for number, box in things:
            put(flat, self.pixels[number], box)
        return Scene(backdrop, things, flat)

    def tokens(self, straight: Floats) -> Tensor:
        """(n, h, w, 4) to (n, tokens, values)."""
        own = torch.from_numpy(np.ascontiguousarray(straight.transpose(0, 3, 1, 2)))
        with torch.inference_mode():
            latents = self._codec.encode(on_grey(own).to(self._codec.mean.device))
            return tokens_of(latents.float(), PATCH).clone()

    def views(self, scene: Scene) -> list[Tensor]:
        """Of the background and of each thing, what is seen in its place: (n, VIEWS, values)."""
        clear = opaque(scene.flat)
        for _, (left, top, side) in scene.things:
            clear[top : top + side, left : left + side, 3] = 0
        both = np.stack([opaque(scene.flat), guess(clear)])
        found = [self.tokens(both).movedim(0, 1)]
        for _, box in scene.things:
            parts = np.stack([window(picture[..., :3], box) for picture in both])
            found.append(self.tokens(parts).movedim(0, 1))
        return found

    def plate_views(self, plate: Floats) -> Tensor:
        """Of a background (SIDE, SIDE, 4) with clear holes, what is seen: (64, VIEWS, values)."""
        return self.tokens(np.stack([plate, guess(plate.astype(np.float32))])).movedim(0, 1)


def opaque(colour: Floats) -> Floats:
    """(h, w, 3) to (h, w, 4)."""
    return np.dstack([colour, np.ones_like(colour[..., :1])])


def window(flat: Floats, box: Box) -> Floats:
    """The square ``box`` of ``flat`` (h, w, 3) at the size that things are drawn in, with alpha."""
    left, top, side = box
    own = np.ascontiguousarray(flat[top : top + side, left : left + side])
    smaller = side > THING_SIDE
    how = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
    if side != THING_SIDE:
        own = cv2.resize(own, (THING_SIDE, THING_SIDE), interpolation=how).clip(0, 1)
    return opaque(own)


def put(flat: Floats, pixels: U8, box: Box) -> None:
    """Draw a square of straight RGBA (uint8) over ``flat`` (h, w, 3)."""
    left, top, side = box
    scaled = scaled_to(pixels, side)
    part = flat[top : top + side, left : left + side]
    part *= 1 - scaled[..., 3:]
    part += scaled[..., :3]


def scaled_to(pixels: U8, side: int) -> Floats:
    """Straight (h, h, 4) to (side, side, 4), premultiplied, in [0, 1]."""
    own = to_float(np.ascontiguousarray(pixels))
    own[..., :3] *= own[..., 3:]
    return np.asarray(cv2.resize(own, (side, side), interpolation=cv2.INTER_AREA), np.float32)
