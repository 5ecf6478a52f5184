"""The method ``auto``, the default: ``peel`` where its network knows the picture, else ``flat``."""

from __future__ import annotations

from layerstudio.color import U8
from layerstudio.pipelines.flat.guide import Guide
from layerstudio.pipelines.methods import MethodCard
from layerstudio.pipelines.peel.guide import NetworkGuide
from layerstudio.pipelines.peel.method import PeelMethod
from layerstudio.pipelines.runtime import Runtime
from layerstudio.progress import CancelToken, ProgressCallback

_MOST_DOUBT = 0.14  # share of the picture; designs seldom reach 0.12, screenshots begin at 0.15


class AutoMethod(PeelMethod):
    card = MethodCard(
        id="auto",
        task="decompose",
        title="Automatic",
        summary="Posters, slides, screenshots, logos, illustrations and designs on photographs: "
        "'peel' where its network knows such pictures, else 'flat'.",
        reference="LayerStudio, docs/peel.md",
        code_licence="Apache-2.0",
        weights_licence="Apache-2.0",
        needs=(),
        inputs=PeelMethod.card.inputs,
    )

    def guide(
        self, rgb: U8, runtime: Runtime | None, progress: ProgressCallback, cancel: CancelToken
    ) -> tuple[Guide | None, list[str]]:
        """That of ``peel``; none, without a word, where the network is in doubt over much of the
        picture, as it is over screenshots.

        Raises ``MismatchedWeights`` and ``UnreadableFile`` where the embedded file is damaged.
        """
        guide, notes = super().guide(rgb, runtime, progress, cancel)
        if isinstance(guide, NetworkGuide) and guide.reading.doubt > _MOST_DOUBT:
            return None, []
        return guide, notes
