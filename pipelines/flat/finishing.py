"""The last steps from elements to layers: how many there are, and what their texts say."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from layerstudio.pipelines.flat import ocr
from layerstudio.pipelines.flat.blocks import Block
from layerstudio.pipelines.flat.count import keep_to
from layerstudio.pipelines.flat.element import Element
from layerstudio.pipelines.flat.reading import read_blocks
from layerstudio.requests import LayerCount

MOST_LAYERS = 60  # chosen by itself; more than that nobody finds a layer by its name
_FAINT = 0.05  # alpha
_SHOWN_INK = 0.8  # share of a text's ink that its layer has to show


def counted(elements: list[Element], layers: LayerCount) -> tuple[list[Element], list[str]]:
    """The elements in the number wanted, and a note where it is not the picture's own."""
    if layers == "auto":
        if len(elements) <= MOST_LAYERS:
            return elements, []
        note = (
            f"The picture has {len(elements)} pieces; small ones near each other were merged so "
            f"that {MOST_LAYERS} layers remain. Ask for a number of layers to get more."
        )
        return keep_to(elements, MOST_LAYERS), [note]
    kept = keep_to(elements, layers)
    if len(kept) == layers:
        return kept, []
    return kept, [f"{layers} layers were asked for, and the picture comes apart into {len(kept)}."]


def read_texts(elements: Sequence[Element], languages: Sequence[str]) -> list[str]:
    """Set the live text of every element that has lines; a note where that is impossible."""
    lettering = [
        element for element in elements if element.block and _shows(element, element.block)
    ]
    if not lettering:
        return []
    if not ocr.is_available():
        return ["Text was not read, because the program tesseract is not installed."]
    blocks = [element.block for element in lettering if element.block is not None]
    for element, text in zip(lettering, read_blocks(blocks, languages), strict=True):
        element.text = text
    if any(element.text for element in lettering):
        return []
    return [
        f"None of the {len(blocks)} pieces of text could be read in {'+'.join(languages)}; if that "
        "is their language, install it for tesseract."
    ]


def _shows(element: Element, block: Block) -> bool:
    """Whether the ink of the block is still there: live text stands for what one can see."""
    common = block.bounds.intersection(element.bounds)
    ink = block.mask()
    seen = element.alpha[common.relative_to(element.bounds).slices] > _FAINT
    shown = int(np.count_nonzero(ink[common.relative_to(block.bounds).slices] & seen))
    return shown >= _SHOWN_INK * int(np.count_nonzero(ink))
