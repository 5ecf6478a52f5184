"""A picture peeled by the networks, from the request to the document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from layerstudio.color import U8, to_depth
from layerstudio.document import Document, Layer, Provenance, Role
from layerstudio.geometry import Bounds, Extent
from layerstudio.ops.exact import make_exact
from layerstudio.picture import Picture
from layerstudio.pipelines.enlarging import scaled
from layerstudio.pipelines.flat.cutout import Cutout, cut_to_alpha, show_opaque, whole
from layerstudio.pipelines.flat.element import Element
from layerstudio.pipelines.flat.finishing import counted, read_texts
from layerstudio.pipelines.flat.naming import names_for
from layerstudio.pipelines.layerd.large import enlarged, factor_of, shrunk
from layerstudio.pipelines.layerd.networks import networks
from layerstudio.pipelines.layerd.peeling import MOST_PEELS, Found, Peeling, peel
from layerstudio.pipelines.layerd.published import (
    KERNEL_SCALE,
    PEELS,
    Published,
    peel_as_published,
)
from layerstudio.pipelines.needs import is_registered, revision_of
from layerstudio.pipelines.runtime import Runtime
from layerstudio.progress import CancelToken, Progress, ProgressCallback
from layerstudio.requests import DecomposeRequest

_LOADED, _PEELED = 0.05, 0.8  # shares of a run
_UNUSED = ("points", "excluded_points", "prompts")
_UNUSED_IN_PARITY = (*_UNUSED, "boxes")


def run(
    request: DecomposeRequest,
    picture: Picture,
    runtime: Runtime,
    *,
    progress: ProgressCallback,
    cancel: CancelToken,
) -> Document:
    """The document of ``picture``; raises what loading does, ``OutOfMemory`` and ``Cancelled``."""
    watch = _Watch(progress, cancel)
    make = _published if request.settings.flag("parity") else _bettered
    layers, notes = make(request, picture, runtime, watch)
    if request.exact:
        watch.step("recomposition", 0.95)
        layers = make_exact(layers, picture.pixels)
    cancel.check()
    return Document(
        picture.extent,
        tuple(layer for layer in layers if not layer.is_empty) or tuple(layers[:1]),
        icc_profile=picture.icc_profile,
        dpi=picture.dpi,
        notes=tuple(notes),
    )


class _Watch:
    """Progress that never goes back, and the flag that stops."""

    def __init__(self, progress: ProgressCallback, cancel: CancelToken) -> None:
        self._progress, self.cancel = progress, cancel
        self._fraction = 0.0

    def step(self, stage: str, fraction: float) -> None:
        self.cancel.check()
        self._fraction = max(self._fraction, fraction)
        self._progress(Progress(stage, self._fraction))

    def peeling(self, report: Progress) -> None:
        self.step(report.stage, _LOADED + (_PEELED - _LOADED) * report.fraction)

    def within(self, report: Progress) -> None:
        """A network at work, of which the run does not know the share."""
        self.step(report.stage, self._fraction)


def _bettered(
    request: DecomposeRequest, picture: Picture, runtime: Runtime, watch: _Watch
) -> tuple[Sequence[Layer], list[str]]:
    factor = factor_of(picture.extent)
    cutout = show_opaque(shrunk(picture.pixels, factor))
    elements, notes = _elements(request, picture, cutout, runtime, watch)
    watch.step("counting", _PEELED)
    elements, remarks = counted(elements, request.layers)
    if request.read_text:
        watch.step("reading text", 0.82)
        remarks += read_texts(elements, request.languages)
    layers = []
    for name, element in zip(names_for(elements), elements, strict=True):
        watch.step("layers", 0.88)
        layer = Layer(
            name,
            element.bounds,
            element.pixels(),
            role=element.role,
            text=element.text,
            provenance=_signature(request),
        )
        layers.append(enlarged(layer, factor, picture))
    if factor > 1:
        notes.append(
            f"The picture was analysed at {Extent.of(cutout.rgb)} pixels, and its layers brought "
            f"to {picture.extent}."
        )
    return layers, [*_ignored(request, _UNUSED), *notes, *remarks]


def _elements(
    request: DecomposeRequest, picture: Picture, cutout: Cutout, runtime: Runtime, watch: _Watch
) -> tuple[list[Element], list[str]]:
    if request.layers == 1 or cutout.is_empty:
        return [whole(cutout)], []
    working = Extent.of(cutout.rgb)
    boxes = tuple(scaled(box, picture.extent, working) for box in request.boxes)
    watch.step("loading", 0.0)
    with networks(request, runtime, watch.within, watch.cancel) as (matting, inpainting):
        watch.step("loaded", _LOADED)
        found = peel(
            cutout.rgb,
            matting,
            inpainting,
            _options(request, boxes),
            lossy=picture.lossy,
            progress=watch.peeling,
            cancel=watch.cancel,
        )
    return cut_to_alpha(found.elements, cutout), _remarks(request, found)


def _options(request: DecomposeRequest, boxes: tuple[Bounds, ...]) -> Peeling:
    return Peeling(
        peels=request.settings.whole("peels") or MOST_PEELS,
        kernel_scale=request.settings.number("kernel_scale"),
        grouping="peels" if request.settings.text("grouping") == "peels" else "things",
        boxes=boxes,
    )


def _remarks(request: DecomposeRequest, found: Found) -> list[str]:
    notes = [
        f"Nothing was found in the box {tuple(request.boxes[index])}." for index in found.empty
    ]
    if len(found.elements) == 1:
        notes = ["Nothing was found on top of the background, so it is the only layer."]
    if request.settings.flag("fg_refine"):
        notes.append("'fg_refine' belongs to 'parity': edges are solved anyway without it.")
    return notes


def _published(
    request: DecomposeRequest, picture: Picture, runtime: Runtime, watch: _Watch
) -> tuple[Sequence[Layer], list[str]]:
    """One layer for each peel, at full size whatever that costs, without the picture's alpha."""
    rgb = np.ascontiguousarray(_eight_bits(picture)[..., :3])
    settings = request.settings
    options = Published(
        peels=settings.whole("peels") or PEELS,
        kernel_scale=settings.number("kernel_scale") or KERNEL_SCALE,
        refine_foreground=settings.flag("fg_refine"),
    )
    watch.step("loading", 0.0)
    with networks(request, runtime, watch.within, watch.cancel) as (matting, inpainting):
        watch.step("loaded", _LOADED)
        stack = peel_as_published(
            rgb, matting, inpainting, options, progress=watch.peeling, cancel=watch.cancel
        )
    full = Bounds.full(picture.extent)
    layers = [
        Layer(
            f"Peel {len(stack) - index}" if index else "Background",
            full,
            to_depth(pixels, picture.pixels.dtype),
            role=Role.OBJECT if index else Role.BACKGROUND,
            provenance=_signature(request),
        )
        for index, pixels in enumerate(stack)
    ]
    notes = _ignored(request, _UNUSED_IN_PARITY)
    if request.layers not in ("auto", len(layers)):
        notes.append(f"With 'parity' each peel is a layer, so there are {len(layers)}.")
    return layers, notes


def _eight_bits(picture: Picture) -> U8:
    return np.asarray(to_depth(picture.pixels, np.uint8), np.uint8)


def _signature(request: DecomposeRequest) -> Provenance:
    matte = request.base or request.settings.text("matte")
    revision = revision_of(matte) if is_registered(matte) else None
    signature = Provenance("layerd", weights=matte, revision=revision)
    return replace(signature, seed=request.seed, source_sha256=request.source_sha256)


def _ignored(request: DecomposeRequest, names: Sequence[str]) -> list[str]:
    return [
        f"The method 'layerd' takes no {name} here, so what was given is ignored."
        for name in names
        if getattr(request, name)
    ]
