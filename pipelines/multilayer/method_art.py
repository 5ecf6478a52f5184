"""The method ``art``: text and boxes to a whole stack of layers in one go.

Importing this module loads no network library: methods are listed without one.
"""

from __future__ import annotations

from collections.abc import Mapping

from layerstudio.document import Document
from layerstudio.generate_request import GenerateRequest, InputRole
from layerstudio.picture import Picture
from layerstudio.pipelines.methods import MethodCard
from layerstudio.pipelines.multilayer.bases import find_base
from layerstudio.pipelines.runtime import Runtime
from layerstudio.progress import CancelToken, ProgressCallback


class ArtMethod:
    card = MethodCard(
        id="art",
        task="generate",
        title="ART, layers in one go",
        summary=(
            "Background and up to 50 layers at once, in boxes given or planned; single layers of "
            "a document made anew. Weights of your own: converted or trained."
        ),
        reference="Pu et al., ART: Anonymous Region Transformer (arXiv:2502.18364)",
        code_licence="Apache-2.0",
        weights_licence="the published ones were withdrawn; FLUX.1 [dev]'s terms bind derived ones",
        needs=("art",),
        inputs=(
            "prompt", "foregrounds", "background", "extent", "boxes", "layers", "planner",
            "layout", "count", "seed", "steps", "guidance", "true_guidance", "layer_guidance",
            "base", "loras", "document", "locked", "regenerate",
        ),
        setup="--base FOLDER: `layerstudio models convert` or training/multilayer.py makes one",
    )  # fmt: skip

    def resolve(
        self, request: GenerateRequest, pictures: Mapping[InputRole, Picture]
    ) -> GenerateRequest:
        from layerstudio.pipelines.multilayer.art_resolving import resolve

        return resolve(request, self.card.id)

    def run(
        self,
        request: GenerateRequest,
        pictures: Mapping[InputRole, Picture],
        *,
        runtime: Runtime,
        progress: ProgressCallback,
        cancel: CancelToken,
    ) -> tuple[Document, ...]:
        """Raises ``MissingWeights`` before anything is loaded."""
        base = find_base(request.base)
        from layerstudio.pipelines.multilayer.art_running import run

        return run(base, request, runtime=runtime, progress=progress, cancel=cancel)
