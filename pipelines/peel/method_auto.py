"""The method ``auto``, the default: ``peel`` wherever its network can run, else ``flat``."""

from __future__ import annotations

from importlib.util import find_spec

from layerstudio.color import U8
from layerstudio.pipelines.flat.guide import Guide
from layerstudio.pipelines.methods import MethodCard
from layerstudio.pipelines.peel.method import PeelMethod
from layerstudio.pipelines.runtime import Runtime
from layerstudio.progress import CancelToken, ProgressCallback


class AutoMethod(PeelMethod):
    card = MethodCard(
        id="auto",
        task="decompose",
        title="Automatic",
        summary="Posters, slides, screenshots, logos, illustrations and designs on photographs: "
        "'peel' where PyTorch is installed, else 'flat'. Nothing is downloaded.",
        reference="LayerStudio, docs/peel.md",
        code_licence="Apache-2.0",
        weights_licence="Apache-2.0",
        needs=(),
        inputs=PeelMethod.card.inputs,
    )

    def guide(
        self, rgb: U8, runtime: Runtime | None, progress: ProgressCallback, cancel: CancelToken
    ) -> tuple[Guide | None, list[str]]:
        """That of ``peel``, and none without a word where PyTorch is missing: nobody asked for it.

        Raises ``MismatchedWeights`` and ``UnreadableFile`` where the embedded file is damaged.
        """
        if find_spec("torch") is None:
            cancel.check()
            return None, []
        return super().guide(rgb, runtime, progress, cancel)
