"""The method ``flat``: graphic design taken apart without any learned weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from layerstudio.color import to_depth
from layerstudio.document import Document, Layer, Provenance
from layerstudio.ops.exact import make_exact
from layerstudio.picture import Picture
from layerstudio.pipelines.flat.cutout import Cutout, cut_to_alpha, show_opaque, whole
from layerstudio.pipelines.flat.element import Element
from layerstudio.pipelines.flat.finishing import counted, read_texts
from layerstudio.pipelines.flat.naming import names_for
from layerstudio.pipelines.flat.scene import find_elements
from layerstudio.pipelines.methods import MethodCard
from layerstudio.pipelines.runtime import Runtime
from layerstudio.progress import CancelToken, Progress, ProgressCallback
from layerstudio.requests import DecomposeRequest

_FINDING = 0.8  # share of a run that the analysis takes
_GUIDES = ("boxes", "points", "excluded_points", "prompts", "base")


class FlatMethod:
    card = MethodCard(
        id="flat",
        task="decompose",
        title="Flat design",
        summary="Posters, slides, screenshots, logos and flat illustration, without any weights.",
        reference="LayerStudio; alpha by projection and unblending as in LayerD (arXiv:2509.25134)",
        code_licence="Apache-2.0",
        weights_licence=None,
        needs=(),
        inputs=("layers", "exact", "seed", "read_text", "languages"),
    )

    def run(
        self,
        request: DecomposeRequest,
        picture: Picture,
        *,
        runtime: Runtime | None = None,
        progress: ProgressCallback,
        cancel: CancelToken,
    ) -> Document:
        """The document of ``picture``; raises ``Cancelled`` between any two steps."""

        def step(stage: str, fraction: float) -> None:
            cancel.check()
            progress(Progress(stage, fraction))

        def finding(report: Progress) -> None:
            step(report.stage, _FINDING * report.fraction)

        shown = np.asarray(to_depth(picture.pixels, np.uint8), np.uint8)
        elements = _elements(request, picture, show_opaque(shown), finding, cancel)
        step("counting", 0.8)
        elements, notes = counted(elements, request.layers)
        if request.read_text:
            step("reading text", 0.84)
            notes += read_texts(elements, request.languages)
        step("layers", 0.9)
        layers = _layers(elements, request, picture)
        del elements  # twice the size of the layers
        if request.exact:
            step("recomposition", 0.94)
            layers = make_exact(layers, picture.pixels)
        cancel.check()
        return Document(
            picture.extent,
            tuple(layer for layer in layers if not layer.is_empty) or tuple(layers[:1]),
            icc_profile=picture.icc_profile,
            dpi=picture.dpi,
            notes=(*_ignored(request), *notes),
        )


def _elements(
    request: DecomposeRequest,
    picture: Picture,
    cutout: Cutout,
    progress: ProgressCallback,
    cancel: CancelToken,
) -> list[Element]:
    if request.layers == 1 or cutout.is_empty:
        return [whole(cutout)]
    found = find_elements(
        cutout.rgb,
        lossy=picture.lossy,
        seed=request.seed or 0,
        progress=progress,
        cancel=cancel,
    )
    return cut_to_alpha(found, cutout)


def _layers(
    elements: Sequence[Element], request: DecomposeRequest, picture: Picture
) -> Sequence[Layer]:
    made_by = Provenance("flat", seed=request.seed, source_sha256=request.source_sha256)
    return [
        Layer(
            name,
            element.bounds,
            to_depth(element.pixels(), picture.pixels.dtype),
            role=element.role,
            text=element.text,
            provenance=made_by,
        )
        for name, element in zip(names_for(elements), elements, strict=True)
    ]


def _ignored(request: DecomposeRequest) -> list[str]:
    return [
        f"The method 'flat' takes no {name}, so what was given is ignored."
        for name in _GUIDES
        if getattr(request, name)
    ]
