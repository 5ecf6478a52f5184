"""A resolved request carried out: chains of calls, side by side, on one loaded pipeline."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from layerstudio.document import Document
from layerstudio.generate_request import GenerateRequest, InputRole
from layerstudio.picture import Picture
from layerstudio.pipelines.layerdiffuse.catalogue import Family
from layerstudio.pipelines.layerdiffuse.chain import Call, Chain, Kind, Made, calls_of, chain_of
from layerstudio.pipelines.layerdiffuse.engine import opened
from layerstudio.pipelines.runtime import Runtime
from layerstudio.progress import CancelToken, Progress, ProgressCallback

_LOADED = 0.1  # share of a run that loading takes
_STAGES: dict[Kind, str] = {
    "transparent": "foreground",
    "plain": "background",
    "img2img": "picture",
    "fg2ble": "together",
    "bg2ble": "together",
    "fgble2bg": "background",
    "bgble2fg": "foreground",
    "joint": "layers",
    "fg2bg": "background",
    "bg2fg": "foreground",
}
MakeFrames = Callable[[Call, ProgressCallback], Made]


def run(
    family: Family,
    request: GenerateRequest,
    pictures: Mapping[InputRole, Picture],
    *,
    runtime: Runtime,
    progress: ProgressCallback,
    cancel: CancelToken,
) -> tuple[Document, ...]:
    """``request.count`` documents; each is what its own seed alone would make, to the bit.

    Pictures are sampled one at a time: in a batch, sums are formed in another order, and a recipe
    would no longer give equal pixels. Stages go in step, so that weights are changed once for all.
    """
    progress(Progress("loading", 0.0))
    stories = [
        replace(request, count=1, seed=(request.seed or 0) + index)
        for index in range(request.count)
    ]
    with opened(family, request, pictures, runtime, cancel) as engine:
        progress(Progress(f"loaded: {engine.reason}", _LOADED))
        documents = driven(
            [chain_of(story, pictures) for story in stories],
            engine.make,
            len(stories) * calls_of(request, pictures),
            progress,
        )
    return tuple(documents)


def driven(
    chains: Sequence[Chain], make: MakeFrames, calls: int, progress: ProgressCallback
) -> list[Document]:
    """What the chains return, all of them made to make their first call before the second.

    ``calls`` is the number of all calls, by which progress is told.
    """
    documents: dict[int, Document] = {}
    waiting = {index: next(chain) for index, chain in enumerate(chains)}
    done = 0
    while waiting:
        for index, call in list(waiting.items()):
            made = make(call, _part(progress, call, done, calls))
            done += 1
            try:
                waiting[index] = chains[index].send(made)
            except StopIteration as finished:
                documents[index] = finished.value
                del waiting[index]
    return [documents[index] for index in sorted(documents)]


def _part(progress: ProgressCallback, call: Call, done: int, calls: int) -> ProgressCallback:
    """Reports of one call as reports of the whole run."""
    title = _STAGES[call.kind] + (f", {done + 1} of {calls}" if calls > 1 else "")

    def report(own: Progress) -> None:
        share = (done + min(own.fraction, 1.0)) / calls
        fraction = _LOADED + (1 - _LOADED) * share
        progress(replace(own, stage=f"{title}: {own.stage}", fraction=fraction))

    return report
