"""Small data sets with known layers, as files in every layout that a benchmark reads."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from PIL import Image

from layerstudio.composite import composite_pixels
from layerstudio.document import BlendMode, Document, Group, Layer, Mask
from layerstudio.geometry import Bounds, Extent
from layerstudio.pipelines.evaluation.contestants import Answer

EXTENT = Extent(61, 45)


def rectangle(name: str, place: Bounds, colour: tuple[int, ...], **options) -> Layer:
    """A layer of one colour; three channels are opaque."""
    pixels = np.empty((*place.extent.shape, 4), np.uint8)
    pixels[:] = colour if len(colour) == 4 else (*colour, 255)
    return Layer(name, place, pixels, **options)


def ground(colour: tuple[int, ...] = (240, 230, 210)) -> Layer:
    return rectangle("ground", Bounds.full(EXTENT), colour)


def poster() -> Document:
    """Ground, and two rectangles that overlap."""
    return Document(
        EXTENT,
        (
            ground(),
            rectangle("card", Bounds(6, 5, 30, 25), (40, 90, 160)),
            rectangle("badge", Bounds(24, 18, 28, 20), (220, 80, 60)),
        ),
    )


def elaborate() -> Document:
    """All that a PSD may hold and a plain stack does not: four layers show, of seven."""
    half = np.full((25, 30), 255, np.uint8)
    half[:, 15:] = 0
    multiplied = rectangle("tint", Bounds(10, 10, 20, 20), (200, 200, 90), blend=BlendMode.MULTIPLY)
    masked = rectangle(
        "card", Bounds(6, 5, 30, 25), (40, 90, 160), mask=Mask(Bounds(6, 5, 30, 25), half)
    )
    hidden = rectangle("draft", Bounds(0, 0, 61, 45), (0, 0, 0), visible=False)
    lost = rectangle("cut to a draft", Bounds(0, 0, 30, 30), (9, 9, 9), clipped=True)
    faded = Group("front", (rectangle("badge", Bounds(24, 18, 28, 20), (220, 80, 60)),), 0.5)
    off = rectangle("off the canvas", Bounds(90, 0, 5, 5), (1, 2, 3))
    return Document(EXTENT, (ground(), masked, hidden, lost, multiplied, faded, off))


def save_crello(root: Path, documents: dict[str, Document], split: str = "test") -> Path:
    """As LayerD's generator writes it: ``composite/`` and ``layers/`` in the folder of a split."""
    for name, document in documents.items():
        folder = root / split / "layers" / name
        folder.mkdir(parents=True)
        save_layers(folder, document, name + "_{:02}.png")
        flat = root / split / "composite" / f"{name}.png"
        flat.parent.mkdir(exist_ok=True)
        Image.fromarray(composite_pixels(document)).save(flat)
    return root


def save_layers(folder: Path, document: Document, pattern: str = "{:04}.png") -> None:
    """Canvas-size PNGs, bottom to top."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, layer in enumerate(document.layers):
        alone = Document(document.extent, (layer,))
        Image.fromarray(composite_pixels(alone)).save(folder / pattern.format(index))


class Known:
    """A contestant that answers with what ``make`` makes of the sample; it can be pickled if that
    can be."""

    uses_boxes = False

    def __init__(self, make, label="known"):
        self.make, self.label = make, label

    def facts(self):
        return {"results": self.label}

    def hints(self):
        return ()

    def answer(self, sample, *, progress, cancel):
        return Answer(self.make(sample), 0.5)


def its_truth(sample) -> Document:
    return sample.truth


def one_layer(sample) -> Document:
    extent = sample.picture.extent
    return Document(extent, (Layer("all", Bounds.full(extent), sample.picture.pixels),))


def deadly(sample) -> Document:
    """As when the system ends a process for lack of memory."""
    if sample.name.startswith("b"):
        os._exit(9)
    return sample.truth


def faulty(sample) -> Document:
    if sample.name.startswith("b"):
        raise ZeroDivisionError("a bug")
    return sample.truth
