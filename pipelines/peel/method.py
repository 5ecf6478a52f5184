"""The method ``peel``: ``flat``'s solvers, guided by the network that ships with the package."""

from __future__ import annotations

from layerstudio.color import U8
from layerstudio.pipelines.flat.guide import Guide
from layerstudio.pipelines.flat.method import FlatMethod
from layerstudio.pipelines.methods import MethodCard
from layerstudio.pipelines.peel.guide import NetworkGuide
from layerstudio.pipelines.peel.network import read
from layerstudio.pipelines.runtime import Runtime
from layerstudio.progress import CancelToken, Progress, ProgressCallback
from layerstudio.weights.embedded import embedded


class PeelMethod(FlatMethod):
    card = MethodCard(
        id="peel",
        task="decompose",
        title="Peel",
        summary="As 'flat', guided by a small network that ships with the package: designs on "
        "photographs, drawings that touch.",
        reference="LayerStudio, docs/peel.md",
        code_licence="Apache-2.0",
        weights_licence="Apache-2.0",
        needs=(),
        inputs=FlatMethod.card.inputs,
    )

    def guide(
        self, rgb: U8, runtime: Runtime | None, progress: ProgressCallback, cancel: CancelToken
    ) -> tuple[Guide | None, list[str]]:
        """The network's reading.

        Raises ``MismatchedWeights`` and ``UnreadableFile`` where the embedded file is damaged.
        """
        cancel.check()
        progress(Progress("reading the picture", 0.0))
        guide = NetworkGuide(read(embedded("peel"), rgb))
        cancel.check()
        return guide, []
