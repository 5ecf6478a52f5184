"""A picture whose layers are known, and where many of them come from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from layerstudio.composite import composite_pixels
from layerstudio.document import Document
from layerstudio.errors import InvalidRequest
from layerstudio.geometry import Extent
from layerstudio.picture import Picture
from layerstudio.pipelines.evaluation.flattening import resized_layers, resized_pixels

# 4 GB of layers at the canvas's size; the metrics look at all of them at once.
MAX_STACK_PIXELS = 1_000_000_000


@dataclass(frozen=True, eq=False)
class Sample:
    """``picture`` is what a method gets to see, ``truth`` the layers that it was made of: visible,
    NORMAL, without groups, masks and clipping, bottom to top. ``is_composed`` says that the picture
    is nothing but those layers, flattened. ``tags`` say what kind of sample it is, ``notes`` what
    reading it had to change."""

    name: str
    picture: Picture
    truth: Document
    is_composed: bool = False
    tags: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Dataset(Protocol):
    """Samples by name, read one at a time; it can be pickled, for other processes.

    ``load`` raises ``UnreadableFile`` and ``InvalidRequest`` for a sample that is not whole.
    """

    @property
    def title(self) -> str: ...
    @property
    def layout(self) -> str: ...
    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def tags(self) -> tuple[str, ...]:
        """Every tag that samples may have, in the order of a table."""
        ...

    @property
    def notes(self) -> tuple[str, ...]: ...
    def load(self, name: str) -> Sample: ...


def prepared(sample: Sample, short_side: int | None) -> Sample:
    """The sample as it is scored: not larger than ``short_side``, and known to fit into memory.

    Raises ``InvalidRequest`` for one without layers, for a picture of another
    size than its layers, and for one too large to score.
    """
    extent = sample.truth.extent
    if not sample.truth.children:
        raise InvalidRequest("The sample has no visible layer.")
    if sample.picture.extent != extent:
        raise InvalidRequest(
            f"The picture is {sample.picture.extent} pixels and its layers are {extent}."
        )
    if short_side is not None and min(extent) > short_side:
        sample = _shrunk(sample, short_side)
    pixels = sample.truth.extent.pixel_count * len(sample.truth.children)
    if pixels > MAX_STACK_PIXELS:
        raise InvalidRequest(
            f"The sample's layers are {pixels:,} pixels together, too many to score.",
            advice="Score it smaller, as with --short-side 512.",
        )
    return sample


def picture_of(document: Document) -> Picture:
    """The document, flattened to its own depth."""
    return Picture(composite_pixels(document), icc_profile=document.icc_profile, dpi=document.dpi)


def _shrunk(sample: Sample, short_side: int) -> Sample:
    extent = sample.truth.extent
    scale = short_side / min(extent)
    small = Extent(*(max(1, round(side * scale)) for side in extent))
    truth = resized_layers(sample.truth, small)
    if sample.is_composed:
        picture = picture_of(truth)
    else:
        picture = replace(sample.picture, pixels=resized_pixels(sample.picture.pixels, small))
    note = f"Shrunk from {extent} to {small} pixels."
    return replace(sample, picture=picture, truth=truth, notes=(*sample.notes, note))
