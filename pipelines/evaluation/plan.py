"""What a benchmark run is, and what it makes of one sample."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from layerstudio.color import to_depth
from layerstudio.errors import Cancelled, InvalidRequest, LayerStudioError
from layerstudio.metrics.layerd import MAX_EDITS
from layerstudio.metrics.recompose import recomposition_error
from layerstudio.pipelines.evaluation.contestants import Contestant
from layerstudio.pipelines.evaluation.flattening import flattened
from layerstudio.pipelines.evaluation.samples import Dataset, Sample, prepared
from layerstudio.pipelines.evaluation.scores import Outcome, SampleRecord, Thumb
from layerstudio.pipelines.evaluation.scoring import scored
from layerstudio.pipelines.evaluation.thumbs import thumb, thumbs_of
from layerstudio.progress import CancelToken, ProgressCallback

_NO_MEMORY = "This needs more memory than the machine has free."
Record = SampleRecord | Outcome


@dataclass(frozen=True)
class Plan:
    """Everything that the scores depend on.

    ``edits`` are the merges that LayerD's protocol allows, ``short_side`` shrinks larger pictures
    to that (None: as they are), ``thumb_side`` is the size of the report's pictures (0: none).
    """

    dataset: Dataset
    contestants: tuple[Contestant, ...]
    edits: int = MAX_EDITS
    short_side: int | None = None
    thumb_side: int = 0

    def __post_init__(self) -> None:
        labels = [contestant.label for contestant in self.contestants]
        if not labels or len(set(labels)) < len(labels):
            raise InvalidRequest(f"Contestants need names of their own, not {labels}.")

    def facts(self) -> dict[str, Any]:
        """JSON-ready; two plans with equal facts give equal scores."""
        return {
            "dataset": self.dataset.title,
            "layout": self.dataset.layout,
            "samples": list(self.dataset.names),
            "contestants": {item.label: item.facts() for item in self.contestants},
            "edits": self.edits,
            "short_side": self.short_side,
            "thumb_side": self.thumb_side,
        }


def records_of(
    plan: Plan, name: str, progress: ProgressCallback, cancel: CancelToken
) -> Iterator[Record]:
    """The sample's record, then one outcome for each contestant, if it could be read.

    Whatever goes wrong is in the record; only ``Cancelled`` is raised.
    """
    try:
        cancel.check()
        sample = prepared(plan.dataset.load(name), plan.short_side)
        record = _record(plan, sample)
    except Cancelled:
        raise
    # The job boundary: one broken sample must not end a run of thousands.
    except Exception as error:
        yield SampleRecord(name, error=_explained(error)[0])
        return
    yield record
    for contestant in plan.contestants:
        outcome = _outcome(plan, contestant, sample, progress, cancel)
        yield replace(outcome, tags=sample.tags)


def _record(plan: Plan, sample: Sample) -> SampleRecord:
    flat = np.asarray(to_depth(sample.picture.pixels, np.uint8), np.uint8)
    side = plan.thumb_side
    thumbs: tuple[Thumb, ...] = ()
    if side:
        thumbs = (thumb("picture", flat, side), *thumbs_of(sample.truth, side))
    return SampleRecord(
        name=sample.name,
        size=str(sample.picture.extent),
        true_layers=len(sample.truth.children),
        truth_error=recomposition_error(sample.truth, sample.picture.pixels).max_error,
        tags=sample.tags,
        notes=sample.notes,
        thumbs=thumbs,
    )


def _outcome(
    plan: Plan,
    contestant: Contestant,
    sample: Sample,
    progress: ProgressCallback,
    cancel: CancelToken,
) -> Outcome:
    try:
        answer = contestant.answer(sample, progress=progress, cancel=cancel)
        cancel.check()
        found, notes = flattened(answer.document)
        scores = scored(
            sample,
            found,
            seconds=round(answer.seconds, 3),
            edits=plan.edits,
            by_boxes=contestant.uses_boxes,
        )
        thumbs = thumbs_of(found, plan.thumb_side) if plan.thumb_side else ()
    except Cancelled:
        raise
    # The job boundary: a fault in a method is a result of the benchmark, with its traceback.
    except Exception as error:
        sentence, fault = _explained(error)
        return Outcome(sample.name, contestant.label, error=sentence, fault=fault)
    notes = tuple(dict.fromkeys((*answer.document.notes, *notes)))
    return Outcome(sample.name, contestant.label, scores, notes=notes, thumbs=thumbs)


def _explained(error: Exception) -> tuple[str, str]:
    """A sentence, and the traceback where the fault is the program's."""
    if isinstance(error, LayerStudioError):
        return str(error), ""
    if isinstance(error, MemoryError):
        return _NO_MEMORY, ""
    return f"{type(error).__name__}: {error}", "".join(traceback.format_exception(error))
