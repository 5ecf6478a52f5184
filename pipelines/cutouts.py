"""Objects as layers: each with its own pixels of the picture, which lies hidden below them."""

from __future__ import annotations

from collections.abc import Sequence

from layerstudio.document import Document, Layer, Role
from layerstudio.geometry import Bounds
from layerstudio.picture import Picture
from layerstudio.pipelines.instances.naming import names_of
from layerstudio.pipelines.recording import title_of
from layerstudio.pipelines.stages.contracts import Segment


def document_of(picture: Picture, segments: Sequence[Segment]) -> Document:
    """A layer for each object, the largest lowest, and the whole picture hidden as background.

    Objects that overlap have the pixels that they share in both layers.
    """
    whole = Layer(
        "Background", Bounds.full(picture.extent), picture.pixels, visible=False,
        role=Role.BACKGROUND,
    )  # fmt: skip
    found = [one for one in segments if not one.is_empty]
    names = names_of(found, picture.extent)
    layers = [_cut(picture, one, name) for one, name in zip(found, names, strict=True)]
    order = sorted(range(len(found)), key=lambda index: -found[index].area)
    return Document(
        picture.extent,
        (whole, *(layers[index] for index in order)),
        icc_profile=picture.icc_profile,
        dpi=picture.dpi,
        notes=picture.notes,
        metadata=title_of(picture.source),
    )


def _cut(picture: Picture, segment: Segment, name: str) -> Layer:
    pixels = picture.pixels[segment.bounds.slices].copy()
    pixels[..., 3] *= segment.mask
    return Layer(name, segment.bounds, pixels)
