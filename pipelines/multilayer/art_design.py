"""A new document from a request: where its layers lie, and which of them the network makes.

Text is not generated: it is set in real fonts and stays editable. So a text layer of the layout
takes no box of the network's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from layerstudio.document import Document, Layer
from layerstudio.errors import InvalidRequest
from layerstudio.generate_request import GenerateRequest
from layerstudio.geometry import Bounds, Extent
from layerstudio.pipelines.multilayer.art_order import (
    BACKGROUND,
    COMPOSITE,
    FIRST,
    ArtOrder,
    Made,
)
from layerstudio.pipelines.multilayer.layout.captions import pieces_of
from layerstudio.pipelines.multilayer.layout.plan import LayerPlan, LayerRole, LayoutPlan
from layerstudio.pipelines.multilayer.layout.planners import planner_for
from layerstudio.pipelines.multilayer.layout.planning import PlanRequest
from layerstudio.pipelines.multilayer.remarks import box_remarks
from layerstudio.pipelines.recording import title_of
from layerstudio.pipelines.runtime import Runtime
from layerstudio.pipelines.stacking import stack
from layerstudio.progress import CancelToken

if TYPE_CHECKING:
    from layerstudio.pipelines.multilayer.layout.text_layers import SetText


def designed(request: GenerateRequest, runtime: Runtime, cancel: CancelToken) -> ArtOrder:
    """The order for one document of a resolved request, laid out where it names no boxes.

    Raises ``InvalidRequest`` for a layout that makes no sense, and what planners raise.
    """
    plan = layout_of(request, runtime, cancel)
    made = tuple(layer for layer in plan.foregrounds if layer.role is not LayerRole.TEXT)
    names = _names(plan)
    whole = request.prompt.strip() or _listed(request)
    prompts = {k: layer.prompt for k, layer in enumerate((plan.background, *made), BACKGROUND)}
    own = dict(enumerate((plan.background, *made), BACKGROUND))
    return ArtOrder(
        extent=plan.extent,
        prompt=whole,
        boxes=tuple(layer.box for layer in made),
        seed=request.seed or 0,
        names={COMPOSITE: "Composite"} | {k: names[layer.z] for k, layer in own.items()},
        prompts={k: text for k, text in prompts.items() if text.strip() not in ("", whole)},
        request=_recorded(request, plan),
        finished=_Finished(plan, names),
        notes=(*plan.repairs, *box_remarks(request.boxes, plan.extent)),
    )


def layout_of(request: GenerateRequest, runtime: Runtime, cancel: CancelToken) -> LayoutPlan:
    """The layout given, that of the boxes given, or a planner's."""
    assert request.extent is not None
    if request.layout is not None:
        return LayoutPlan.from_json(request.layout)
    if request.boxes:
        return _boxed(request, request.extent)
    wanted = PlanRequest(
        prompt=request.prompt.strip() or _listed(request),
        extent=request.extent,
        captions=request.foregrounds,
        background=request.background or None,
        layers=request.layers,
        seed=request.seed or 0,
    )
    return planner_for(request.planner or "").plan(wanted, runtime=runtime, cancel=cancel)


@dataclass(frozen=True)
class _Finished:
    """The network's layers and the layout's texts as a document, in the layout's order."""

    plan: LayoutPlan
    names: Mapping[int, str]

    def __call__(self, made: Made) -> Document:
        number = FIRST
        below: list[Layer] = [made[BACKGROUND]]
        notes: list[str] = []
        for item in self.plan.foregrounds:
            if item.role is LayerRole.TEXT:
                done = _set_in_type(item, Document(self.plan.extent, tuple(below)))
                layer = done.layer
                notes += done.notes
            else:
                layer = made[number]
                number += 1
            below.append(replace(layer, name=self.names[item.z]))
        background, *foregrounds = below
        document = stack(
            self.plan.extent,
            background=background,
            foregrounds=foregrounds,
            blended=made[COMPOSITE],
        )
        return replace(document, notes=tuple(notes))


def _set_in_type(item: LayerPlan, below: Document) -> SetText:
    """Fonts are looked for only where there is text."""
    from layerstudio.pipelines.multilayer.layout.text_layers import text_layer

    return text_layer(item, below)


def _recorded(request: GenerateRequest, plan: LayoutPlan) -> dict[str, object]:
    """A planner's answer is a part of the recipe: another planner may answer otherwise."""
    if not request.boxes:
        request = replace(request, layout=plan.to_json(), planner=None, layers="auto")
    return request.to_dict()


def _boxed(request: GenerateRequest, extent: Extent) -> LayoutPlan:
    captions = request.foregrounds or ("",) * len(request.boxes)
    pieces = pieces_of(captions)
    background = LayerPlan(
        z=0,
        box=Bounds.full(extent),
        role=LayerRole.BACKGROUND,
        prompt=request.background or "",
    )
    layers = [
        LayerPlan(
            z=z,
            box=box.clamped(extent),
            role=LayerRole.IMAGE if piece.role is LayerRole.BACKGROUND else piece.role,
            prompt=piece.prompt,
            text=piece.text,
        )
        for z, (box, piece) in enumerate(zip(request.boxes, pieces, strict=True), 1)
    ]
    return LayoutPlan(extent=extent, layers=(background, *layers))


def _names(plan: LayoutPlan) -> dict[int, str]:
    """What layers are called, by z: what they say or show, in short."""
    names = {0: "Background"}
    for layer in plan.foregrounds:
        words = title_of(None, layer.text or layer.prompt).get("title")
        names[layer.z] = words or f"Layer {layer.z}"
    return names


def _listed(request: GenerateRequest) -> str:
    return ", ".join(
        text for text in (*request.foregrounds, request.background or "") if text.strip()
    )


def check_layout(request: GenerateRequest) -> LayoutPlan | None:
    """The layout that a request names, if any; raises ``InvalidRequest`` for a broken one and for
    one of another canvas."""
    if request.layout is None:
        return None
    plan = LayoutPlan.from_json(request.layout)
    if request.extent is not None and request.extent != plan.extent:
        raise InvalidRequest(
            f"The layout is for a canvas of {plan.extent}, not {request.extent}.",
            advice="Leave out the size, or lay it out anew.",
        )
    return plan
