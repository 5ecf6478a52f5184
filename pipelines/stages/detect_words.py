"""Detectors that are told in words what to look for.

Importing this module loads no network library: stages are listed without one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Self

from layerstudio.color import U8
from layerstudio.pipelines.runtime import Runtime
from layerstudio.pipelines.stages.contracts import Proposal, StageCard
from layerstudio.progress import CancelToken

if TYPE_CHECKING:
    from layerstudio.pipelines.stages.grounding_dino import GroundingDino
    from layerstudio.pipelines.stages.owlv2 import Owlv2


def _card(id: str, title: str, reference: str) -> StageCard:
    """Of a stage whose weights are the registry's row of the same id."""
    return StageCard(
        id=id,
        kind="detect",
        title=title,
        reference=reference,
        code_licence="Apache-2.0",
        weights_licence="Apache-2.0",
        needs=(id,),
        takes=("prompts",),
    )


class _ByGroundingDino:
    card: ClassVar[StageCard]

    def __init__(self, network: GroundingDino) -> None:
        self._network = network

    @classmethod
    def open(cls, runtime: Runtime, base: str = "") -> Self:
        """Raises ``MissingWeights``, ``UnreadableFile``, ``MismatchedWeights``, ``OutOfMemory``."""
        from layerstudio.pipelines.stages.grounding_dino import GroundingDino

        return cls(GroundingDino.open(base or cls.card.needs[0], runtime))

    def detect(
        self, rgb: U8, prompts: Sequence[str], *, cancel: CancelToken
    ) -> tuple[Proposal, ...]:
        """What of ``prompts`` is seen where, the surest first; empty if nothing is."""
        return self._network.detect(rgb, prompts, cancel)


_DINO = "Liu et al., Grounding DINO (arXiv:2303.05499)"


class GroundingDinoTiny(_ByGroundingDino):
    card = _card("grounding-dino-tiny", "Grounding DINO, Swin-T", _DINO)


class GroundingDinoBase(_ByGroundingDino):
    card = _card("grounding-dino-base", "Grounding DINO, Swin-B", _DINO)


class Owlv2Base:
    card = _card("owlv2-base", "OWLv2, ViT-B/16, ensemble", "Minderer et al. (arXiv:2306.09683)")

    def __init__(self, network: Owlv2) -> None:
        self._network = network

    @classmethod
    def open(cls, runtime: Runtime, base: str = "") -> Self:
        """Raises ``MissingWeights``, ``UnreadableFile``, ``MismatchedWeights``, ``OutOfMemory``."""
        from layerstudio.pipelines.stages.owlv2 import Owlv2

        return cls(Owlv2.open(base or cls.card.needs[0], runtime))

    def detect(
        self, rgb: U8, prompts: Sequence[str], *, cancel: CancelToken
    ) -> tuple[Proposal, ...]:
        """What of ``prompts`` is seen where, the surest first; empty if nothing is."""
        return self._network.detect(rgb, prompts, cancel)
