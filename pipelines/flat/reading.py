"""Live text for blocks: what they say and in which font, from their ink alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from layerstudio.document import TextContent
from layerstudio.pipelines.flat import ocr
from layerstudio.pipelines.flat.blocks import Block
from layerstudio.pipelines.flat.fonts import FontGuess, guess_font

_LEAST_CONFIDENCE = 0.4  # below, tesseract guesses at shapes that are no letters


def read_blocks(
    blocks: Sequence[Block], languages: Sequence[str] = ("eng",)
) -> list[TextContent | None]:
    """The live text of each block, None where nothing could be read with confidence.

    All blocks go through one call of tesseract; without the program every answer is None.
    """
    lines = [line for block in blocks for line in block.lines]
    readings = ocr.read_lines(
        [line.mask() for line in lines], [line.height for line in lines], languages
    )
    contents: list[TextContent | None] = []
    for block in blocks:
        mine, readings = readings[: len(block.lines)], readings[len(block.lines) :]
        confidence = float(np.mean([reading.confidence for reading in mine]))
        strings = [reading.string for reading in mine]
        readable = confidence >= _LEAST_CONFIDENCE and any(strings)
        contents.append(_content(block, strings, confidence) if readable else None)
    return contents


def _content(block: Block, strings: Sequence[str], confidence: float) -> TextContent:
    """With the font of the longest line, which says most."""
    longest = int(np.argmax([len(string) for string in strings]))
    line, first = block.lines[longest], block.lines[0]
    measured = line.baseline_at(line.bounds.x)
    font = guess_font(strings[longest], line.mask(), line.bounds, line.height, measured)
    shift = first.baseline_at(first.bounds.x) - measured
    return to_text_content(
        block, strings, replace(font, baseline=font.baseline + shift), confidence
    )


def to_text_content(
    block: Block, strings: Sequence[str], font: FontGuess, confidence: float = 1.0
) -> TextContent:
    """One string per line; ``font.baseline`` is that of the first line."""
    red, green, blue = (round(min(max(channel, 0.0), 255.0)) for channel in block.color)
    return TextContent(
        string="\n".join(strings),
        font=font.family,
        size=font.size,
        color=(red, green, blue),
        box=block.bounds,
        bold=font.bold,
        italic=font.italic,
        align=block.align,
        baseline=font.baseline,
        confidence=min(max(confidence, 0.0), 1.0),
    )
