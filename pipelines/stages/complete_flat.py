"""The completer that needs nothing: what a hole's surroundings suggest (``ops/fill.py``)."""

from __future__ import annotations

from typing import ClassVar, Self

from layerstudio.color import U8
from layerstudio.ops.fill import fill
from layerstudio.pipelines.runtime import Runtime
from layerstudio.pipelines.stages.contracts import Mask, StageCard
from layerstudio.progress import CancelToken, Progress, ProgressCallback


class FlatCompleter:
    card: ClassVar[StageCard] = StageCard(
        id="flat-fill",
        kind="complete",
        title="Flat colours, gradients and texture from around a hole",
        reference="LayerStudio's own; texture by exemplars (Criminisi et al. 2004)",
        code_licence="Apache-2.0",
        weights_licence=None,
    )

    @classmethod
    def open(cls, runtime: Runtime, base: str = "") -> Self:
        return cls()

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
        cancel.check()
        progress(Progress("filling holes", 0.0))
        filled = fill(rgb, holes, seed=seed, check=cancel.check).image
        progress(Progress("filling holes", 1.0))
        return filled
