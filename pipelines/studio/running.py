"""A resolved request for ``studio`` carried out: ordered, sampled, put together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from torch import Tensor

from layerstudio.color import U8, to_float, to_u8
from layerstudio.composite import composite
from layerstudio.document import Document, Layer, Provenance, Role
from layerstudio.generate_request import GenerateRequest, InputRole
from layerstudio.geometry import Bounds, Extent
from layerstudio.models.studio_network import BACKGROUND, FIRST, SIDE
from layerstudio.picture import Picture
from layerstudio.pipelines.multilayer import art_existing
from layerstudio.pipelines.multilayer.art_order import COMPOSITE
from layerstudio.pipelines.runtime import Runtime
from layerstudio.pipelines.stacking import layer_of
from layerstudio.pipelines.studio.model import StudioModel, device_of, read
from layerstudio.pipelines.studio.orders import Wanted, designed, edited, filled, taken_apart
from layerstudio.pipelines.studio.pixels import ground_pixels, thing_pixels
from layerstudio.pipelines.studio.sampling import decoded, sampled, split
from layerstudio.pipelines.studio.settling import corrected, settled
from layerstudio.progress import CancelToken, Progress, ProgressCallback

_LOADED, _SAMPLED = 0.05, 0.95  # shares of one document's run
_BETWEEN_PREVIEWS = 4  # steps

Finish = Callable[[Mapping[int, Layer]], Document]


def run(
    path: Path,
    request: GenerateRequest,
    pictures: Mapping[InputRole, Picture],
    *,
    runtime: Runtime,
    progress: ProgressCallback,
    cancel: CancelToken,
) -> tuple[Document, ...]:
    """``request.count`` documents, each what its own seed alone would make."""
    progress(Progress("loading", 0.0))
    model = read(path, device_of(runtime.device))
    made = []
    for index in range(request.count):
        cancel.check()
        assert request.seed is not None
        own = replace(request, count=1, seed=request.seed + index)

        def report(part: Progress, index: int = index) -> None:
            progress(replace(part, fraction=(index + part.fraction) / request.count))

        made.append(document_of(model, own, pictures, runtime, report, cancel))
    return tuple(made)


def document_of(
    model: StudioModel,
    request: GenerateRequest,
    pictures: Mapping[InputRole, Picture],
    runtime: Runtime,
    progress: ProgressCallback,
    cancel: CancelToken,
) -> Document:
    """The one document of a resolved request."""
    assert request.extent is not None
    wanted, finished = _ordered(model, request, pictures, cancel)
    progress(Progress("sampling", _LOADED))

    def after_step(tokens: Tensor, done: int, steps: int) -> None:
        cancel.check()
        share = _LOADED + (_SAMPLED - _LOADED) * done / steps
        shown = runtime.previews and (done % _BETWEEN_PREVIEWS == 0 or done == steps)
        preview = _preview(model, wanted, tokens, request.extent) if shown else None
        progress(Progress("sampling", share, preview))

    assert request.steps is not None and request.guidance is not None
    tokens = sampled(
        model,
        wanted.order,
        steps=request.steps,
        guidance=request.guidance,
        after_step=after_step,
    )
    progress(Progress("decoding", _SAMPLED))
    layers = _layers(model, wanted, tokens, request.extent, coarse=False)
    signed = {number: _signed(layer, wanted, number, request) for number, layer in layers.items()}
    document = finished(signed)
    return replace(document, notes=(*document.notes, *wanted.notes), request=request.to_dict())


def _ordered(
    model: StudioModel,
    request: GenerateRequest,
    pictures: Mapping[InputRole, Picture],
    cancel: CancelToken,
) -> tuple[Wanted, Finish]:
    assert request.extent is not None
    extent = request.extent
    if request.mode == "layers":
        order = art_existing.edited(request, art_existing.read_existing(request))
        wanted = edited(model, order)

        def in_its_place(made: Mapping[int, Layer]) -> Document:
            plain = Document(extent, tuple(made[number] for number in sorted(made)))
            blended = layer_of("Composite", to_u8(composite(plain)), Role.OBJECT)
            return order.finished({**made, COMPOSITE: blended})

        return wanted, in_its_place
    if request.mode == "picture":
        picture = pictures["image"]
        wanted = taken_apart(model, request, picture, cancel)
        return wanted, lambda made: settled(picture, made, wanted.boxes)
    if request.mode == "plate":
        plate = pictures["background"]
        return filled(model, request, plate), lambda made: _plated(plate, made[BACKGROUND])
    return designed(model, request), _stacked(extent)


def _stacked(extent: Extent) -> Finish:
    return lambda made: Document(extent, tuple(made[number] for number in sorted(made)))


def _plated(plate: Picture, made: Layer) -> Document:
    """What was there stays as it is; what was made shows through its holes, and meets their
    edges."""
    pixels = np.asarray(plate.pixels, np.uint8)
    given = layer_of("Plate", pixels, Role.BACKGROUND)
    known = pixels[..., 3] == 255
    if known.any():
        shown, own = to_float(pixels)[..., :3], to_float(made.pixels)
        own[..., :3] = corrected(own[..., :3], shown, known)
        made = replace(made, pixels=to_u8(own))
    return Document(plate.extent, (made, given))


def _layers(
    model: StudioModel,
    wanted: Wanted,
    tokens: Mapping[int, Tensor],
    extent: Extent,
    *,
    coarse: bool,
) -> dict[int, Layer]:
    """The layers by number."""
    made: dict[int, Layer] = {}
    for number in sorted(tokens):
        straight = decoded(model, tokens[number], coarse=coarse)
        name = wanted.names.get(number, f"Layer {number - FIRST + 1}")
        if number == BACKGROUND:
            made[number] = layer_of(name, ground_pixels(straight, extent), Role.BACKGROUND)
        else:
            box = wanted.boxes[number]
            made[number] = layer_of(name, thing_pixels(straight, box), Role.OBJECT, box)
    return made


def _signed(layer: Layer, wanted: Wanted, number: int, request: GenerateRequest) -> Layer:
    made_by = Provenance(
        method=request.method or "",
        seed=request.seed,
        prompt=wanted.prompts.get(number) or request.prompt,
        weights="studio (embedded)",
    )
    return replace(layer, provenance=made_by)


def _preview(model: StudioModel, wanted: Wanted, tokens: Tensor, extent: Extent | None) -> U8:
    """The layers as they look now, put together, at the model's own size."""
    assert extent is not None
    scale = SIDE / max(extent)
    small = Extent(max(1, round(extent.width * scale)), max(1, round(extent.height * scale)))
    boxes = {number: _scaled(box, scale) for number, box in wanted.boxes.items()}
    parts = split(tokens, wanted.order.places)
    layers = _layers(model, replace(wanted, boxes=boxes), parts, small, coarse=True)
    return to_u8(composite(Document(small, tuple(layers[number] for number in sorted(layers)))))


def _scaled(box: Bounds, scale: float) -> Bounds:
    side = max(1, round(box.width * scale))
    return Bounds(round(box.x * scale), round(box.y * scale), side, side)
