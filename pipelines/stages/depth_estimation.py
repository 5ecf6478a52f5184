"""What is nearer, by Depth Anything and MiDaS. Importing this module loads no network library."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

from layerstudio.color import F32, U8
from layerstudio.pipelines.runtime import Runtime
from layerstudio.pipelines.stages.contracts import StageCard
from layerstudio.progress import CancelToken

if TYPE_CHECKING:
    from layerstudio.pipelines.stages.depth_network import PublishedDepth


def _card(id: str, title: str, reference: str, weights_licence: str) -> StageCard:
    return StageCard(
        id=id,
        kind="depth",
        title=title,
        reference=reference,
        code_licence="Apache-2.0",
        weights_licence=weights_licence,
        needs=(id,),
    )


def _depth_anything(size: str, weights_licence: str) -> StageCard:
    return _card(
        f"depth-anything-v2-{size}",
        f"Depth Anything V2 {size}",
        "Depth Anything V2 (Yang et al. 2024, arXiv:2406.09414)",
        weights_licence,
    )


class DepthAnythingSmall:
    card: ClassVar[StageCard] = _depth_anything("small", "Apache-2.0")
    family: ClassVar[str] = "depth_anything"

    def __init__(self, network: PublishedDepth) -> None:
        self._network = network

    @classmethod
    def open(cls, runtime: Runtime, base: str = "") -> Self:
        from layerstudio.pipelines.stages.depth_network import PublishedDepth

        return cls(PublishedDepth.open(base or cls.card.needs[0], cls.family, runtime))

    def nearness(self, rgb: U8, *, cancel: CancelToken) -> F32:
        return self._network.nearness(rgb, cancel)


class DepthAnythingBase(DepthAnythingSmall):
    card = _depth_anything("base", "CC-BY-NC-4.0")


class DepthAnythingLarge(DepthAnythingSmall):
    card = _depth_anything("large", "CC-BY-NC-4.0")


class DptLarge(DepthAnythingSmall):
    card = _card(
        "dpt-large", "DPT large (MiDaS 3)", "DPT (Ranftl et al. 2021, arXiv:2103.13413)",
        "Apache-2.0",
    )  # fmt: skip
    family = "dpt"


class DptHybrid(DptLarge):
    card = _card(
        "dpt-hybrid-midas", "DPT hybrid (MiDaS 3)", "DPT (Ranftl et al. 2021, arXiv:2103.13413)",
        "Apache-2.0",
    )  # fmt: skip
