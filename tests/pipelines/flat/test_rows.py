"""Known letters in rows, whichever piece comes first."""

from pathlib import Path

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from layerstudio.geometry import Bounds, Extent
from layerstudio.pipelines.flat.blocks import find_blocks
from layerstudio.pipelines.flat.glyphs import glyphs_of
from layerstudio.pipelines.flat.rows import are_letter_like, rows_of

SCRIPT = Path(__file__).parents[3] / "training" / "pack" / "fonts" / "DancingScript-Bold.otf"
ROWS = ("Bring your family and friends", "Every Friday until August")


def glyphs():
    image = Image.new("L", (640, 200))
    for row, string in enumerate(ROWS):
        font = ImageFont.truetype(SCRIPT, 40)
        ImageDraw.Draw(image).text((30, 30 + 70 * row), string, 255, font)
    ink = np.asarray(image) > 127
    return glyphs_of(ink, np.zeros((*ink.shape, 3), np.uint8), Bounds.full(Extent.of(ink)))


@settings(max_examples=25, deadline=None)
@given(order=st.randoms(use_true_random=False))
def test_words_of_script_are_rows_and_rows_a_block(order):
    pieces = glyphs()
    order.shuffle(pieces)
    rows = sorted(rows_of(pieces), key=lambda line: line.bounds.y)
    assert len(rows) == 2 and sum(len(row.glyphs) for row in rows) == len(pieces)
    assert all(row.bounds.width > 320 for row in rows)
    assert 60 <= rows[1].baseline - rows[0].baseline <= 80
    assert len(find_blocks(rows)) == 1


def test_what_stands_far_apart_is_two_rows_and_nothing_is_none():
    pieces = glyphs()
    left = [piece for piece in pieces if piece.bounds.right < 130 and piece.bounds.y < 90]
    right = [piece for piece in pieces if piece.bounds.x > 360 and piece.bounds.y < 90]
    assert len(rows_of(left + right)) == 2
    assert rows_of([]) == []


def test_discs_and_bars_are_no_letters():
    disc, bar = np.zeros((2, 60, 90), np.uint8)
    cv2.circle(disc, (40, 30), 22, 1, -1)
    bar[20:40, 5:85] = 1
    full = Bounds(0, 0, 90, 60)
    for mask in (disc, bar):
        pieces = glyphs_of(mask > 0, np.zeros((60, 90, 3), np.uint8), full)
        assert not are_letter_like(pieces)
    assert are_letter_like(glyphs()) and not are_letter_like([])
