"""How good the model of ``studio`` is: its autoencoder on clip art that it has not seen, and
whether each word of the held-back captions is there as a layer of its own."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from layerstudio.color import F32, U8, premultiply, to_float
from layerstudio.document import Document, Layer, Role
from layerstudio.generate_request import GenerateRequest
from layerstudio.geometry import Bounds
from layerstudio.models.studio_codec import StudioCodec, on_grey
from layerstudio.models.studio_network import BACKGROUND, FIRST, Place
from layerstudio.pipelines.runtime import Runtime
from layerstudio.pipelines.stacking import layer_of
from layerstudio.pipelines.studio.method import StudioMethod
from layerstudio.pipelines.studio.model import StudioModel
from layerstudio.pipelines.studio.pixels import thing_pixels
from layerstudio.pipelines.studio.reading import read_prompt
from layerstudio.pipelines.studio.resolving import STEPS, resolve
from layerstudio.pipelines.studio.running import document_of
from layerstudio.pipelines.studio.sampling import Order, decoded, sampled
from layerstudio.progress import CancelToken, ignore_progress
from training.assets import Assets
from training.studio_posters import plate_of
from training.studio_scenes import Scene, Stock, opaque
from training.studio_sprites import SIDE, Drawing, squared

_EVERY = 4  # of the dev split's clip art
_MARGIN = 4
_COARSE = 4  # pixels of a square that is compared


def codec_quality(codec: StudioCodec, assets: Assets) -> dict[str, float]:
    """On every fourth drawing of the dev split, in squares of 128 pixels: PSNR of colour on grey,
    the mean over drawings and that of the mean error, and the mean absolute error of alpha."""
    errors, alphas = [], []
    for name in assets.sprite_names("dev")[::_EVERY]:
        sprite = assets.sprite(name, SIDE - 2 * _MARGIN)
        if sprite is None:
            continue
        own = torch.from_numpy(to_float(squared(sprite))).movedim(-1, 0)[None]
        true = on_grey(own).to(codec.mean.device)
        with torch.inference_mode():
            off = codec.decode(codec.encode(true)).clamp(-1, 1).float() - true
        errors.append(float(off[:, :3].square().mean()) / 4)
        alphas.append(float(off[:, 3].abs().mean()) / 2)
    return {
        "drawings": len(errors),
        "psnr_mean": round(float(np.mean(-10 * np.log10(errors))), 2),
        "psnr_of_mean": round(float(-10 * np.log10(np.mean(errors))), 2),
        "alpha_error": round(float(np.mean(alphas)), 5),
    }


@dataclass(frozen=True, eq=False)
class Shown:
    """A caption and what was made of it; ``hits`` says of each thing whether it was recognised."""

    caption: str
    document: Document
    hits: tuple[bool, ...]
    seconds: float


def shown(
    model: StudioModel, drawings: Sequence[Drawing], captions: Sequence[str], seed: int
) -> list[Shown]:
    """Each caption made once. A thing is recognised if, of all drawings that the model learned
    from, the one nearest to its layer is of the noun asked for."""
    found = []
    for index, caption in enumerate(captions):
        request = resolve(GenerateRequest(prompt=caption, seed=seed + index), {}, StudioMethod.card)
        began = time.monotonic()
        document = document_of(model, request, {}, Runtime(), ignore_progress, CancelToken())
        seconds = time.monotonic() - began
        things = read_prompt(caption, model.vocabulary).things
        layers = [layer for layer in document.layers if layer.role is not Role.BACKGROUND]
        hits = tuple(
            nearest(layer, drawings).noun == thing.noun
            for layer, thing in zip(layers, things, strict=True)
        )
        found.append(Shown(caption, document, hits, seconds))
    return found


def task_quality(
    model: StudioModel, drawings: Sequence[Drawing], *, count: int, seed: int
) -> dict[str, float]:
    """On ``count`` new posters, without a word: of picture to layers, the share of things
    recognised in the boxes given, and PSNR of the background; of plates with holes, PSNR of the
    background made."""
    stock = Stock(drawings, model.codec, 0, seed)
    hits: list[bool] = []
    errors: dict[str, list[float]] = {"picture_ground": [], "plate": []}
    for index, scene in enumerate(scenes(stock, count, seed)):
        true = torch.from_numpy(to_float(scene.backdrop.pixels)).movedim(-1, 0)
        made = taken_apart(model, stock, scene, seed + index)
        errors["picture_ground"].append(_squared_error(made[BACKGROUND], true))
        for layer, (number, _) in enumerate(scene.things, FIRST):
            pixels = thing_pixels(made[layer], Bounds(0, 0, SIDE, SIDE))
            found = nearest(layer_of("thing", pixels, Role.OBJECT), drawings)
            hits.append(found.noun == drawings[number].noun)
        errors["plate"].append(_squared_error(filled(model, stock, scene, seed + index), true))
    psnr = {name: round(float(-10 * np.log10(np.mean(own))), 1) for name, own in errors.items()}
    return {"posters": count, "picture_things": round(float(np.mean(hits)), 3), **psnr}


def scenes(stock: Stock, count: int, seed: int) -> list[Scene]:
    """New posters of one to three known things."""
    rng = np.random.default_rng([seed, 17])
    made = []
    for _ in range(count):
        backdrop = stock.new_backdrop(rng)
        made.append(stock.scene(backdrop, stock.random_things(rng, int(rng.integers(1, 4)))))
    return made


def taken_apart(model: StudioModel, stock: Stock, scene: Scene, seed: int) -> dict[int, Tensor]:
    """The layers (4, h, w) by number that the network sees in a poster, without a word."""
    boxes = [tuple(map(float, box)) for _, box in scene.things]
    places = [Place(layer, box, seen=True) for layer, box in enumerate(boxes, FIRST)]  # type: ignore[arg-type]
    whole = stock.tokens(opaque(scene.flat)[None])[0]
    seen = {BACKGROUND: whole, **dict(enumerate(stock.seen_things(scene), FIRST))}
    order = Order((Place(BACKGROUND, seen=True), *places), {}, seed, seen)
    made = sampled(model, order, steps=STEPS, guidance=1.0)
    return {number: decoded(model, own) for number, own in made.items()}


def filled(model: StudioModel, stock: Stock, scene: Scene, seed: int) -> Tensor:
    """The background (4, h, w) made of a plate whose squares of things are clear."""
    seen = {BACKGROUND: stock.tokens(plate_of(scene.backdrop, squares(scene))[None])[0]}
    order = Order((Place(BACKGROUND, seen=True),), {}, seed, seen)
    return decoded(model, sampled(model, order, steps=STEPS, guidance=1.0)[BACKGROUND])


def squares(scene: Scene) -> F32:
    """(h, w): 1 in the boxes of the scene's things."""
    holes = np.zeros(scene.flat.shape[:2], np.float32)
    for _, (left, top, side) in scene.things:
        holes[top : top + side, left : left + side] = 1
    return holes


def _squared_error(straight: Tensor, true: Tensor) -> float:
    return float((straight[:3] - true).square().mean())


def nearest(layer: Layer, drawings: Sequence[Drawing]) -> Drawing:
    """The drawing with the least squared difference of premultiplied colour and alpha."""
    own = _coarse(squared(np.asarray(layer.cropped_to_content().pixels, np.uint8)))
    off = [float(np.square(own - _coarse(drawing.pixels)).sum()) for drawing in drawings]
    return drawings[int(np.argmin(off))]


def _coarse(pixels: U8) -> F32:
    """(side, side, 4) premultiplied, averaged over small squares."""
    own = premultiply(to_float(pixels))
    count = SIDE // _COARSE
    return own.reshape(count, _COARSE, count, _COARSE, 4).mean((1, 3))
