"""A method small enough to reason about: the opaque part of the picture, split left and right."""

import numpy as np

from layerstudio.document import Document, Layer
from layerstudio.geometry import Bounds
from layerstudio.pipelines.methods import MethodCard
from layerstudio.progress import Progress

CARD = MethodCard("tiny", "decompose", "Tiny", "Two halves.", "none", "Apache-2.0", None, (), ())


class HalvesMethod:
    """Exact for every picture: two layers side by side, each with its own pixels."""

    card = CARD

    def run(self, request, picture, *, runtime, progress, cancel):
        extent = picture.extent
        middle = extent.width // 2
        layers = []
        for name, left, right in (("left", 0, middle), ("right", middle, extent.width)):
            cancel.check()
            progress(Progress(name, 0.5))
            bounds = Bounds.from_edges(left, 0, right, extent.height)
            layers.append(Layer(name, bounds, np.array(picture.pixels[bounds.slices])))
        return Document(extent, tuple(layers), notes=("halved",))
