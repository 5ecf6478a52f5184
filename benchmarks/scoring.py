"""One design taken apart and scored against its true layers; tables over many of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from layerstudio.document import Document
from layerstudio.metrics.layerd import MAX_EDITS, LayerDScore, aggregate, evaluate
from layerstudio.metrics.recompose import recomposition_error
from layerstudio.ops.rasterise import layers_of
from layerstudio.picture import Picture
from layerstudio.pipelines.methods import load_decomposer
from layerstudio.progress import CancelToken, ignore_progress
from layerstudio.requests import DecomposeRequest
from training.assets import Assets
from training.designs import BACKGROUNDS, Background, Design, make_design
from training.splits import Split


@dataclass(frozen=True)
class Score:
    """How well one design was taken apart; ``max_error`` is in 8-bit levels."""

    seed: int
    background: Background
    jpeg: bool
    layerd: LayerDScore
    max_error: float
    seconds: float
    layers: int
    true_layers: int


def design_of(seed: int, split: Split, assets: Assets) -> Design:
    """Design number ``seed`` of the benchmark: kinds of background take turns."""
    return make_design(seed, split, background=BACKGROUNDS[seed % 3], assets=assets)


def decomposed(method_id: str, picture: Picture) -> Document:
    """What a method makes of ``picture``, without reading text, which is not scored."""
    request = DecomposeRequest(method=method_id, read_text=False, seed=0).resolve(
        default_method=method_id, can_read_text=False, source=None, sha256=picture.sha256
    )
    method = load_decomposer(method_id)
    return method.run(request, picture, progress=ignore_progress, cancel=CancelToken())


def scored(seed: int, design: Design, decompose: Callable[[Picture], Document]) -> Score:
    """Run ``decompose`` on the design's picture; seconds are its own, without scoring."""
    start = time.perf_counter()
    document = decompose(design.picture)
    seconds = time.perf_counter() - start
    layers, truth = layers_of(document), layers_of(design.document)
    return Score(
        seed=seed,
        background=design.background,
        jpeg=design.jpeg_quality is not None,
        layerd=evaluate(layers, truth),
        max_error=255 * recomposition_error(document, design.picture.pixels).max_error,
        seconds=seconds,
        layers=len(layers),
        true_layers=len(truth),
    )


def table(scores: Sequence[Score]) -> str:
    """Markdown: a row per kind of background, per kind of file, and for all designs."""
    header = (
        "| designs | n | alpha IoU | RGB L1 | alpha IoU, 5 edits | RGB L1, 5 edits "
        "| max error | layers (true) | s median | s max |\n|---|" + "---:|" * 9
    )
    return "\n".join([header, *(_row(title, part) for title, part in _parts(scores) if part)])


def _parts(scores: Iterable[Score]) -> list[tuple[str, list[Score]]]:
    every = list(scores)
    parts = [(str(kind), [s for s in every if s.background == kind]) for kind in BACKGROUNDS]
    flat = [s for s in every if s.background != "photograph"]
    return [
        *parts,
        ("plain and gradient", flat),
        ("PNG", [s for s in every if not s.jpeg]),
        ("JPEG", [s for s in every if s.jpeg]),
        ("all", every),
    ]


def _row(title: str, scores: Sequence[Score]) -> str:
    rows = aggregate([score.layerd for score in scores])
    first, last = rows[0], rows[min(MAX_EDITS, len(rows) - 1)]
    seconds = [score.seconds for score in scores]
    found = np.mean([score.layers for score in scores])
    true = np.mean([score.true_layers for score in scores])
    cells = (
        title,
        len(scores),
        f"{first.alpha_iou:.4f}",
        f"{first.rgb_l1:.4f}",
        f"{last.alpha_iou:.4f}",
        f"{last.rgb_l1:.4f}",
        f"{max(score.max_error for score in scores):.2f}/255",
        f"{found:.1f} ({true:.1f})",
        f"{np.median(seconds):.2f}",
        f"{max(seconds):.2f}",
    )
    return "| " + " | ".join(map(str, cells)) + " |"
