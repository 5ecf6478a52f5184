"""A resolved request carried out: a picture drawn, taken apart, its detail given back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from layerstudio.composite import composite_pixels
from layerstudio.document import Document, Layer, Role
from layerstudio.generate_request import GenerateRequest, InputRole
from layerstudio.geometry import Bounds, Extent
from layerstudio.machine import GIB
from layerstudio.metrics.recompose import recomposition_error
from layerstudio.ops.exact import make_exact
from layerstudio.ops.high_frequencies import restore_detail
from layerstudio.picture import Picture
from layerstudio.pipelines import loading
from layerstudio.pipelines.api import ERROR_KEY
from layerstudio.pipelines.fitting import fitted
from layerstudio.pipelines.instances.choices import StageChoice
from layerstudio.pipelines.instances.disassembly import disassemble
from layerstudio.pipelines.instances.wanted import Wanted
from layerstudio.pipelines.layeringdiff.bases import Base
from layerstudio.pipelines.layeringdiff.catalogue import FOREGROUND, draws
from layerstudio.pipelines.layeringdiff.engine import opened
from layerstudio.pipelines.layeringdiff.resolving import base_of
from layerstudio.pipelines.needs import revision_of
from layerstudio.pipelines.placement import free_now
from layerstudio.pipelines.runtime import Runtime
from layerstudio.progress import CancelToken, Progress, ProgressCallback

_LOADED, _DRAWN = 0.1, 0.6  # shares of a run
_TAKEN_APART = 0.95  # share of what follows drawing
_RESERVE = 8 * GIB  # free memory below which the drawing model makes room for the stages


@dataclass(frozen=True)
class _Drawn:
    """What is to be taken apart, and what it was made by."""

    picture: Picture
    prompt: str
    seed: int
    notes: tuple[str, ...] = ()
    base: Base | None = None


def run(
    request: GenerateRequest,
    pictures: Mapping[InputRole, Picture],
    stages: StageChoice,
    *,
    runtime: Runtime,
    progress: ProgressCallback,
    cancel: CancelToken,
) -> tuple[Document, ...]:
    """``request.count`` documents; each is what its own seed alone would make, to the bit.

    All pictures are drawn before the first is taken apart, so that no network is loaded twice.
    """
    if draws(request):
        drawn = _drawn(request, pictures, runtime, progress, cancel)
        _make_room(runtime)
        start = _DRAWN
    else:
        drawn, start = _given(request, pictures["image"]), 0.0
    documents = []
    for index, one in enumerate(drawn):
        low = start + (1 - start) * index / len(drawn)
        high = start + (1 - start) * (index + 1) / len(drawn)
        watch = _part(progress, low, high, _numbered("layers", index, len(drawn)))
        documents.append(_taken_apart(one, request, stages, runtime, watch, cancel))
    return tuple(documents)


def _drawn(
    request: GenerateRequest,
    pictures: Mapping[InputRole, Picture],
    runtime: Runtime,
    progress: ProgressCallback,
    cancel: CancelToken,
) -> list[_Drawn]:
    progress(Progress("loading", 0.0))
    base, found = base_of(request), []
    with opened(base, request, pictures, runtime, cancel) as engine:
        progress(Progress(f"loaded: {engine.reason}", _LOADED))
        for index in range(request.count):
            share = (_DRAWN - _LOADED) / request.count
            low = _LOADED + share * index
            title = _numbered("picture", index, request.count)
            seed = (request.seed or 0) + index
            made = engine.make(seed, _part(progress, low, low + share, title))
            found.append(_Drawn(Picture(made.pixels), made.prompt, seed, made.notes, base))
    return found


def _given(request: GenerateRequest, picture: Picture) -> list[_Drawn]:
    """The picture as it is, once for each seed, by which hidden parts are made up."""
    assert request.extent is not None
    notes = picture.notes
    if picture.extent != request.extent:
        picture = Picture(fitted(picture, request.extent))
    seeds = range(request.seed or 0, (request.seed or 0) + request.count)
    return [_Drawn(picture, request.prompt, seed, notes) for seed in seeds]


def _make_room(runtime: Runtime) -> None:
    """Let the drawing model go where the stages would not fit beside it."""
    free = free_now(runtime)
    if free.room < _RESERVE:
        loading.forget()


def _taken_apart(
    drawn: _Drawn,
    request: GenerateRequest,
    stages: StageChoice,
    runtime: Runtime,
    progress: ProgressCallback,
    cancel: CancelToken,
) -> Document:
    settings, picture = request.settings, drawn.picture
    document = disassemble(
        picture, _wanted(request, drawn.seed), stages,
        method=request.method or "", runtime=runtime,
        progress=_part(progress, 0.0, _TAKEN_APART), cancel=cancel,
    )  # fmt: skip
    cancel.check()
    progress(Progress("detail", _TAKEN_APART))
    layers = tuple(document.layers)
    if request.mode == FOREGROUND:
        layers = merged(layers, picture.extent, ", ".join(request.foregrounds) or "Foreground")
    if settings.flag("detail"):
        kept = [layer.role is Role.SHADOW for layer in layers]
        layers = restore_detail(layers, picture.pixels, kept=kept)
    cancel.check()
    if settings.flag("exact"):
        layers = make_exact(layers, picture.pixels)
    finished = replace(
        document,
        children=tuple(_signed(layer, drawn, stages) for layer in layers if not layer.is_empty)
        or tuple(layers[:1]),
        icc_profile=picture.icc_profile,
        dpi=picture.dpi,
        notes=(*drawn.notes, *document.notes),
    )
    error = recomposition_error(finished, picture.pixels).max_error
    return replace(finished, metadata={**document.metadata, ERROR_KEY: f"{error:.6f}"})


def _wanted(request: GenerateRequest, seed: int) -> Wanted:
    settings = request.settings
    return Wanted(
        prompts=request.foregrounds,
        boxes=request.boxes,
        parts=settings.flag("parts"),
        shadows=settings.flag("shadows"),
        working_side=settings.whole("working_side"),
        fill_prompt=request.background or "",
        exact=False,
        seed=seed,
    )


def merged(layers: tuple[Layer, ...], extent: Extent, name: str) -> tuple[Layer, ...]:
    """The background, all shadows as one layer, and all objects as one: the published setting."""
    ground, *others = layers
    found = [ground]
    for title, is_shadow in (("Shadow", True), (name, False)):
        parts = [layer for layer in others if (layer.role is Role.SHADOW) is is_shadow]
        if len(parts) > 1:
            bounds = Bounds.around(layer.bounds for layer in parts)
            pixels = composite_pixels(Document(extent, tuple(parts)), bounds)
            parts = [replace(parts[-1], bounds=bounds, pixels=pixels, name=title)]
        found += [replace(part, name=title) for part in parts]
    return tuple(found)


def _signed(layer: Layer, drawn: _Drawn, stages: StageChoice) -> Layer:
    """What drew the picture, then what took it apart; objects keep the words that they go by."""
    assert layer.provenance is not None, layer.name
    found = drawn.base.found if drawn.base else None
    weights = [*([found.weights] if found else []), *stages.needs]
    revisions = [found.revision if found else "", *map(revision_of, stages.needs)]
    signature = replace(
        layer.provenance,
        seed=drawn.seed,
        prompt=layer.provenance.prompt or drawn.prompt or None,
        weights=" + ".join(weights) or None,
        revision=" + ".join(filter(None, revisions)) or None,
    )
    return replace(layer, provenance=signature)


def _numbered(title: str, index: int, count: int) -> str:
    return f"{title}, {index + 1} of {count}" if count > 1 else title


def _part(progress: ProgressCallback, low: float, high: float, title: str = "") -> ProgressCallback:
    """Reports of a part of the run as reports of all of it."""

    def report(own: Progress) -> None:
        stage = f"{title}: {own.stage}" if title else own.stage
        fraction = low + (high - low) * min(max(own.fraction, 0.0), 1.0)
        progress(replace(own, stage=stage, fraction=fraction))

    return report
