"""What the stages of a decomposition promise each other: one contract for each kind.

Pictures are (h, w, 3) uint8 in the picture's own colours, without alpha; places are whole pixels
of that picture, whatever size a network looks at. A stage brings its answer back to that size.
Stages draw no random numbers but from the seed that they are given, and check ``cancel`` between
calls of a network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32, U8
from layerstudio.geometry import Bounds, Extent
from layerstudio.pipelines.runtime import Runtime
from layerstudio.progress import CancelToken, ProgressCallback

Mask = NDArray[np.bool_]
StageKind = Literal["detect", "segment", "depth", "matte", "foreground", "complete"]


@dataclass(frozen=True)
class StageCard:
    """What a person or a program must know before choosing a stage.

    ``needs`` are registry ids, empty for none. ``takes`` says what else it can make use of: of
    detectors "prompts"; of segmenters "boxes", "points", "prompts" and "everything" (it can look
    for all objects by itself); of mattes "trimap" or "nothing" (it decides what the foreground
    is); of completers "prompt".
    """

    id: str
    kind: StageKind
    title: str
    reference: str
    code_licence: str
    weights_licence: str | None
    needs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Proposal:
    """A place where a detector sees something; ``score`` in [0, 1], ``label`` "" if unnamed."""

    box: Bounds
    label: str = ""
    score: float = 1.0


@dataclass(frozen=True)
class Hint:
    """What is known of one object before it is segmented: a box, points on it, points not on it."""

    box: Bounds | None = None
    points: tuple[tuple[int, int], ...] = ()
    excluded_points: tuple[tuple[int, int], ...] = ()
    label: str = ""
    score: float = 1.0


@dataclass(frozen=True, eq=False)
class Segment:
    """The visible pixels of one object: ``mask`` (h, w) of ``bounds``, which it touches all around.

    ``score`` in [0, 1] is how sure the segmenter is, ``label`` "" if unnamed. A segment may be
    empty: bounds and mask without a pixel.
    """

    bounds: Bounds
    mask: Mask
    label: str = ""
    score: float = 1.0

    @classmethod
    def of_mask(cls, mask: Mask, label: str = "", score: float = 1.0) -> Self:
        """Of a mask (h, w) of the whole picture."""
        bounds = Bounds.of_mask(mask)
        return cls(bounds, np.array(mask[bounds.slices], bool), label, score)

    @property
    def is_empty(self) -> bool:
        return self.bounds.is_empty

    @property
    def area(self) -> int:
        return int(np.count_nonzero(self.mask))

    def on_canvas(self, extent: Extent) -> Mask:
        """(h, w) of the whole picture."""
        canvas = np.zeros(extent.shape, bool)
        if not self.is_empty:
            canvas[self.bounds.slices] = self.mask
        return canvas


class Stage(Protocol):
    """Made by ``open``, which reads weights from this machine and puts them where they run.

    ``open`` raises ``MissingWeights`` before anything is loaded (its advice names the one command
    that gets them), ``UnreadableFile``, ``MismatchedWeights``, ``OutOfMemory``, ``InvalidRequest``.
    ``base`` is another checkpoint of the same kind: a folder, a file or a hub id.
    """

    card: ClassVar[StageCard]

    @classmethod
    def open(cls, runtime: Runtime, base: str = "") -> Self: ...


@runtime_checkable
class Detector(Stage, Protocol):
    def detect(
        self, rgb: U8, prompts: Sequence[str], *, cancel: CancelToken
    ) -> tuple[Proposal, ...]:
        """What of ``prompts`` is seen where, the surest first; empty if nothing is."""
        ...


@runtime_checkable
class Segmenter(Stage, Protocol):
    def segment(
        self, rgb: U8, hints: Sequence[Hint], *, cancel: CancelToken
    ) -> tuple[Segment, ...]:
        """One segment for each hint, in their order; empty where nothing is found there."""
        ...


@runtime_checkable
class EverythingSegmenter(Segmenter, Protocol):
    def everything(
        self, rgb: U8, *, progress: ProgressCallback, cancel: CancelToken
    ) -> tuple[Segment, ...]:
        """All objects that it can tell apart, without duplicates, the largest first."""
        ...


@runtime_checkable
class ConceptSegmenter(Segmenter, Protocol):
    def named(self, rgb: U8, prompts: Sequence[str], *, cancel: CancelToken) -> tuple[Segment, ...]:
        """Every instance of what the prompts name, labelled by them."""
        ...


@runtime_checkable
class DepthEstimator(Stage, Protocol):
    def nearness(self, rgb: U8, *, cancel: CancelToken) -> F32:
        """(h, w), larger is nearer, on any scale: only the order within one picture counts."""
        ...


@runtime_checkable
class Matter(Stage, Protocol):
    def alpha(self, rgb: U8, trimap: F32 | None, *, cancel: CancelToken) -> F32:
        """(h, w) in [0, 1]. ``trimap`` (h, w) is 0 for background, 1 for foreground, 0.5 for
        unknown, and is needed by those whose card says so; where it is 0 or 1, alpha is that."""
        ...


@runtime_checkable
class ForegroundEstimator(Stage, Protocol):
    def colours(self, rgb: U8, alpha: F32, *, cancel: CancelToken) -> F32:
        """(h, w, 3) in [0, 1]: the foreground's own colour where alpha is above 0."""
        ...


@runtime_checkable
class Completer(Stage, Protocol):
    def fill(
        self,
        rgb: U8,
        holes: Mask,
        *,
        prompt: str = "",
        seed: int = 0,
        progress: ProgressCallback,
        cancel: CancelToken,
    ) -> U8:
        """``rgb`` with the pixels of ``holes`` (h, w) made up anew; all others unchanged."""
        ...
