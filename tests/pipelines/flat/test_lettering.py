"""Lines of text become layers of one ink whose alpha is the coverage they were drawn with."""

import numpy as np
import pytest
from drawn_pictures import Drawing, ellipse, on_canvas, polygon, ramp, rectangle, words
from hypothesis import given, settings
from hypothesis import strategies as st

from layerstudio.document import Role
from layerstudio.pipelines.flat.analysis import residual
from layerstudio.pipelines.flat.lettering import find_lettering

SHAPE = (203, 337)
WHITE, NAVY, YELLOW = (252, 252, 250), (24, 40, 88), (255, 240, 120)
DUSK = ramp(SHAPE, (20, 40, 90), (120, 30, 90), (0.4, 1.0))


def lettering_in(drawing, backdrop, *, lossy=False):
    """Ink is what has most of the contrast, as it is in the method."""
    backdrop = np.broadcast_to(np.float32(backdrop), (*SHAPE, 3)).copy()
    analysis = drawing.analysis(lossy=lossy)
    off = residual(analysis.rgb, backdrop)
    pieces = off > analysis.tolerance
    return find_lettering(analysis, backdrop, off > 0.42 * off.max(), pieces)


def ink_error(item, truth):
    """Error of alpha summed, as a share of the ink."""
    return float(np.abs(on_canvas(item.element, SHAPE) - truth).sum() / truth.sum())


@pytest.mark.parametrize(
    ("ground", "ink"), [(WHITE, NAVY), (NAVY, WHITE), (DUSK, YELLOW)], ids=["dark", "light", "dusk"]
)
@pytest.mark.parametrize(("lossy", "most"), [(False, 0.01), (True, 0.06)], ids=["png", "jpeg"])
def test_alpha_is_the_coverage(ground, ink, lossy, most):
    drawing = Drawing(SHAPE, ground).lay(words(SHAPE, (24, 20), "Harbour Lights", 34), ink)
    drawing.lay(words(SHAPE, (24, 120), "Every evening until ten", 19), ink)
    found = lettering_in(drawing, ground, lossy=lossy)
    found.sort(key=lambda item: item.element.bounds.y)
    assert len(found) == 2
    for item, truth in zip(found, drawing.layers, strict=True):
        assert item.element.role is Role.TEXT
        assert ink_error(item, truth) <= most
        off = np.abs(np.subtract(item.element.mean_colour(), ink))
        assert off.mean() <= (40 if lossy else 1)
        assert item.claimed[truth[item.element.bounds.slices] > 0.1].all()


def test_lines_of_a_paragraph_are_one_block():
    drawing = Drawing(SHAPE, WHITE)
    for row, line in enumerate(("Ask us about", "group tickets", "every single day")):
        drawing.lay(words(SHAPE, (40, 40 + 32 * row), line, 24), NAVY)
    (item,) = lettering_in(drawing, WHITE)
    assert item.element.block is not None
    assert len(item.element.block.lines) == 3
    assert ink_error(item, np.max(drawing.layers, axis=0)) <= 0.01


def test_words_of_two_inks_keep_their_colours():
    drawing = Drawing(SHAPE, WHITE).lay(words(SHAPE, (30, 20), "Summer sale", 36), (200, 20, 40))
    drawing.lay(words(SHAPE, (30, 130), "Everything must go", 22), (20, 110, 60))
    found = lettering_in(drawing, WHITE)
    inks = {tuple(round(c) for c in item.element.mean_colour()) for item in found}
    assert inks == {(200, 20, 40), (20, 110, 60)}


@given(
    string=st.sampled_from(["Open until nine", "Garden Party", "FRESH BREAD", "Tickets 2 for 1"]),
    size=st.integers(14, 34),
    ink=st.tuples(*[st.integers(0, 110)] * 3),
    place=st.tuples(st.integers(4, 40), st.integers(4, 140)),
)
@settings(max_examples=12, deadline=None)
def test_any_line_on_paper(string, size, ink, place):
    drawing = Drawing(SHAPE, WHITE).lay(words(SHAPE, place, string, size), ink)
    found = lettering_in(drawing, WHITE)
    total = np.zeros(SHAPE, np.float32)
    for item in found:
        total = np.maximum(total, on_canvas(item.element, SHAPE))
    truth = drawing.layers[0]
    assert np.abs(total - truth).sum() <= 0.02 * truth.sum()


def test_letters_in_a_drawing_stay_with_it():
    shirt = [(90, 30), (120, 42), (170, 42), (200, 30), (250, 70), (226, 96), (205, 84)]
    shirt += [(205, 190), (85, 190), (85, 84), (64, 96), (40, 70)]
    drawing = Drawing(SHAPE, WHITE).lay(polygon(SHAPE, shirt), (30, 90, 160))
    drawing.lay(words(SHAPE, (104, 90), "TEAM", 32), (5, 10, 40))
    drawing.lay(words(SHAPE, (240, 150), "On sale", 22), (5, 10, 40))
    backdrop = np.broadcast_to(np.float32(WHITE), (*SHAPE, 3)).copy()
    analysis = drawing.analysis()
    dark = np.abs(drawing.png.astype(int) - (5, 10, 40)).max(axis=2) < 60
    pieces = residual(drawing.png, backdrop) > 2
    (item,) = find_lettering(analysis, backdrop, dark, pieces)
    assert item.element.bounds.x > 230
    assert len(find_lettering(analysis, backdrop, dark, dark)) == 2  # without the shirt


def test_shapes_are_no_letters():
    drawing = Drawing(SHAPE, WHITE).lay(ellipse(SHAPE, 60, 60, 30), NAVY)
    drawing.lay(rectangle(SHAPE, (120, 30, 90, 14)), NAVY)
    drawing.lay(polygon(SHAPE, [(230, 30), (320, 60), (250, 150)]), (200, 20, 40))
    assert lettering_in(drawing, WHITE) == []


def test_nothing_has_no_letters():
    assert lettering_in(Drawing(SHAPE, DUSK), DUSK) == []
