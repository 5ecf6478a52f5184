"""A photograph to a document: every step of the method ``instances``, in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from layerstudio.color import F32
from layerstudio.document import Document, Layer, Provenance, Role
from layerstudio.ops.exact import make_exact
from layerstudio.picture import Picture
from layerstudio.pipelines.instances.background import background, shadow_layer, untouched
from layerstudio.pipelines.instances.choices import NONE, StageChoice, check_weights
from layerstudio.pipelines.instances.completing import Completed, Filling, complete
from layerstudio.pipelines.instances.cutting import cut, no_cover, tools
from layerstudio.pipelines.instances.finding import Found, find
from layerstudio.pipelines.instances.hints import asked
from layerstudio.pipelines.instances.naming import names_of, unique
from layerstudio.pipelines.instances.ordering import Stack, stacked
from layerstudio.pipelines.instances.selection import MOST_OBJECTS, Candidate, select
from layerstudio.pipelines.instances.wanted import Wanted
from layerstudio.pipelines.instances.working import Working
from layerstudio.pipelines.runtime import Runtime
from layerstudio.pipelines.stages.opening import opened
from layerstudio.progress import CancelToken, Progress, ProgressCallback

# Shares of a run, by what steps take on a CPU.
_FOUND, _ORDERED, _COMPLETED, _CUT, _ASSEMBLED = 0.4, 0.5, 0.75, 0.9, 0.94
STAGES_KEY = "stages"


@dataclass(frozen=True)
class _Run:
    """What every step needs to know."""

    picture: Picture
    working: Working
    wanted: Wanted
    stages: StageChoice
    signature: Provenance
    runtime: Runtime
    progress: ProgressCallback
    cancel: CancelToken

    def part(self, start: float, stop: float) -> ProgressCallback:
        """A callback for a step that takes this share of the run."""

        def watch(report: Progress) -> None:
            self.cancel.check()
            self.progress(replace(report, fraction=start + (stop - start) * report.fraction))

        return watch


def disassemble(
    picture: Picture,
    wanted: Wanted,
    stages: StageChoice,
    *,
    method: str = "instances",
    runtime: Runtime,
    progress: ProgressCallback,
    cancel: CancelToken,
) -> Document:
    """The document of ``picture``: its background, the contact shadows on it, and the objects from
    far to near.

    ``method`` signs the layers. Without any object the document is the background alone, and a
    note says so. Raises ``MissingWeights`` before anything runs, ``InvalidRequest``,
    ``OutOfMemory``, ``Cancelled``.
    """
    check_weights(stages, f"The method {method!r}")
    cancel.check()
    working = Working.of(picture, wanted.working_side)
    signature = Provenance(method, weights=", ".join(stages.needs) or None)
    run = _Run(picture, working, wanted, stages, signature, runtime, progress, cancel)
    found, chosen = _objects(run)
    if not chosen:
        return _document(run, [untouched(picture.pixels, signature)], found.notes)
    stack = _ordered(run, chosen)
    completed = _completed(run, stack)
    layers = _layers(run, stack, completed)
    if wanted.exact:
        run.part(_ASSEMBLED, 1.0)(Progress("recomposition", 0.0))
        layers = make_exact(layers, picture.pixels)
    return _document(run, layers, (*found.notes, *_mutual(stack, run)))


def _objects(run: _Run) -> tuple[Found, tuple[Candidate, ...]]:
    """What was proposed, and what of it becomes layers, the most important first."""
    wanted = run.wanted
    if wanted.layers == 1 or not run.working.seen.any():
        return Found((), ()), ()
    watch = run.part(0.0, _FOUND)
    watch(Progress("finding objects", 0.0))
    meant = asked(wanted, run.picture.extent)
    found = find(
        run.working,
        meant,
        run.stages,
        runtime=run.runtime,
        progress=watch,
        cancel=run.cancel,
    )
    most = MOST_OBJECTS if wanted.layers == "auto" else wanted.layers - 1
    seen = [replace(one, segment=run.working.shown(one.segment)) for one in found.candidates]
    chosen = select(seen, run.working.extent, parts=wanted.parts, most=most)
    notes = (*meant.notes, *found.notes, *_lost(seen, chosen), *_count_notes(wanted, chosen))
    return replace(found, notes=notes), chosen


def _lost(seen: Sequence[Candidate], chosen: Sequence[Candidate]) -> list[str]:
    """What was pointed at and is no layer of its own."""
    pointed = sum(one.asked for one in seen)
    missing = pointed - sum(one.asked for one in chosen)
    if not missing or not chosen:
        return []
    return [
        f"{missing} of the {pointed} things pointed at show nothing that is not another one's, "
        "or are more than the layers asked for."
    ]


def _count_notes(wanted: Wanted, chosen: Sequence[Candidate]) -> list[str]:
    if not chosen:
        return ["No object was found, so the picture is its background alone."]
    if wanted.layers in ("auto", len(chosen) + 1):
        return []
    return [
        f"{wanted.layers} layers were asked for, and {len(chosen)} objects and their background "
        "were found."
    ]


def _ordered(run: _Run, chosen: Sequence[Candidate]) -> Stack:
    watch = run.part(_FOUND, _ORDERED)
    watch(Progress("ordering", 0.0))
    nearness: F32 | None = None
    if run.stages.depth != NONE and len(chosen) > 1:
        with opened("depth", run.stages.depth, run.runtime) as stage:
            nearness = stage.nearness(run.working.rgb, cancel=run.cancel)
        watch(Progress("ordering", 0.8))
    return stacked([one.segment for one in chosen], run.working.extent, nearness)


def _completed(run: _Run, stack: Stack) -> Completed:
    watch = run.part(_ORDERED, _COMPLETED)
    watch(Progress("completing", 0.0))
    wanted = run.wanted
    labels = tuple(segment.label for segment in stack.segments)
    with opened("complete", run.stages.complete, run.runtime) as completer:
        filling = Filling(completer, wanted.seed, wanted.fill_prompt, watch, run.cancel)
        return complete(run.working, stack, filling, shadows=wanted.shadows, labels=labels)


def _layers(run: _Run, stack: Stack, completed: Completed) -> tuple[Layer, ...]:
    """Bottom to top; objects are cut out from near to far."""
    watch = run.part(_COMPLETED, _CUT)
    names = names_of(stack.segments, run.working.extent)
    cover = no_cover(run.picture.extent)
    objects: list[Layer] = []
    count = len(completed.pieces)
    with tools(run.stages, run.runtime) as instruments:
        for done, index in enumerate(reversed(range(count))):
            watch(Progress(f"cutting out {names[index]}", done / count))
            piece = completed.pieces[index]
            found = cut(run.picture, run.working, piece, cover, instruments, run.cancel)
            label = piece.segment.label or None
            signature = replace(run.signature, prompt=label)
            made = Layer(names[index], found.bounds, found.pixels, provenance=signature)
            objects.append(made.cropped_to_content())
    run.part(_CUT, _ASSEMBLED)(Progress("assembling layers", 0.0))
    ground = background(run.picture, run.working, completed, cover, run.signature, run.cancel)
    return (ground, *_shadow_layers(run, completed, names), *reversed(objects))


def _shadow_layers(run: _Run, completed: Completed, names: Sequence[str]) -> list[Layer]:
    titles = unique([f"{names[index]} shadow" for index, _ in completed.shadows], taken=names)
    made = [
        shadow_layer(run.picture, run.working, shadow, title, run.signature, run.cancel)
        for (_, shadow), title in zip(completed.shadows, titles, strict=True)
    ]
    return [layer.cropped_to_content() for layer in made]


def _mutual(stack: Stack, run: _Run) -> list[str]:
    names = names_of(stack.segments, run.working.extent)
    return [
        f"{names[front]!r} and {names[behind]!r} each hide a part of the other, so the upper one "
        "is transparent where the lower one shows."
        for front, behind in stack.mutual
    ]


def _document(run: _Run, layers: Sequence[Layer], notes: Sequence[str]) -> Document:
    kept = [layer for layer in layers if not layer.is_empty or layer.role is Role.BACKGROUND]
    chosen = ", ".join(f"{kind}: {id}" for kind, id in run.stages.ids.items())
    return Document(
        run.picture.extent,
        tuple(kept),
        icc_profile=run.picture.icc_profile,
        dpi=run.picture.dpi,
        notes=tuple(notes),
        metadata={STAGES_KEY: chosen},
    )
