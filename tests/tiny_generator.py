"""A generator small enough to reason about: seeded noise over the colours of its inputs."""

from dataclasses import replace

import numpy as np

from layerstudio.document import Document, Layer
from layerstudio.geometry import Bounds, Extent
from layerstudio.pipelines.methods import MethodCard
from layerstudio.progress import Progress
from layerstudio.settings import Setting

CARD = MethodCard("noise", "generate", "Noise", "Noise.", "none", "Apache-2.0", None, (), ())


class NoiseMethod:
    """One layer of noise; a picture given as ``image`` lies below it."""

    card = CARD

    def resolve(self, request, pictures):
        given = pictures.get("image")
        extent = request.extent or (given.extent if given else Extent(24, 17))
        return replace(request, method="noise", extent=extent, seed=request.seed or 0)

    def run(self, request, pictures, *, runtime, progress, cancel):
        return tuple(
            self._one(request, pictures, index, progress, cancel) for index in range(request.count)
        )

    def _one(self, request, pictures, index, progress, cancel):
        cancel.check()
        progress(Progress("noise", index / request.count))
        extent = request.extent
        rng = np.random.default_rng(request.seed + index)
        noise = rng.integers(0, 256, (*extent.shape, 4), dtype=np.uint8)
        layers = [Layer("noise", Bounds.full(extent), noise)]
        if "image" in pictures:
            pixels = pictures["image"].pixels
            layers.insert(0, Layer("image", Bounds.full(Extent.of(pixels)), pixels))
        return Document(extent, tuple(layers), notes=("made of noise",))


class GrainMethod(NoiseMethod):
    """Noise with settings, which are the names of its layers."""

    card = replace(
        CARD,
        id="grain",
        settings=(Setting("size", 2, "of a grain", least=1), Setting("colour", "red", "of it")),
    )

    def resolve(self, request, pictures):
        return replace(super().resolve(request, pictures), method="grain")

    def run(self, request, pictures, *, runtime, progress, cancel):
        name = f"{request.settings.text('colour')} {request.settings.whole('size')}"
        made = super().run(request, pictures, runtime=runtime, progress=progress, cancel=cancel)
        return tuple(
            replace(document, children=tuple(replace(c, name=name) for c in document.children))
            for document in made
        )
