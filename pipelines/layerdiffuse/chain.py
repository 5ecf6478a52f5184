"""The chains that turn runs of a network into documents, one for each mode.

A chain yields ``Call``s, is sent the frames that the network made of each, and returns a document.
So it knows nothing of networks, and several chains of one kind can go side by side: all of them
make their first call before any makes its second, and weights are changed once per stage.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from layerstudio.color import U8
from layerstudio.document import Document, Layer, Provenance, Role
from layerstudio.generate_request import GenerateRequest, InputRole
from layerstudio.geometry import Bounds, Extent
from layerstudio.picture import Picture
from layerstudio.pipelines.fitting import fitted, flattened
from layerstudio.pipelines.layerdiffuse.resolving import (
    text_of_background,
    texts_of_foregrounds,
    whole,
)
from layerstudio.pipelines.stacking import layer_of, stack

Frame = Literal["foreground", "background", "blended"]
Kind = Literal[
    "transparent", "plain", "img2img", "fg2ble", "fgble2bg", "bg2ble", "bgble2fg",
    "joint", "fg2bg", "bg2fg",
]  # fmt: skip


@dataclass(frozen=True, eq=False)
class Call:
    """One run of a network: ``prompts`` of the frames that it makes, ``pictures`` it is given.

    ``place`` is where on the canvas its frames lie. Pictures are (h, w, 4) uint8 of that size, by
    frame ("image" for image to image).
    """

    kind: Kind
    prompts: Mapping[Frame, str]
    place: Bounds
    seed: int
    pictures: Mapping[str, U8] = field(default_factory=dict)


@dataclass(frozen=True)
class Made:
    """What a call made: (h, w, 4) uint8 by frame, and the weights that made it."""

    frames: Mapping[Frame, U8]
    weights: str
    revision: str


Chain = Generator[Call, Made, Document]


@dataclass(frozen=True)
class Story:
    """One picture to make: a resolved request with its own seed, and what it starts from."""

    request: GenerateRequest
    pictures: Mapping[InputRole, Picture]

    @property
    def extent(self) -> Extent:
        assert self.request.extent is not None
        return self.request.extent

    @property
    def canvas(self) -> Bounds:
        return Bounds.full(self.extent)

    def seed(self, index: int) -> int:
        """The seed of the chain's call number ``index``: the first has the picture's own."""
        seed = self.request.seed or 0
        if index == 0:
            return seed
        return int(np.random.SeedSequence([seed, index]).generate_state(1, np.uint32)[0])

    def given(self, role: InputRole) -> U8:
        return fitted(self.pictures[role], self.extent)

    def layer(
        self, made: Made, frame: Frame, prompt: str, seed: int, *, name: str = "", at=None
    ) -> Layer:
        """The layer of one frame, signed with what made it."""
        role = Role.OBJECT if frame == "foreground" else Role.BACKGROUND
        provenance = Provenance(
            method=self.request.method or "",
            seed=seed,
            prompt=prompt,
            weights=made.weights,
            revision=made.revision,
        )
        return layer_of(name or frame.capitalize(), made.frames[frame], role, at, provenance)

    def given_layer(self, role: InputRole, frame: Frame) -> Layer:
        """A picture of the user's as a layer, signed with its hash."""
        provenance = Provenance(
            method=self.request.method or "", source_sha256=self.pictures[role].sha256
        )
        kind = Role.OBJECT if frame == "foreground" else Role.BACKGROUND
        return layer_of(frame.capitalize(), self.given(role), kind, None, provenance)


def chain_of(request: GenerateRequest, pictures: Mapping[InputRole, Picture]) -> Chain:
    """The chain of a resolved request's mode."""
    story = Story(request, pictures)
    match request.mode:
        case "fg":
            return _foregrounds_only(story)
        case "fg+bg":
            return _foregrounds_then_background(story)
        case "bg+fg":
            return _background_then_foregrounds(story)
        case "img2img":
            return _varied(story)
        case "joint":
            return _joint(story)
        case "fg2bg":
            two_steps = request.method == "layerdiffuse-sdxl"
            return _completed_foreground(story) if two_steps else _conditioned(story, "foreground")
        case "bg2fg":
            two_steps = request.method == "layerdiffuse-sdxl"
            return _completed_background(story) if two_steps else _conditioned(story, "background")
    raise AssertionError(request.mode)


def calls_of(request: GenerateRequest, pictures: Mapping[InputRole, Picture]) -> int:
    """How many calls the chain makes."""
    layers = len(texts_of_foregrounds(request))
    if request.mode == "fg":
        return layers
    if request.mode == "fg+bg":
        return layers + 2
    if request.method != "layerdiffuse-sdxl" or request.mode == "img2img":
        return 1
    makes_background = request.mode == "bg+fg" and "background" not in pictures
    each = 1 if "blended" in pictures else 2
    return each * layers + makes_background


def _foregrounds_only(story: Story) -> Chain:
    layers = yield from _foregrounds(story)
    return stack(story.extent, foregrounds=layers)


