"""The method ``flat``: graphic design taken apart without any learned weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from layerstudio.color import to_depth
from layerstudio.document import Document, Layer, Provenance
from layerstudio.ops.exact import make_exact
from layerstudio.picture import Picture
from layerstudio.pipelines.flat import ocr
from layerstudio.pipelines.flat.blocks import Block
from layerstudio.pipelines.flat.count import keep_to
from layerstudio.pipelines.flat.cutout import Cutout, cut_to_alpha, show_opaque, whole
from layerstudio.pipelines.flat.element import Element
from layerstudio.pipelines.flat.naming import names_for
from layerstudio.pipelines.flat.reading import read_blocks
from layerstudio.pipelines.flat.scene import find_elements
from layerstudio.pipelines.methods import MethodCard
from layerstudio.pipelines.runtime import Runtime
from layerstudio.progress import CancelToken, Progress, ProgressCallback
from layerstudio.requests import DecomposeRequest

MOST_LAYERS = 60  # chosen by itself; more than that nobody finds a layer by its name
_FINDING = 0.8  # share of a run that the analysis takes
_FAINT = 0.05  # alpha
_SHOWN_INK = 0.8  # share of a text's ink that its layer has to show
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
        elements, notes = _counted(elements, request)
        if request.read_text:
            step("reading text", 0.84)
            notes += _read(elements, request.languages)
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


def _counted(elements: list[Element], request: DecomposeRequest) -> tuple[list[Element], list[str]]:
    """The elements in the number wanted, and a note where it is not the picture's own."""
    if request.layers == "auto":
        if len(elements) <= MOST_LAYERS:
            return elements, []
        note = (
            f"The picture has {len(elements)} pieces; small ones near each other were merged so "
            f"that {MOST_LAYERS} layers remain. Ask for a number of layers to get more."
        )
        return keep_to(elements, MOST_LAYERS), [note]
    kept = keep_to(elements, request.layers)
    if len(kept) == request.layers:
        return kept, []
    return kept, [
        f"{request.layers} layers were asked for, and the picture comes apart into {len(kept)}."
    ]


def _read(elements: Sequence[Element], languages: Sequence[str]) -> list[str]:
    """Set the live text of every element that has lines; a note where that is impossible."""
    lettering = [
        element for element in elements if element.block and _shows(element, element.block)
    ]
    if not lettering:
        return []
    if not ocr.is_available():
        return ["Text was not read, because the program tesseract is not installed."]
    blocks = [element.block for element in lettering if element.block is not None]
    for element, text in zip(lettering, read_blocks(blocks, languages), strict=True):
        element.text = text
    if any(element.text for element in lettering):
        return []
    return [
        f"None of the {len(blocks)} pieces of text could be read in {'+'.join(languages)}; if that "
        "is their language, install it for tesseract."
    ]


def _shows(element: Element, block: Block) -> bool:
    """Whether the ink of the block is still there: live text stands for what one can see."""
    common = block.bounds.intersection(element.bounds)
    ink = block.mask()
    seen = element.alpha[common.relative_to(element.bounds).slices] > _FAINT
    shown = int(np.count_nonzero(ink[common.relative_to(block.bounds).slices] & seen))
    return shown >= _SHOWN_INK * int(np.count_nonzero(ink))


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
