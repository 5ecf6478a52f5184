"""How well the model of ``studio`` takes posters apart that it has not met, and fills plates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from layerstudio.color import F32, to_float, to_u8
from layerstudio.composite import composite
from layerstudio.document import Document, Layer, Role
from layerstudio.generate_request import GenerateRequest, InputPicture
from layerstudio.geometry import Bounds
from layerstudio.models.studio_network import BACKGROUND, FIRST, SIDE, Place
from layerstudio.picture import Picture
from layerstudio.pipelines.runtime import Runtime
from layerstudio.pipelines.stacking import layer_of
from layerstudio.pipelines.studio.method import StudioMethod
from layerstudio.pipelines.studio.model import StudioModel
from layerstudio.pipelines.studio.pixels import thing_pixels
from layerstudio.pipelines.studio.resolving import STEPS, resolve
from layerstudio.pipelines.studio.running import document_of
from layerstudio.pipelines.studio.sampling import Order, decoded, sampled
from layerstudio.progress import CancelToken, ignore_progress
from training.studio_posters import plate_of
from training.studio_quality import nearest
from training.studio_scenes import Scene, Stock, opaque, scaled_to
from training.studio_sprites import SIDE as THING_SIDE
from training.studio_sprites import Drawing


@dataclass(frozen=True, eq=False)
class Apart:
    """A poster, what the network sees in it (``ground``, ``plate``: (4, h, w)), and the document
    that the method makes of it; ``hits`` says of each thing whether it was recognised."""

    scene: Scene
    ground: Tensor
    plate: Tensor
    document: Document
    hits: tuple[bool, ...]

    @property
    def true_ground(self) -> Tensor:
        """(3, h, w)."""
        return torch.from_numpy(to_float(self.scene.backdrop.pixels)).movedim(-1, 0)


def taken_apart(
    model: StudioModel, drawings: Sequence[Drawing], *, count: int, seed: int
) -> list[Apart]:
    """``count`` new posters of one to three known things, in the boxes given, without a word."""
    stock = Stock(drawings, model.codec, 0, seed)
    found = []
    for index, scene in enumerate(_scenes(stock, count, seed)):
        seen = _seen(model, stock, scene, seed + index)
        hits = []
        for layer, (number, _) in enumerate(scene.things, FIRST):
            pixels = thing_pixels(seen[layer], Bounds(0, 0, THING_SIDE, THING_SIDE))
            hit = nearest(layer_of("thing", pixels, Role.OBJECT), drawings)
            hits.append(hit.noun == drawings[number].noun)
        plate = _filled(model, stock, scene, seed + index)
        document = _document(model, scene, seed + index)
        found.append(Apart(scene, seen[BACKGROUND], plate, document, tuple(hits)))
    return found


def apart_quality(found: Sequence[Apart], drawings: Sequence[Drawing]) -> dict[str, float]:
    """Of the network: the share of things recognised, and PSNR of the background in pictures and
    in plates. Of the method: PSNR of the background, the mean absolute error of things' alpha in
    their boxes, and the largest error of the layers put together, in levels of 255."""
    hits = [hit for one in found for hit in one.hits]
    network = [(one.ground, one.plate) for one in found]
    of_method = [_first(one.document) for one in found]
    trues = [one.true_ground for one in found]
    return {
        "posters": len(found),
        "picture_things": round(float(np.mean(hits)), 3),
        "picture_ground": _psnr([seen for seen, _ in network], trues),
        "plate": _psnr([plate for _, plate in network], trues),
        "settled_ground": _psnr(of_method, trues),
        "picture_alpha": round(float(np.mean([_alpha_error(one, drawings) for one in found])), 4),
        "recomposed": max(_recomposed(one) for one in found),
    }


def badness(one: Apart, drawings: Sequence[Drawing]) -> float:
    """By which the worst are found: things missed first, then errors of alpha and background."""
    off = _squared_error(_first(one.document), one.true_ground)
    return one.hits.count(False) + _alpha_error(one, drawings) + off


def _scenes(stock: Stock, count: int, seed: int) -> list[Scene]:
    rng = np.random.default_rng([seed, 17])
    made = []
    for _ in range(count):
        backdrop = stock.new_backdrop(rng)
        made.append(stock.scene(backdrop, stock.random_things(rng, int(rng.integers(1, 4)))))
    return made


def _seen(model: StudioModel, stock: Stock, scene: Scene, seed: int) -> dict[int, Tensor]:
    """The layers (4, h, w) by number."""
    places = [Place(BACKGROUND, seen=True)]
    for layer, (_, (left, top, side)) in enumerate(scene.things, FIRST):
        places.append(Place(layer, (float(left), float(top), float(side)), seen=True))
    order = Order(tuple(places), {}, seed, dict(enumerate(stock.views(scene), BACKGROUND)))
    made = sampled(model, order, steps=STEPS, guidance=1.0)
    return {number: decoded(model, own) for number, own in made.items()}


def _filled(model: StudioModel, stock: Stock, scene: Scene, seed: int) -> Tensor:
    """The background (4, h, w) made of a plate whose squares of things are clear."""
    holes = np.zeros(scene.flat.shape[:2], np.float32)
    for _, (left, top, side) in scene.things:
        holes[top : top + side, left : left + side] = 1
    seen = {BACKGROUND: stock.plate_views(plate_of(scene.backdrop, holes))}
    order = Order((Place(BACKGROUND, seen=True),), {}, seed, seen)
    return decoded(model, sampled(model, order, steps=STEPS, guidance=1.0)[BACKGROUND])


def _document(model: StudioModel, scene: Scene, seed: int) -> Document:
    boxes = tuple(Bounds(left, top, side, side) for _, (left, top, side) in scene.things)
    request = GenerateRequest(inputs=(InputPicture(role="image"),), boxes=boxes, seed=seed)
    pictures = {"image": Picture(to_u8(opaque(scene.flat)))}
    resolved = resolve(request, pictures, StudioMethod.card)  # type: ignore[arg-type]
    return document_of(model, resolved, pictures, Runtime(), ignore_progress, CancelToken())  # type: ignore[arg-type]


def _first(document: Document) -> Tensor:
    """The background (4, h, w)."""
    return torch.from_numpy(to_float(document.layers[0].pixels)).movedim(-1, 0)


def _alpha_error(one: Apart, drawings: Sequence[Drawing]) -> float:
    things = [layer for layer in one.document.layers if layer.role is not Role.BACKGROUND]
    off = []
    for layer, (number, box) in zip(things, one.scene.things, strict=True):
        left, top, side = box
        true = scaled_to(drawings[number].pixels, side)[..., 3]
        own = _alpha(layer)[top : top + side, left : left + side]
        off.append(np.abs(own - true).mean())
    return float(np.mean(off))


def _alpha(layer: Layer) -> F32:
    """(SIDE, SIDE)."""
    whole = np.zeros((SIDE, SIDE), np.float32)
    whole[layer.bounds.slices] = to_float(layer.pixels)[..., 3]
    return whole


def _recomposed(one: Apart) -> float:
    off = np.abs(composite(one.document)[..., :3] - to_float(to_u8(one.scene.flat)))
    return round(float(off.max()) * 255, 2)


def _psnr(made: Sequence[Tensor], true: Sequence[Tensor]) -> float:
    errors = [_squared_error(a, b) for a, b in zip(made, true, strict=True)]
    return round(float(-10 * np.log10(max(np.mean(errors), 1e-10))), 1)


def _squared_error(straight: Tensor, true: Tensor) -> float:
    return float((straight[:3] - true).square().mean())
