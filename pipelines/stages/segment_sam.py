"""Segment Anything as stages: the authors' package, and transformers' SAM, SAM 2 and SAM 3.

Importing this module loads no network library: stages are listed without one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Self

from layerstudio.color import U8
from layerstudio.pipelines.runtime import Runtime
from layerstudio.pipelines.stages.contracts import Hint, Segment, StageCard
from layerstudio.progress import CancelToken, ProgressCallback

if TYPE_CHECKING:
    from layerstudio.pipelines.stages.mask_network import MaskNetwork
    from layerstudio.pipelines.stages.sam3 import Sam3

_SAM = "Kirillov et al., Segment Anything (arXiv:2304.02643)"
_SAM2 = "Ravi et al., SAM 2: Segment Anything in Images and Videos (arXiv:2408.00714)"
_TAKES = ("boxes", "points", "everything")


def _card(id: str, title: str, reference: str) -> StageCard:
    """Of a stage whose weights are the registry's row of the same id."""
    return StageCard(
        id=id,
        kind="segment",
        title=title,
        reference=reference,
        code_licence="Apache-2.0",
        weights_licence="Apache-2.0",
        needs=(id,),
        takes=_TAKES,
    )


class _Prompted:
    """A network that is asked by boxes and points, and everything by a grid of points."""

    card: ClassVar[StageCard]

    def __init__(self, network: MaskNetwork) -> None:
        self._network = network

    def segment(
        self, rgb: U8, hints: Sequence[Hint], *, cancel: CancelToken
    ) -> tuple[Segment, ...]:
        """One segment for each hint, in their order; a hint has a box or a point."""
        from layerstudio.pipelines.stages.prompted import segmented

        return segmented(self._network, rgb, hints, cancel)

    def everything(
        self, rgb: U8, *, progress: ProgressCallback, cancel: CancelToken
    ) -> tuple[Segment, ...]:
        """All objects that it can tell apart, the largest first."""
        from layerstudio.pipelines.stages.everything import everything

        return everything(self._network, rgb, progress=progress, cancel=cancel)


class _ByPackage(_Prompted):
    """Run by the authors' package; ``base`` is a .pth file of the original layout, of any size."""

    @classmethod
    def open(cls, runtime: Runtime, base: str = "") -> Self:
        """Raises ``MissingWeights``, ``UnreadableFile``, ``MismatchedWeights``, ``OutOfMemory``."""
        from layerstudio.pipelines.stages.sam_package import SamPackage

        return cls(SamPackage.open(base or cls.card.needs[0], runtime))


class SamVitB(_ByPackage):
    card = _card("sam-vit-b", "Segment Anything, ViT-B", _SAM)


class SamVitL(_ByPackage):
    card = _card("sam-vit-l", "Segment Anything, ViT-L", _SAM)


class SamVitH(_ByPackage):
    card = _card("sam-vit-h", "Segment Anything, ViT-H", _SAM)


class _BySam(_Prompted):
    """Run by transformers; ``base`` is a folder in its layout, of any size."""

    @classmethod
    def open(cls, runtime: Runtime, base: str = "") -> Self:
        """Raises ``MissingWeights``, ``UnreadableFile``, ``MismatchedWeights``, ``OutOfMemory``."""
        from layerstudio.pipelines.stages.sam_published import PublishedSam

        return cls(PublishedSam.open_sam(base or cls.card.needs[0], runtime))


class SamBase(_BySam):
    card = _card("sam-hf-base", "Segment Anything, ViT-B, by transformers", _SAM)


class SamLarge(_BySam):
    card = _card("sam-hf-large", "Segment Anything, ViT-L, by transformers", _SAM)


class SamHuge(_BySam):
    card = _card("sam-hf-huge", "Segment Anything, ViT-H, by transformers", _SAM)


class _BySam2(_Prompted):
    """Run by transformers; ``base`` is a folder in its layout, of any size."""

    @classmethod
    def open(cls, runtime: Runtime, base: str = "") -> Self:
        """Raises ``MissingWeights``, ``UnreadableFile``, ``MismatchedWeights``, ``OutOfMemory``."""
        from layerstudio.pipelines.stages.sam_published import PublishedSam

        return cls(PublishedSam.open_sam2(base or cls.card.needs[0], runtime))


class Sam2Tiny(_BySam2):
    card = _card("sam2-tiny", "SAM 2.1, Hiera tiny", _SAM2)


class Sam2Small(_BySam2):
    card = _card("sam2-small", "SAM 2.1, Hiera small", _SAM2)


class Sam2BasePlus(_BySam2):
    card = _card("sam2-base-plus", "SAM 2.1, Hiera base plus", _SAM2)


class Sam2Large(_BySam2):
    card = _card("sam2-large", "SAM 2.1, Hiera large", _SAM2)


class Sam3Stage:
    """By transformers; ``base`` is a folder in the layout of facebook/sam3."""

    card = StageCard(
        id="sam3",
        kind="segment",
        title="SAM 3, by names, boxes and points",
        reference="Carion et al., SAM 3: Segment Anything with Concepts (arXiv:2511.16719)",
        code_licence="Apache-2.0",
        weights_licence="not recorded here (SAM License, the publisher's own)",
        needs=("sam3",),
        takes=(*_TAKES, "prompts"),
    )

    def __init__(self, network: Sam3) -> None:
        self._network = network
        self._pointed = _Prompted(network.pointed)

    @classmethod
    def open(cls, runtime: Runtime, base: str = "") -> Self:
        """Raises ``MissingWeights``, ``UnreadableFile``, ``MismatchedWeights``, ``OutOfMemory``."""
        from layerstudio.pipelines.stages.sam3 import Sam3

        return cls(Sam3.open(base or cls.card.needs[0], runtime))

    def segment(
        self, rgb: U8, hints: Sequence[Hint], *, cancel: CancelToken
    ) -> tuple[Segment, ...]:
        """One segment for each hint, in their order; a hint has a box or a point."""
        return self._pointed.segment(rgb, hints, cancel=cancel)

    def everything(
        self, rgb: U8, *, progress: ProgressCallback, cancel: CancelToken
    ) -> tuple[Segment, ...]:
        """All objects that it can tell apart, the largest first."""
        return self._pointed.everything(rgb, progress=progress, cancel=cancel)

    def named(self, rgb: U8, prompts: Sequence[str], *, cancel: CancelToken) -> tuple[Segment, ...]:
        """Every instance of what the prompts name, labelled by them."""
        return self._network.named(rgb, prompts, cancel)
