"""Who takes a sample's picture apart: a method of ours, or another program, by its results."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from layerstudio.document import Document
from layerstudio.errors import InvalidRequest, UnreadableFile
from layerstudio.io.files import FORMATS, open_document
from layerstudio.io.limits import DEFAULT_LIMITS, Limits
from layerstudio.pipelines.api import resolved_for
from layerstudio.pipelines.evaluation.png_folders import read_layers
from layerstudio.pipelines.evaluation.samples import Sample
from layerstudio.pipelines.evaluation.scoring import boxes_of
from layerstudio.pipelines.methods import load_decomposer
from layerstudio.pipelines.runtime import Runtime
from layerstudio.progress import CancelToken, ProgressCallback
from layerstudio.requests import DecomposeRequest
from layerstudio.settings import Settings, resolve


class Answer(NamedTuple):
    """What a contestant made of a picture, and the seconds that it took for that alone."""

    document: Document
    seconds: float


class Contestant(Protocol):
    """It can be pickled, for other processes. ``uses_boxes`` says that it is given the places of
    the true layers and answers with one layer for each."""

    @property
    def label(self) -> str: ...
    @property
    def uses_boxes(self) -> bool: ...

    def facts(self) -> dict[str, Any]:
        """JSON-ready: all that its answers depend on."""
        ...

    def hints(self) -> tuple[str, ...]:
        """What it is told of the truth, a sentence each: scores with hints flatter."""
        ...

    def answer(
        self, sample: Sample, *, progress: ProgressCallback, cancel: CancelToken
    ) -> Answer: ...


@dataclass(frozen=True)
class MethodContestant:
    """A method run as ``layerstudio decompose`` runs it, with ``request`` for every picture.

    With ``layers_from_truth`` it is told how many layers there are, with ``boxes_from_truth``
    where they are.
    """

    method: str
    request: DecomposeRequest
    runtime: Runtime = field(default_factory=Runtime)
    layers_from_truth: bool = False
    boxes_from_truth: bool = False

    def __post_init__(self) -> None:
        """Raises ``InvalidRequest`` for an unknown method, for settings that are not its own, and
        for boxes where it takes none."""
        card = load_decomposer(self.method).card
        resolve(card.settings, self.request.settings, self.method)
        if self.boxes_from_truth and "boxes" not in card.inputs:
            raise InvalidRequest(f"The method {self.method!r} takes no boxes.")

    @property
    def label(self) -> str:
        return self.method

    @property
    def uses_boxes(self) -> bool:
        return self.boxes_from_truth

    def facts(self) -> dict[str, Any]:
        return {
            "method": self.method,
            "request": self.request.to_dict(),
            "runtime": vars(self.runtime),
            "layers_from_truth": self.layers_from_truth,
            "boxes_from_truth": self.boxes_from_truth,
        }

    def hints(self) -> tuple[str, ...]:
        found = []
        if self.layers_from_truth:
            found.append(f"{self.label} was told how many layers each picture has.")
        if self.boxes_from_truth:
            found.append(f"{self.label} was told the box of every true layer.")
        return tuple(found)

    def answer(self, sample: Sample, *, progress: ProgressCallback, cancel: CancelToken) -> Answer:
        """Raises what methods raise."""
        request = replace(self.request, method=self.method)
        if self.layers_from_truth:
            request = replace(request, layers=len(sample.truth.children))
        if self.boxes_from_truth:
            request = replace(request, boxes=boxes_of(sample.truth))
        method = load_decomposer(self.method)
        resolved = resolved_for(method.card, request, sample.picture)
        start = time.perf_counter()
        document = method.run(
            resolved, sample.picture, runtime=self.runtime, progress=progress, cancel=cancel
        )
        return Answer(document, time.perf_counter() - start)


@dataclass(frozen=True)
class FolderContestant:
    """Another program's results: in ``folder`` a layered file or a folder of PNG layers (bottom to
    top, as LayerD's ``infer.py`` writes them) called like each sample."""

    label: str
    folder: Path
    limits: Limits = DEFAULT_LIMITS

    uses_boxes = False

    def __post_init__(self) -> None:
        if not self.folder.is_dir():
            raise UnreadableFile(f"{str(self.folder)!r} is not a folder of results.")

    def facts(self) -> dict[str, Any]:
        return {"results": str(self.folder)}

    def hints(self) -> tuple[str, ...]:
        return ()

    def answer(self, sample: Sample, *, progress: ProgressCallback, cancel: CancelToken) -> Answer:
        """Its seconds are unknown, and count as 0."""
        stem = sample.name
        if Path(stem).suffix.lower() in FORMATS:
            stem = stem[: -len(Path(stem).suffix)]
        place = self.folder / stem
        if place.is_dir():
            return Answer(read_layers(place, self.limits), 0.0)
        readable = (suffix for suffix, row in FORMATS.items() if row.readable)
        files = [place.with_name(place.name + suffix) for suffix in readable]
        found = next((file for file in files if file.exists()), None)
        if found is None:
            raise UnreadableFile(f"There is no result for the sample {sample.name!r}.")
        return Answer(open_document(found, self.limits), 0.0)


def method_contestants(
    methods: Sequence[str],
    request: DecomposeRequest,
    settings: Mapping[str, Any],
    runtime: Runtime,
    *,
    layers_from_truth: bool = False,
    boxes_from_truth: bool = False,
) -> tuple[MethodContestant, ...]:
    """One for each id. A setting called ``METHOD.NAME`` goes to that method, others to all."""
    for name in settings:
        owner, dot, _ = name.partition(".")
        if dot and owner not in methods:
            raise InvalidRequest(f"The setting {name!r} is for a method that does not take part.")

    def own(method: str) -> Settings:
        general = {name: value for name, value in settings.items() if "." not in name}
        mine = {
            name.partition(".")[2]: value
            for name, value in settings.items()
            if name.startswith(f"{method}.")
        }
        return Settings(general | mine)

    return tuple(
        MethodContestant(
            method,
            replace(request, settings=own(method)),
            runtime,
            layers_from_truth,
            boxes_from_truth,
        )
        for method in dict.fromkeys(methods)
    )
