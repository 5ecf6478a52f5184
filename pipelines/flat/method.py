"""The method ``flat``: graphic design taken apart without any learned weights."""

from __future__ import annotations

import numpy as np

from layerstudio.document import Document, Layer, Provenance
from layerstudio.geometry import Bounds
from layerstudio.ops.exact import make_exact
from layerstudio.picture import Picture
from layerstudio.pipelines.flat.scene import find_elements
from layerstudio.pipelines.methods import MethodCard
from layerstudio.progress import CancelToken, Progress, ProgressCallback
from layerstudio.requests import DecomposeRequest


class FlatMethod:
    card = MethodCard(
        id="flat",
        task="decompose",
        title="Flat design",
        summary="Posters, slides, screenshots, logos and flat illustration, without any weights.",
        reference="LayerStudio; alpha by projection and unblending as in LayerD (arXiv:2509.25134)",
        code_licence="Apache-2.0",
        weights_licence=None,
        needs=(),
        inputs=("layers", "exact", "read_text", "languages"),
    )

    def run(
        self,
        request: DecomposeRequest,
        picture: Picture,
        *,
        progress: ProgressCallback,
        cancel: CancelToken,
    ) -> Document:
        rgb = np.ascontiguousarray(picture.pixels[..., :3])
        elements = find_elements(rgb, lossy=picture.lossy)
        layers = [
            Layer(f"{e.role}", e.bounds, e.pixels(), role=e.role, provenance=Provenance("flat"))
            for e in elements
        ]
        if request.exact:
            layers = make_exact(layers, picture.pixels)
        return Document(picture.extent, tuple(layers))
