"""The matte that needs nothing: filters and comparisons of colours (``ops/guided_matte.py``)."""

from __future__ import annotations

from typing import ClassVar, Self

from layerstudio.color import F32, U8
from layerstudio.ops.guided_matte import guided_matte
from layerstudio.pipelines.runtime import Runtime
from layerstudio.pipelines.stages.contracts import StageCard
from layerstudio.pipelines.stages.trimaps import required
from layerstudio.progress import CancelToken


class GuidedMatter:
    card: ClassVar[StageCard] = StageCard(
        id="guided",
        kind="matte",
        title="Guided filter and colours nearby",
        reference="He et al. 2013, Guided Image Filtering; the rest is LayerStudio's own",
        code_licence="Apache-2.0",
        weights_licence=None,
        takes=("trimap",),
    )

    @classmethod
    def open(cls, runtime: Runtime, base: str = "") -> Self:
        return cls()

    def alpha(self, rgb: U8, trimap: F32 | None, *, cancel: CancelToken) -> F32:
        trimap = required(trimap, rgb.shape[:2], self.card.id)
        return guided_matte(rgb, trimap, check=cancel.check)
