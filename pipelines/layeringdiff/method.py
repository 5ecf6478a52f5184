"""The method ``layeringdiff``: a picture drawn by any model, then taken apart.

Importing this module loads no network library: methods are listed without one.
"""

from __future__ import annotations

from collections.abc import Mapping

from layerstudio.document import Document
from layerstudio.generate_request import GenerateRequest, InputRole
from layerstudio.picture import Picture
from layerstudio.pipelines.layeringdiff.catalogue import (
    MODES,
    NEEDS,
    SETTINGS,
    absent,
    settled,
    stages_of,
)
from layerstudio.pipelines.methods import MethodCard
from layerstudio.pipelines.needs import lacking
from layerstudio.pipelines.runtime import Runtime
from layerstudio.progress import CancelToken, ProgressCallback


class LayeringDiff:
    card = MethodCard(
        id="layeringdiff",
        task="generate",
        title="LayeringDiff, drawn and taken apart",
        summary=(
            "A picture by any text-to-image model of diffusers, or one of yours, with the things "
            "named in it as layers and what is behind them made up."
        ),
        reference="LayeringDiff (arXiv:2501.01197)",
        code_licence="Apache-2.0",
        weights_licence="that of the base model, and of each stage",
        needs=NEEDS,
        inputs=(
            "prompt", "negative_prompt", "foregrounds", "background", "extent", "boxes", "inputs",
            "count", "seed", "steps", "guidance", "true_guidance", "strength", "scheduler", "base",
            "loras", "controlnet", "settings",
        ),
        modes=MODES,
        settings=SETTINGS,
    )  # fmt: skip

    def resolve(
        self, request: GenerateRequest, pictures: Mapping[InputRole, Picture]
    ) -> GenerateRequest:
        """Raises ``MissingWeights`` too: what a base model takes is read off its files."""
        from layerstudio.pipelines.layeringdiff.checking import checked

        named = settled(checked(request, pictures, self.card.id))
        if not_here := absent(named):
            raise lacking(not_here, repr(self.card.id))
        from layerstudio.pipelines.layeringdiff.resolving import resolve

        return resolve(named, pictures)

    def run(
        self,
        request: GenerateRequest,
        pictures: Mapping[InputRole, Picture],
        *,
        runtime: Runtime,
        progress: ProgressCallback,
        cancel: CancelToken,
    ) -> tuple[Document, ...]:
        from layerstudio.pipelines.layeringdiff.running import run

        return run(
            request, pictures, stages_of(request),
            runtime=runtime, progress=progress, cancel=cancel,
        )  # fmt: skip
