"""One decomposition scored by every protocol."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from layerstudio.color import U8
from layerstudio.document import Document
from layerstudio.geometry import Bounds, Extent
from layerstudio.metrics import cld, layerd
from layerstudio.metrics.pairs import PairScores
from layerstudio.metrics.recompose import Recomposition, recomposition_error
from layerstudio.metrics.sheets import Sheet
from layerstudio.metrics.similarity import SSIM_WINDOW
from layerstudio.pipelines.evaluation.flattening import resized_layers, stack_of
from layerstudio.pipelines.evaluation.samples import Sample
from layerstudio.pipelines.evaluation.scores import Cld, Scores


def scored(
    sample: Sample,
    found: Document,
    *,
    seconds: float = 0.0,
    edits: int = layerd.MAX_EDITS,
    by_boxes: bool = False,
) -> Scores:
    """Score ``found``, which ``flattened`` made, against the sample's truth.

    ``by_boxes`` says that the layers answer to the truth's boxes, one by one. Raises
    ``InvalidRequest`` for a document without a visible layer.
    """
    extent = sample.truth.extent
    predicted, truth = stack_of(found, extent), stack_of(sample.truth, extent)
    return Scores(
        layers=len(predicted),
        true_layers=len(truth),
        layerd=layerd.evaluate(predicted, truth, edits, colours=True),
        cld=_cld(predicted, truth, by_boxes=by_boxes),
        recomposition=_recomposition(found, sample),
        seconds=seconds,
        resized_from="" if found.extent == extent else str(found.extent),
    )


def boxes_of(truth: Document) -> tuple[Bounds, ...]:
    """The place of every true layer but the lowest, which CLD's protocol takes for the ground."""
    return tuple(_place(layer) for layer in _that_show(stack_of(truth, truth.extent))[1:])


def _recomposition(found: Document, sample: Sample) -> Recomposition:
    extent = sample.picture.extent
    same = found if found.extent == extent else resized_layers(found, extent)
    return recomposition_error(same, sample.picture.pixels)


def _cld(predicted: Sequence[U8], truth: Sequence[U8], *, by_boxes: bool) -> Cld | None:
    extent = Extent.of(truth[0])
    if min(extent) < SSIM_WINDOW:
        return None
    wanted = _that_show(truth)
    places = [Bounds.full(extent), *map(_place, wanted[1:])]
    boxes = [_grown(place, extent) for place in places]
    picture, nothing = cld.flattened(predicted), np.zeros_like(wanted[0])

    def scored_with(partners: Sequence[int | None]) -> cld.CldScore:
        matched = [nothing if i is None else predicted[i] for i in partners]
        return cld.evaluate(matched, wanted, boxes, predicted_picture=picture)

    count = min(len(predicted), len(wanted))
    in_order = [*range(count), *[None] * (len(wanted) - count)]
    fits = by_boxes or len(predicted) == len(wanted)
    return Cld(
        assigned=scored_with(_assigned(predicted, wanted)),
        by_index=scored_with(in_order) if fits else None,
        missing=len(wanted) - count,
        surplus=len(predicted) - count,
        grown=sum(box != place for box, place in zip(boxes, places, strict=True)),
    )


def _assigned(predicted: Sequence[U8], truth: Sequence[U8]) -> list[int | None]:
    """For each true layer the predicted one in the assignment of least total cost, LayerD's cost of
    a pair (Kuhn 1955); None for those left without."""
    scores = PairScores()
    ours, theirs = (list(map(Sheet.of, stack)) for stack in (predicted, truth))
    costs = np.array([[scores.cost(one, other) for one in ours] for other in theirs])
    partners: list[int | None] = [None] * len(truth)
    for row, column in zip(*linear_sum_assignment(costs), strict=True):
        partners[int(row)] = int(column)
    return partners


def _that_show(stack: Sequence[U8]) -> list[U8]:
    """Without layers of alpha 0, which have no box; all of them where none shows."""
    return [layer for layer in stack if layer[..., 3].any()] or list(stack)


def _place(layer: U8) -> Bounds:
    return Bounds.of_mask(layer[..., 3])


def _grown(box: Bounds, extent: Extent) -> Bounds:
    """The box with sides of SSIM's window at least, moved onto the canvas."""
    width, height = max(box.width, SSIM_WINDOW), max(box.height, SSIM_WINDOW)
    x = min(max(box.x - (width - box.width) // 2, 0), extent.width - width)
    y = min(max(box.y - (height - box.height) // 2, 0), extent.height - height)
    return Bounds(x, y, width, height)
