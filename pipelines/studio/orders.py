"""What the network of ``studio`` is asked for, in each of its modes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random

from torch import Tensor

from layerstudio.document import Document, Layer, Role
from layerstudio.generate_request import GenerateRequest
from layerstudio.geometry import Bounds
from layerstudio.models.studio_codec import on_grey
from layerstudio.models.studio_network import BACKGROUND, FIRST, SIDE, Place
from layerstudio.picture import Picture
from layerstudio.pipelines.fitting import flattened
from layerstudio.pipelines.flat.method import FlatMethod
from layerstudio.pipelines.multilayer.art_order import ArtOrder
from layerstudio.pipelines.studio.model import StudioModel, Vocabulary, ground_word, variant_word
from layerstudio.pipelines.studio.pixels import canvas_square, on_canvas, square_of
from layerstudio.pipelines.studio.placing import boxes_of, square_in
from layerstudio.pipelines.studio.reading import MOST_THINGS, Thing, Wish, read_prompt, wish_of
from layerstudio.pipelines.studio.sampling import Order, encoded
from layerstudio.pipelines.studio.seeing import THING_SIDE, views
from layerstudio.progress import CancelToken, ignore_progress
from layerstudio.requests import DecomposeRequest

_GROUNDS_AT_WILL = ("plain", "gradient", "dots")
_ENOUGH = 0.5  # share of things that are recognised in pictures
_HARDLY = (
    "This model has hardly learned to see what a picture shows: what it draws here is mostly "
    "something else. `layerstudio decompose` takes pictures apart."
)
_COLOURS_AT_WILL = ("blue", "yellow", "green", "pink", "white", "orange")


@dataclass(frozen=True, eq=False)
class Wanted:
    """An order, and what becomes of its layers: squares in pixels and names by number."""

    order: Order
    boxes: Mapping[int, Bounds]
    names: Mapping[int, str]
    prompts: Mapping[int, str]
    notes: tuple[str, ...] = ()
    seen: Mapping[int, Layer] = field(default_factory=dict)


def designed(model: StudioModel, request: GenerateRequest) -> Wanted:
    """Text to layers. Words that the model does not know are told."""
    assert request.extent is not None and request.seed is not None
    chance = Random(request.seed)
    wish = wish_of(request.prompt, request.foregrounds, request.background or "", model.vocabulary)
    notes = [_unknown(wish)] if wish.unknown else []
    things = wish.things
    if request.boxes:
        things = (*things, *[Thing("")] * len(request.boxes))[: len(request.boxes)]
        boxes = tuple(square_in(box, request.extent) for box in request.boxes)
    else:
        if not things and not wish.ground:
            things = (Thing(""),)
            notes.append("The model knows none of these words; it drew something of its own.")
        boxes = boxes_of(things, request.extent, request.seed)
    words, drawn = [], []
    for thing in things:
        own, colour, note = _thing_words(thing, model.vocabulary, chance)
        words.append(own)
        drawn.append(f"{colour} {thing.noun}".strip() or "something")
        notes += [note] if note else []
    kind = wish.ground or chance.choice(_GROUNDS_AT_WILL)
    colour = wish.ground_colour or chance.choice(_COLOURS_AT_WILL)
    ground, called = _ground_words(kind, colour, model.vocabulary)
    places = [Place(BACKGROUND, words=ground)]
    for layer, (box, own) in enumerate(zip(boxes, words, strict=True), FIRST):
        places.append(Place(layer, on_canvas(box, request.extent), own))
    numbers = range(FIRST, FIRST + len(boxes))
    titles = dict(zip(numbers, _titled(drawn), strict=True))
    return Wanted(
        Order(tuple(places), {}, request.seed),
        dict(zip(numbers, boxes, strict=True)),
        {BACKGROUND: "Background", **titles},
        {BACKGROUND: called, **dict(zip(numbers, drawn, strict=True))},
        tuple(dict.fromkeys(notes)),
    )


def taken_apart(
    model: StudioModel, request: GenerateRequest, picture: Picture, cancel: CancelToken
) -> Wanted:
    """Picture to layers: in boxes given, or where ``flat`` finds things."""
    assert request.seed is not None
    extent = picture.extent
    notes: list[str] = []
    if model.quality.get("picture_things", 1.0) < _ENOUGH:
        notes.append(_HARDLY)
    found, names = list(request.boxes), ["Layer"] * len(request.boxes)
    if not found:
        layers = _found(picture, request.seed, cancel)
        if not layers:
            notes.append("No things were found in the picture; boxes say where they are.")
        if len(layers) > MOST_THINGS:
            notes.append(f"{len(layers)} things were found; the {MOST_THINGS} largest are drawn.")
            layers = sorted(layers, key=lambda layer: layer.bounds.area)[-MOST_THINGS:]
        found, names = [layer.bounds for layer in layers], [layer.name for layer in layers]
    captions = [read_prompt(caption, model.vocabulary) for caption in request.foregrounds]
    chance = Random(request.seed)
    ground = _background_words(request.background or "", model.vocabulary)
    places = [Place(BACKGROUND, words=ground, seen=True)]
    boxes: dict[int, Bounds] = {}
    for layer, box in enumerate(found, FIRST):
        boxes[layer] = square_in(box.clamped(extent), extent)
        wish = captions[layer - FIRST] if layer - FIRST < len(captions) else Wish()
        thing = wish.things[0] if wish.things else Thing("")
        words, _, _ = _thing_words(thing, model.vocabulary, chance)
        places.append(Place(layer, on_canvas(boxes[layer], extent), words, seen=True))
    return Wanted(
        Order(tuple(places), {}, request.seed, views(model, picture.pixels, extent, boxes)),
        boxes,
        {BACKGROUND: "Background", **dict(zip(boxes, _titled(names), strict=True))},
        {},
        tuple(notes),
    )


def filled(model: StudioModel, request: GenerateRequest, picture: Picture) -> Wanted:
    """A plate with clear holes, of which the background is made."""
    assert request.seed is not None
    words = _background_words(request.background or request.prompt, model.vocabulary)
    place = Place(BACKGROUND, words=words, seen=True)
    order = Order((place,), {}, request.seed, views(model, picture.pixels, picture.extent, {}))
    return Wanted(order, {}, {BACKGROUND: "Filled"}, {})


def edited(model: StudioModel, order: ArtOrder) -> Wanted:
    """Layers to layers: those of a document that are made anew among those that are kept."""
    chance = Random(order.seed)
    places: list[Place] = []
    given: dict[int, Tensor] = {}
    boxes: dict[int, Bounds] = {}
    notes: list[str] = []
    numbered = {BACKGROUND: Bounds.full(order.extent)} if BACKGROUND in order.names else {}
    numbered |= dict(enumerate(order.boxes, FIRST))
    for layer, box in numbered.items():
        kept = order.given.get(layer)
        wish = read_prompt(order.prompts.get(layer, ""), model.vocabulary)
        if layer == BACKGROUND:
            square, side = canvas_square(order.extent), SIDE
            words = _wish_ground(wish, model.vocabulary)
        else:
            square, side = square_in(box, order.extent), THING_SIDE
            thing = wish.things[0] if wish.things else Thing("")
            words, _, _ = _thing_words(thing, model.vocabulary, chance)
            boxes[layer] = square
        if wish.unknown and kept is None:
            notes.append(_unknown(wish))
        if kept is not None:
            own = flattened([kept], order.extent)
            shown = square_of(own, Bounds.full(order.extent), square, side)
            given[layer] = encoded(model, on_grey(shown[None])[0])
        places.append(Place(layer, on_canvas(square, order.extent), words, kept is not None))
    return Wanted(
        Order(tuple(places), given, order.seed), boxes, order.names, order.prompts,
        tuple(dict.fromkeys(notes)),
    )  # fmt: skip


def _thing_words(
    thing: Thing, vocabulary: Vocabulary, chance: Random
) -> tuple[tuple[int, ...], str, str]:
    """The words of one thing, its colour, and a note where it is not known in the one asked for.

    Among the drawings of a noun, the seed chooses.
    """
    if not thing.noun:
        return (), "", ""
    known = vocabulary.things[thing.noun]
    fitting = [k for k, colour in enumerate(known) if thing.colour in ("", colour)]
    words = [thing.noun]
    if fitting:
        variant = chance.choice(fitting)
        words += [known[variant], variant_word(variant)]
        return tuple(map(vocabulary.number, words)), thing.colour, ""
    note = f"The model has seen {thing.noun!r} only in {', '.join(sorted(set(known)))}."
    words.append(thing.colour)
    return tuple(map(vocabulary.number, words)), thing.colour, note


def _ground_words(kind: str, colour: str, vocabulary: Vocabulary) -> tuple[tuple[int, ...], str]:
    words = [ground_word(kind)]
    if vocabulary.grounds[kind]:
        words.append(colour)
    called = f"{colour} {kind}" if vocabulary.grounds[kind] else kind
    return tuple(vocabulary.number(word) for word in words), f"{called} background"


def _background_words(text: str, vocabulary: Vocabulary) -> tuple[int, ...]:
    return _wish_ground(read_prompt(text, vocabulary), vocabulary)


def _wish_ground(wish: Wish, vocabulary: Vocabulary) -> tuple[int, ...]:
    if not wish.ground:
        return ()
    return _ground_words(wish.ground, wish.ground_colour or "blue", vocabulary)[0]


def _unknown(wish: Wish) -> str:
    words = ", ".join(repr(word) for word in wish.unknown)
    return f"The model does not know {words}; it was left out."


def _titled(names: list[str]) -> list[str]:
    """Capitalised, and numbered where several are the same."""
    titles = []
    for index, name in enumerate(names):
        number = f" {names[: index + 1].count(name)}" if names.count(name) > 1 else ""
        titles.append(f"{name[:1].upper()}{name[1:]}{number}")
    return titles


def _found(picture: Picture, seed: int, cancel: CancelToken) -> list[Layer]:
    request = DecomposeRequest(exact=False, read_text=False, seed=seed).resolve(
        default_method="flat", can_read_text=False, source=picture.source, sha256=picture.sha256
    )
    document: Document = FlatMethod().run(request, picture, progress=ignore_progress, cancel=cancel)
    return [layer for layer in document.layers if layer.role is not Role.BACKGROUND]
