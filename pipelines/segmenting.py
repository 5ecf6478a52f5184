"""Objects of a picture as masks: the stages that find and outline, by themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from layerstudio.color import U8
from layerstudio.errors import InvalidRequest
from layerstudio.geometry import Bounds, Extent
from layerstudio.io.limits import DEFAULT_LIMITS, Limits
from layerstudio.io.picture import PictureSource, read_picture
from layerstudio.pipelines.instances.hints import Asked, asked
from layerstudio.pipelines.instances.wanted import Wanted
from layerstudio.pipelines.instances.working import Working
from layerstudio.pipelines.needs import require
from layerstudio.pipelines.runtime import Runtime
from layerstudio.pipelines.stages.contracts import Hint, Segment
from layerstudio.pipelines.stages.overlaps import Outline, without_duplicates
from layerstudio.pipelines.stages.preferring import AUTO, preferred
from layerstudio.pipelines.stages.table import stage_class
from layerstudio.progress import CancelToken, Progress, ProgressCallback, ignore_progress
from layerstudio.requests import DecomposeRequest

MOST_NAMED = 100  # what a detector sees beyond that many objects is noise, or a crowd
_DETECTED = 0.3  # share of a run


@dataclass(frozen=True, kw_only=True)
class Objects:
    """What to outline, and by what: ids of the stages table, "auto" for the best that is here.

    Each box is an object, which points inside of it make clearer; so is each point in no box, and
    each thing that a prompt names. With as many prompts as boxes and lone points, they are the
    names of those. With nothing given it is everything. ``base`` is a checkpoint of one's own for
    the segmenter.
    """

    boxes: tuple[Bounds, ...] = ()
    points: tuple[tuple[int, int], ...] = ()
    excluded_points: tuple[tuple[int, int], ...] = ()
    prompts: tuple[str, ...] = ()
    segmenter: str = AUTO
    detector: str = AUTO
    base: str = ""

    def asked_of(self, extent: Extent) -> Asked:
        """Hints for a picture; raises ``InvalidRequest`` for what contradicts itself and for
        places that are not on it."""
        request = DecomposeRequest(
            boxes=self.boxes, points=self.points, excluded_points=self.excluded_points
        )
        request.check_against(extent)
        _check_prompts(self.prompts)
        result = asked(
            Wanted(
                boxes=request.boxes,
                points=request.points,
                excluded_points=request.excluded_points,
                prompts=self.prompts,
            ),
            extent,
        )
        _check_exclusions(self.excluded_points, result)
        return result


@dataclass(frozen=True)
class _Run:
    rgb: U8
    asked: Asked
    segmenter: str
    detector: str  # "" where the segmenter reads prompts itself, or there are none
    base: str
    runtime: Runtime
    progress: ProgressCallback
    cancel: CancelToken


def segment(
    source: PictureSource,
    wanted: Objects | None = None,
    *,
    runtime: Runtime | None = None,
    limits: Limits | None = None,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
) -> tuple[Segment, ...]:
    """The objects of a picture, at its own size: those of boxes, then of points, then of prompts;
    of everything the largest first. Where nothing is found, it is empty.

    An object that was asked for twice comes once. Things that a prompt names and an excluded point
    lies on are left out, and so is what is transparent.
    Raises ``UnreadableFile``, ``InvalidRequest``, ``MissingWeights`` before anything is loaded,
    ``MismatchedWeights``, ``OutOfMemory``, ``Cancelled``.
    """
    wanted = wanted or Objects()
    progress, cancel = progress or ignore_progress, cancel or CancelToken()
    cancel.check()
    picture = read_picture(source, limits or DEFAULT_LIMITS)
    hints = wanted.asked_of(picture.extent)
    segmenter, detector = _stages(wanted, hints)
    working = Working.of(picture, picture.extent.longest_side)
    run = _Run(
        working.rgb, hints, segmenter, detector, wanted.base, runtime or Runtime(), progress, cancel
    )
    found = _everything(run) if hints.is_nothing else _meant(run, wanted.excluded_points)
    shown = [working.shown(one) for one in found]
    progress(Progress("done", 1.0))
    return tuple(one for one in shown if not one.is_empty)


def _stages(wanted: Objects, hints: Asked) -> tuple[str, str]:
    """Ids of the segmenter and the detector; raises ``MissingWeights`` for both at once, and
    ``InvalidRequest`` where the segmenter cannot do what is asked of it."""
    segmenter = preferred("segment", wanted.segmenter)
    takes = stage_class(segmenter, "segment").card.takes
    detector = preferred("detect", wanted.detector)
    if not hints.prompts or ("prompts" in takes and wanted.detector == AUTO):
        detector = ""
    needed = () if wanted.base else stage_class(segmenter).card.needs
    if detector:
        needed = (*needed, *stage_class(detector).card.needs)
    if hints.is_nothing and "everything" not in takes:
        raise InvalidRequest(
            f"The segmenter {segmenter!r} does not look for objects by itself.",
            advice="Say what is meant by prompts, boxes or points, or choose another one.",
        )
    require(needed, "Segmenting")
    return segmenter, detector


def _everything(run: _Run) -> tuple[Segment, ...]:
    from layerstudio.pipelines.stages.opening import opened

    run.progress(Progress(f"loading {run.segmenter}", 0.0))
    with opened("segment", run.segmenter, run.runtime, run.base) as segmenter:
        return segmenter.everything(run.rgb, progress=run.progress, cancel=run.cancel)


def _meant(run: _Run, excluded: Sequence[tuple[int, int]]) -> tuple[Segment, ...]:
    """What boxes, points and prompts mean, each object once."""
    from layerstudio.pipelines.stages.opening import opened

    hints = (*run.asked.hints, *_detected(run))
    run.progress(Progress(f"loading {run.segmenter}", _DETECTED))
    with opened("segment", run.segmenter, run.runtime, run.base) as segmenter:
        run.progress(Progress("outlining", _DETECTED))
        segments = segmenter.segment(run.rgb, hints, cancel=run.cancel)
        pointed, named = segments[: len(run.asked.hints)], segments[len(run.asked.hints) :]
        if run.asked.prompts and not run.detector:
            named = segmenter.named(run.rgb, run.asked.prompts, cancel=run.cancel)
    meant = [one for one in named if not any(_holds(one, point) for point in excluded)]
    return _each_once([*pointed, *meant])


def _detected(run: _Run) -> list[Hint]:
    from layerstudio.pipelines.stages.opening import opened

    if not run.detector:
        return []
    run.progress(Progress(f"loading {run.detector}", 0.0))
    with opened("detect", run.detector, run.runtime) as detector:
        run.progress(Progress("looking for what is named", 0.1))
        seen = detector.detect(run.rgb, run.asked.prompts, cancel=run.cancel)
    return [Hint(one.box, label=one.label, score=one.score) for one in seen[:MOST_NAMED]]


def _each_once(segments: Sequence[Segment]) -> tuple[Segment, ...]:
    """In their order; of two of the same object the one that has a name, then the surer."""
    outlines = [Outline(one.bounds, one.mask, one.score + bool(one.label)) for one in segments]
    return tuple(segments[index] for index in sorted(without_duplicates(outlines)))


def _holds(found: Segment, point: tuple[int, int]) -> bool:
    x, y = point[0] - found.bounds.x, point[1] - found.bounds.y
    inside = 0 <= x < found.bounds.width and 0 <= y < found.bounds.height
    return inside and bool(found.mask[y, x])


def _check_prompts(prompts: Sequence[str]) -> None:
    seen: set[str] = set()
    for prompt in prompts:
        words = " ".join(prompt.split()).lower()
        if not words:
            raise InvalidRequest(
                f"The prompt {prompt!r} names nothing.", advice='Say what to look for: "a cat".'
            )
        if words in seen:
            raise InvalidRequest(
                f"The prompt {prompt!r} is given twice.",
                advice="One prompt finds every thing of its kind.",
            )
        seen.add(words)


def _check_exclusions(excluded: Sequence[tuple[int, int]], hints: Asked) -> None:
    """Raise ``InvalidRequest`` for points on what is not meant that nothing is meant by."""
    used = {point for hint in hints.hints for point in hint.excluded_points}
    for point in excluded:
        if point not in used and not hints.prompts:
            raise InvalidRequest(
                f"The point {point} is on what is not meant, and no box, point or prompt says what "
                "is meant there.",
                advice="Add a box around it, a point on the object, or a prompt.",
            )