def _foregrounds_then_background(story: Story) -> Chain:
    layers = yield from _foregrounds(story)
    return (yield from _behind(story, layers, first_call=len(layers)))


def _completed_foreground(story: Story) -> Chain:
    return (yield from _behind(story, [story.given_layer("foreground", "foreground")], 0))


def _background_then_foregrounds(story: Story) -> Chain:
    if "background" in story.pictures:
        return (yield from _completed_background(story))
    text, seed = text_of_background(story.request), story.seed(0)
    made = yield Call("plain", {"background": text}, story.canvas, seed)
    return (yield from _in_front(story, story.layer(made, "background", text, seed), 1))


def _completed_background(story: Story) -> Chain:
    return (yield from _in_front(story, story.given_layer("background", "background"), 0))


def _foregrounds(story: Story) -> Generator[Call, Made, list[Layer]]:
    """One transparent layer for each text, in its box or on the whole canvas."""
    layers = []
    request = story.request
    for index, text in enumerate(texts_of_foregrounds(request)):
        box = request.boxes[index] if request.boxes else story.canvas
        seed = story.seed(index)
        made = yield Call("transparent", {"foreground": text}, box, seed)
        name = request.foregrounds[index] if request.foregrounds else ""
        layers.append(story.layer(made, "foreground", text, seed, name=name, at=box))
    return layers


def _behind(story: Story, layers: list[Layer], first_call: int) -> Chain:
    """A background for ``layers``: what the whole would look like, then the whole without them."""
    text, behind = whole(story.request), text_of_background(story.request)
    given = {"foreground": flattened(layers, story.extent)}
    blended, pixels = yield from _together(story, "fg2ble", text, given, first_call)
    seed = story.seed(first_call + 1)
    given |= {"blended": pixels}
    made = yield Call("fgble2bg", {"background": behind}, story.canvas, seed, given)
    background = story.layer(made, "background", behind, seed)
    return stack(story.extent, background=background, foregrounds=layers, blended=blended)


def _in_front(story: Story, background: Layer, first_call: int) -> Chain:
    """Foregrounds for ``background``, each one standing on what is there before it."""
    layers: list[Layer] = []
    blended = None
    names = story.request.foregrounds
    for index, text in enumerate(texts_of_foregrounds(story.request)):
        together_text = whole(story.request) if len(names) < 2 else text
        call = first_call + 2 * index
        given = {"background": flattened([background, *layers], story.extent)}
        blended, pixels = yield from _together(story, "bg2ble", together_text, given, call)
        seed = story.seed(call + 1)
        given |= {"blended": pixels}
        made = yield Call("bgble2fg", {"foreground": text}, story.canvas, seed, given)
        name = names[index] if names else ""
        layers.append(story.layer(made, "foreground", text, seed, name=name))
    return stack(story.extent, background=background, foregrounds=layers, blended=blended)


def _together(
    story: Story, kind: Kind, text: str, given: Mapping[str, U8], call: int
) -> Generator[Call, Made, tuple[Layer, U8]]:
    """What it all looks like together: the user's own picture of it, or the network's."""
    if "blended" in story.pictures:
        return story.given_layer("blended", "blended"), story.given("blended")
    seed = story.seed(call)
    made = yield Call(kind, {"blended": text}, story.canvas, seed, given)
    return story.layer(made, "blended", text, seed), made.frames["blended"]


def _varied(story: Story) -> Chain:
    text, seed = texts_of_foregrounds(story.request)[0], story.seed(0)
    given = {"image": story.given("image")}
    made = yield Call("img2img", {"foreground": text}, story.canvas, seed, given)
    return stack(story.extent, foregrounds=[story.layer(made, "foreground", text, seed)])


def _texts(story: Story) -> dict[Frame, str]:
    return {
        "foreground": texts_of_foregrounds(story.request)[0],
        "background": text_of_background(story.request),
        "blended": whole(story.request),
    }


def _joint(story: Story) -> Chain:
    texts, seed = _texts(story), story.seed(0)
    made = yield Call("joint", texts, story.canvas, seed)
    foreground, background, blended = (
        story.layer(made, frame, text, seed) for frame, text in texts.items()
    )
    return stack(story.extent, background=background, foregrounds=[foreground], blended=blended)


def _conditioned(story: Story, known: Literal["foreground", "background"]) -> Chain:
    """The other half and the blend of a given foreground or background, at once."""
    texts, seed = _texts(story), story.seed(0)
    wanted: Frame = "background" if known == "foreground" else "foreground"
    kind: Kind = "fg2bg" if known == "foreground" else "bg2fg"
    prompts: dict[Frame, str] = {wanted: texts[wanted], "blended": texts["blended"]}
    made = yield Call(kind, prompts, story.canvas, seed, {known: story.given(known)})
    layers = {
        known: story.given_layer(known, known),
        wanted: story.layer(made, wanted, texts[wanted], seed),
    }
    return stack(
        story.extent,
        background=layers["background"],
        foregrounds=[layers["foreground"]],
        blended=story.layer(made, "blended", texts["blended"], seed),
    )
