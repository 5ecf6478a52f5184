"""Proposals: what might be an object, by words, by boxes and points, or all there is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from layerstudio.color import U8
from layerstudio.errors import InvalidRequest
from layerstudio.pipelines.instances.choices import StageChoice
from layerstudio.pipelines.instances.hints import Asked
from layerstudio.pipelines.instances.selection import Candidate
from layerstudio.pipelines.instances.working import Working
from layerstudio.pipelines.runtime import Runtime
from layerstudio.pipelines.stages.contracts import Hint, Segment
from layerstudio.pipelines.stages.opening import opened
from layerstudio.pipelines.stages.table import stage_class
from layerstudio.progress import CancelToken, ProgressCallback

MOST_NAMED = 64  # detections that are segmented; more are the detector's noise


@dataclass(frozen=True)
class Found:
    candidates: tuple[Candidate, ...]
    notes: tuple[str, ...] = ()


def find(
    working: Working,
    asked: Asked,
    stages: StageChoice,
    *,
    runtime: Runtime,
    progress: ProgressCallback,
    cancel: CancelToken,
) -> Found:
    """Candidates on the working picture.

    Raises ``InvalidRequest`` where the segmenter cannot do what is asked.
    """
    takes = stage_class(stages.segment, "segment").card.takes
    reads = "prompts" in takes and not stages.detect
    _check(asked, stages, takes, reads)
    detected: tuple[Hint, ...] = ()
    if asked.prompts and not reads:
        detected = _detected(working.rgb, asked.prompts, stages.detect, runtime, cancel)
    hints = (*(working.hint_of(hint) for hint in asked.hints), *detected)
    with opened("segment", stages.segment, runtime) as segmenter:
        if asked.is_nothing:
            every = segmenter.everything(working.rgb, progress=progress, cancel=cancel)
            return Found(tuple(Candidate(one) for one in every))
        segments: Sequence[Segment] = ()
        if hints:
            segments = segmenter.segment(working.rgb, hints, cancel=cancel)
        named: Sequence[Segment] = segments[len(asked.hints) :]
        if asked.prompts and reads:
            named = segmenter.named(working.rgb, asked.prompts, cancel=cancel)
    pointed, notes = _believed(segments[: len(asked.hints)], asked, working)
    return Found(
        (*pointed, *(Candidate(one, named=True) for one in named)),
        (*notes, *_not_found(asked.prompts, named)),
    )


def _check(asked: Asked, stages: StageChoice, takes: Sequence[str], reads: bool) -> None:
    name = stages.segment
    if asked.is_nothing and "everything" not in takes:
        raise InvalidRequest(
            f"The segmenter {name!r} does not look for objects by itself.",
            advice="Say what is meant by prompts, boxes or points, or choose another one.",
        )
    if asked.hints and not {"boxes", "points"} & set(takes):
        raise InvalidRequest(
            f"The segmenter {name!r} takes neither boxes nor points.",
            advice="Give prompts instead, or choose another one.",
        )
    assert reads or stages.detect or not asked.prompts, "prompts, and no stage that reads them"


def _detected(
    rgb: U8, prompts: Sequence[str], detector: str, runtime: Runtime, cancel: CancelToken
) -> tuple[Hint, ...]:
    with opened("detect", detector, runtime) as stage:
        proposals = stage.detect(rgb, prompts, cancel=cancel)
    return tuple(Hint(one.box, label=one.label, score=one.score) for one in proposals[:MOST_NAMED])


def _believed(
    segments: Sequence[Segment], asked: Asked, working: Working
) -> tuple[list[Candidate], list[str]]:
    """Segments of boxes and points, but for those that contradict what was said."""
    kept, notes = [], []
    for segment, hint, place in zip(segments, asked.hints, asked.places, strict=True):
        small = working.hint_of(hint)
        wrong = [
            point
            for point, there in zip(hint.excluded_points, small.excluded_points, strict=True)
            if _holds(segment, there)
        ]
        if segment.is_empty:
            notes.append(f"Nothing was found at {place}.")
        elif wrong:
            notes.append(
                f"What was found at {place} holds the excluded point {wrong[0]}, so it stays in "
                "the background."
            )
        else:
            kept.append(Candidate(segment, asked=True))
    return kept, notes


def _holds(segment: Segment, point: tuple[int, int]) -> bool:
    x, y = point[0] - segment.bounds.x, point[1] - segment.bounds.y
    inside = 0 <= x < segment.bounds.width and 0 <= y < segment.bounds.height
    return inside and bool(segment.mask[y, x])


def _not_found(prompts: Sequence[str], named: Sequence[Segment]) -> list[str]:
    """Detectors may label by a part of a prompt, so only prompts of whom no word is seen."""
    labels = " ".join(one.label.lower() for one in named if not one.is_empty)
    return [
        f"Nothing was found for {prompt!r}."
        for prompt in prompts
        if not any(word in labels for word in prompt.lower().split())
    ]
