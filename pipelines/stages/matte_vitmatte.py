"""Mattes out of a trimap by ViTMatte. Importing this module loads no network library."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

from layerstudio.color import F32, U8
from layerstudio.pipelines.runtime import Runtime
from layerstudio.pipelines.stages.contracts import StageCard
from layerstudio.pipelines.stages.trimaps import kept, required
from layerstudio.progress import CancelToken

if TYPE_CHECKING:
    from layerstudio.pipelines.stages.vitmatte import PublishedVitMatte


def _card(id: str, title: str) -> StageCard:
    return StageCard(
        id=id,
        kind="matte",
        title=title,
        reference="ViTMatte (Yao et al. 2024, arXiv:2305.15272)",
        code_licence="Apache-2.0",
        weights_licence="Apache-2.0 (trained on Adobe's Composition-1k, which is for research)",
        needs=(id,),
        takes=("trimap",),
    )


class VitMatteSmall:
    card: ClassVar[StageCard] = _card("vitmatte-small", "ViTMatte small")

    def __init__(self, network: PublishedVitMatte) -> None:
        self._network = network

    @classmethod
    def open(cls, runtime: Runtime, base: str = "") -> Self:
        from layerstudio.pipelines.stages.vitmatte import PublishedVitMatte

        return cls(PublishedVitMatte.open(base or cls.card.needs[0], runtime))

    def alpha(self, rgb: U8, trimap: F32 | None, *, cancel: CancelToken) -> F32:
        """What is open is seen with what is around it, in overlapping tiles where it is large."""
        trimap = required(trimap, rgb.shape[:2], self.card.id)
        return kept(self._network.alpha(rgb, trimap, cancel), trimap)


class VitMatteBase(VitMatteSmall):
    card = _card("vitmatte-base", "ViTMatte base")
