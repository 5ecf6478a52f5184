"""Generated pictures as a document: real layers, and what they were drawn like together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from layerstudio.color import U8
from layerstudio.composite import composite
from layerstudio.document import Document, Layer, Provenance, Role
from layerstudio.geometry import Bounds, Extent

BLENDED_NAME = "Blended (reference)"
DIFFERENCE_KEY = "blended_mean_difference"


def stack(
    extent: Extent,
    *,
    background: Layer | None = None,
    foregrounds: Sequence[Layer] = (),
    blended: Layer | None = None,
) -> Document:
    """Background, foregrounds bottom to top, and on top, hidden, what the network blended.

    The network's blend is a picture of its own, not the composite of the layers: how far apart
    they are on average, in [0, 1] over all channels and pixels, is in
    ``metadata["blended_mean_difference"]``.
    """
    layers = [*([background] if background else []), *foregrounds]
    if blended is None:
        return Document(extent, tuple(layers))
    reference = replace(blended, name=BLENDED_NAME, visible=False, locked=True)
    document = Document(extent, (*layers, reference))
    shown = composite(document)[..., :3]
    difference = np.abs(shown - reference.pixels[..., :3].astype(np.float32) / 255).mean()
    return replace(document, metadata={DIFFERENCE_KEY: f"{difference:.6f}"})


def layer_of(
    name: str,
    pixels: U8,
    role: Role,
    at: Bounds | None = None,
    provenance: Provenance | None = None,
) -> Layer:
    """A layer of (h, w, 4) pixels at ``at`` (default: the origin), cut to what can be seen.

    A picture without a visible pixel stays whole, so that nothing is lost that a change of
    levels could bring back.
    """
    place = at or Bounds.full(Extent.of(pixels))
    layer = Layer(name, place, pixels, role=role, provenance=provenance)
    return layer.cropped_to_content() if pixels[..., 3].any() else layer
