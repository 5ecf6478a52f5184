"""The method ``flat``: graphic design taken apart without any learned weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from layerstudio.color import U8, to_depth
from layerstudio.document import Document, Layer, Provenance
from layerstudio.ops.exact import make_exact
from layerstudio.picture import Picture
from layerstudio.pipelines.flat.cutout import Cutout, cut_to_alpha, show_opaque, whole
from layerstudio.pipelines.flat.element import Element
from layerstudio.pipelines.flat.finishing import counted, read_texts
from layerstudio.pipelines.flat.guide import Guide
from layerstudio.pipelines.flat.naming import names_for
from layerstudio.pipelines.flat.scene import find_elements
from layerstudio.pipelines.methods import MethodCard
from layerstudio.pipelines.runtime import Runtime
from layerstudio.progress import CancelToken, Progress, ProgressCallback
from layerstudio.requests import DecomposeRequest

_FINDING = 0.8  # share of a run that the analysis takes
_GUIDES = ("boxes", "points", "excluded_points", "prompts", "base")


class FlatMethod:
    """The rules alone; a method that guides them overrides ``guide``."""

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

    def guide(
        self, rgb: U8, runtime: Runtime | None, progress: ProgressCallback, cancel: CancelToken
    ) -> tuple[Guide | None, list[str]]:
        """What guides the analysis of (h, w, 3), and notes for the user about that."""
        return None, []

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
        cutout = show_opaque(shown)
        guide, said = None, []
        if not _is_whole(request, cutout):
            guide, said = self.guide(cutout.rgb, runtime, finding, cancel)
        elements = _elements(request, picture, cutout, guide, finding, cancel)
        step("counting", 0.8)
        elements, notes = counted(elements, request.layers)
        notes = [*said, *notes]
        if request.read_text:
            step("reading text", 0.84)
            notes += read_texts(elements, request.languages)
        step("layers", 0.9)
        layers = _layers(elements, request, picture, self.card.id)
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
            notes=(*_ignored(request, self.card.id), *notes),
        )


def _elements(
    request: DecomposeRequest,
    picture: Picture,
    cutout: Cutout,
    guide: Guide | None,
    progress: ProgressCallback,
    cancel: CancelToken,
) -> list[Element]:
    if _is_whole(request, cutout):
        return [whole(cutout)]
    found = find_elements(
        cutout.rgb,
        lossy=picture.lossy,
        seed=request.seed or 0,
        guide=guide,
        progress=progress,
        cancel=cancel,
    )
    return cut_to_alpha(found, cutout)


def _is_whole(request: DecomposeRequest, cutout: Cutout) -> bool:
    """Whether there is nothing to take apart."""
    return request.layers == 1 or cutout.is_empty


def _layers(
    elements: Sequence[Element], request: DecomposeRequest, picture: Picture, method: str
) -> Sequence[Layer]:
    made_by = Provenance(method, seed=request.seed, source_sha256=request.source_sha256)
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


def _ignored(request: DecomposeRequest, method: str) -> list[str]:
    return [
        f"The method {method!r} takes no {name}, so what was given is ignored."
        for name in _GUIDES
        if getattr(request, name)
    ]
