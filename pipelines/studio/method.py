"""The method ``studio``: layers of clip-art posters by the model that comes with the package.

Importing this module loads no network library: methods are listed without one.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec

from layerstudio.document import Document
from layerstudio.errors import MissingWeights
from layerstudio.generate_request import GenerateRequest, InputRole
from layerstudio.picture import Picture
from layerstudio.pipelines.methods import MethodCard
from layerstudio.pipelines.runtime import Runtime
from layerstudio.progress import CancelToken, ProgressCallback
from layerstudio.weights.embedded import embedded


class StudioMethod:
    card = MethodCard(
        id="studio",
        task="generate",
        title="Studio, the built-in layer model",
        summary=(
            "Clip-art posters of a few dozen things it knows by name, background and each thing a "
            "layer; small, offline, on any CPU. Knows nothing beyond its words."
        ),
        reference="Pu et al., ART: Anonymous Region Transformer (arXiv:2502.18364), at small scale",
        code_licence="Apache-2.0",
        weights_licence="Apache-2.0; trained on openclipart's public-domain drawings",
        needs=(),
        inputs=(
            "prompt", "foregrounds", "background", "extent", "boxes", "inputs", "count", "seed",
            "steps", "guidance", "document", "locked", "regenerate",
        ),
        modes=("design", "picture", "plate", "layers"),
    )  # fmt: skip

    def resolve(
        self, request: GenerateRequest, pictures: Mapping[InputRole, Picture]
    ) -> GenerateRequest:
        from layerstudio.pipelines.studio.resolving import resolve

        return resolve(request, pictures, self.card)

    def run(
        self,
        request: GenerateRequest,
        pictures: Mapping[InputRole, Picture],
        *,
        runtime: Runtime,
        progress: ProgressCallback,
        cancel: CancelToken,
    ) -> tuple[Document, ...]:
        """Raises ``MissingWeights`` where the package was installed without its embedded files, or
        without what runs networks."""
        if not has_packages():
            raise MissingWeights(
                "The built-in model 'studio' needs PyTorch and diffusers, which are not installed.",
                advice="Install them with `pip install 'layerstudio[models]'`.",
            )
        path = embedded("studio")
        if not path.is_file():
            raise MissingWeights(
                "The embedded model of 'studio' is not in this installation.",
                advice="Reinstall the package, or make the file with `python -m training.studio`.",
            )
        from layerstudio.pipelines.studio.running import run

        return run(path, request, pictures, runtime=runtime, progress=progress, cancel=cancel)


def has_packages() -> bool:
    """Whether what runs networks is installed; asking loads nothing."""
    return all(find_spec(name) is not None for name in ("torch", "diffusers"))
