"""A layout: what each layer is for, shows and says, and the box in which it lies.

The roles are LaDeCo's five (arXiv 2412.19712, section 3), in the order in which it places them. The
JSON form, which language models answer in, is ``{"layers": [{z, box, role, prompt, text}, ...]}``
with boxes ``[x, y, width, height]`` in pixels of the canvas.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import combinations
from typing import Any

from layerstudio.errors import InvalidRequest
from layerstudio.geometry import Bounds, Extent

MOST_LAYERS = 50  # foregrounds: the published checkpoint's 52 less composite and background


class LayerRole(StrEnum):
    """What a layer is for, bottom to top."""

    BACKGROUND = "background"
    UNDERLAY = "underlay"
    IMAGE = "image"
    TEXT = "text"
    EMBELLISHMENT = "embellishment"


PLACING_ORDER = tuple(LayerRole)


@dataclass(frozen=True, kw_only=True)
class LayerPlan:
    """One layer: ``z`` counts from 0, the background; ``prompt`` says what it shows, ``text`` what
    is written on it (text layers only)."""

    z: int
    box: Bounds
    role: LayerRole
    prompt: str = ""
    text: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "box", Bounds(*self.box))
        object.__setattr__(self, "role", LayerRole(self.role))

    def to_dict(self) -> dict[str, Any]:
        return {
            "z": self.z,
            "box": list(self.box),
            "role": self.role.value,
            "prompt": self.prompt,
            "text": self.text,
        }


@dataclass(frozen=True, kw_only=True)
class LayoutPlan:
    """The layers on a canvas of ``extent``, bottom to top: the background, then the foregrounds.

    ``repairs`` tells in words what had to be changed in the planner's answer; it is no part of what
    makes two plans equal. Raises ``InvalidRequest`` for layers that contradict each other;
    ``repair.repaired_plan`` makes such a list fit.
    """

    extent: Extent
    layers: tuple[LayerPlan, ...]
    repairs: tuple[str, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "extent", Extent(*self.extent))
        object.__setattr__(self, "layers", tuple(self.layers))
        object.__setattr__(self, "repairs", tuple(self.repairs))
        self._check()

    @property
    def background(self) -> LayerPlan:
        return self.layers[0]

    @property
    def foregrounds(self) -> tuple[LayerPlan, ...]:
        """All but the background, bottom to top: the layers that boxes are given for."""
        return self.layers[1:]

    @property
    def boxes(self) -> tuple[Bounds, ...]:
        """The foregrounds' boxes, bottom to top."""
        return tuple(layer.box for layer in self.foregrounds)

    @property
    def overlap(self) -> float:
        """The mean overlap of what should not overlap, 0 at best; see ``overlap_score``."""
        return overlap_score(self.layers)

    def to_json(self) -> str:
        layers = [layer.to_dict() for layer in self.layers]
        data = {"extent": list(self.extent), "layers": layers, "repairs": list(self.repairs)}
        return json.dumps(data, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> LayoutPlan:
        """The plan that ``to_json`` wrote; raises ``InvalidRequest`` for anything else."""
        try:
            data = json.loads(text)
            layers = tuple(_strict_layer(entry) for entry in data["layers"])
            return cls(
                extent=Extent(*data["extent"]),
                layers=layers,
                repairs=tuple(data.get("repairs", ())),
            )
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
            raise InvalidRequest(f"This is not a layout: {error}.") from error

    def _check(self) -> None:
        if not self.layers or self.background.role is not LayerRole.BACKGROUND:
            raise InvalidRequest("A layout starts with its background.")
        if len(self.foregrounds) > MOST_LAYERS:
            raise InvalidRequest(
                f"A layout has at most {MOST_LAYERS} layers on its background, "
                f"not {len(self.foregrounds)}."
            )
        canvas = Bounds.full(self.extent)
        if self.background.box != canvas:
            raise InvalidRequest(f"The background fills the canvas, not {self.background.box}.")
        for number, layer in enumerate(self.layers):
            what = _problem(layer, number, canvas)
            if what:
                raise InvalidRequest(f"Layer {number} of the layout {what}.")


def overlap_score(layers: Iterable[LayerPlan]) -> float:
    """Intersection over union summed over pairs of layers, per layer; 0 is best.

    LaDeCo's "Ove" as its published evaluation computes it: backgrounds and underlays, which are
    there to be covered, do not count. Real designs have .0768, LaDeCo's .0865 (its Table 1).
    """
    boxes = [
        layer.box
        for layer in layers
        if layer.role not in (LayerRole.BACKGROUND, LayerRole.UNDERLAY)
    ]
    if not boxes:
        return 0.0
    return sum(_iou(one, other) for one, other in combinations(boxes, 2)) / len(boxes)


def _iou(one: Bounds, other: Bounds) -> float:
    shared = one.intersection(other).area
    return shared / (one.area + other.area - shared) if shared else 0.0


def _strict_layer(entry: Mapping[str, Any]) -> LayerPlan:
    text = entry["text"]
    return LayerPlan(
        z=int(entry["z"]),
        box=Bounds(*(int(value) for value in entry["box"])),
        role=LayerRole(entry["role"]),
        prompt=str(entry["prompt"]),
        text=None if text is None else str(text),
    )


def _problem(layer: LayerPlan, number: int, canvas: Bounds) -> str:
    """What is wrong with a layer as the end of a sentence, or nothing."""
    if layer.z != number:
        return f"has z {layer.z}"
    if layer.box.is_empty or not canvas.contains(layer.box):
        return f"has a box, {tuple(layer.box)}, that is not on the {canvas.extent} canvas"
    if number and layer.role is LayerRole.BACKGROUND:
        return "is a second background"
    if layer.role is LayerRole.TEXT and not (layer.text or "").strip():
        return "is a text without words"
    return ""
