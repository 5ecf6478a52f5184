"""Cut-outs keep their antialiased edges, their outlines and their thinnest lines."""

import numpy as np
import pytest
from drawn_pictures import Drawing, ellipse, polygon, ramp, rectangle
from hypothesis import given, settings
from hypothesis import strategies as st

from layerstudio.pipelines.flat.analysis import residual
from layerstudio.pipelines.flat.edges import cut_out
from layerstudio.pipelines.flat.objects import find_drawings

SHAPE = (121, 177)
SKY = ramp(SHAPE, (150, 200, 250), (255, 225, 190), (0.3, 1.0))
LEVEL = 1 / 255


def cut(drawing, backdrop):
    """Alpha, colour, and the picture that they make on the backdrop."""
    image = drawing.png.astype(np.float32)
    alpha, colour = cut_out(image, backdrop, residual(drawing.png, backdrop) > 2, 2.0)
    return alpha, colour, backdrop + alpha[..., None] * (colour - backdrop)


def outlined(ground, line, fill, width=3):
    """A disc with an outline; the first layer's alpha is that of the whole."""
    drawing = Drawing(SHAPE, ground).lay(ellipse(SHAPE, 88.3, 60.6, 41), line)
    return drawing.lay(ellipse(SHAPE, 88.3, 60.6, 41 - width), fill)


@pytest.mark.parametrize(
    ("line", "fill"),
    [((20, 20, 24), (255, 252, 240)), ((20, 20, 24), (240, 150, 20)), ((120, 0, 30), (120, 0, 30))],
)
@pytest.mark.parametrize("ground", [SKY, (250, 250, 250), (30, 110, 60)], ids=["sky", "paper", "g"])
def test_a_disc_keeps_its_edge(line, fill, ground):
    drawing = outlined(ground, line, fill)
    backdrop = Drawing(SHAPE, ground).shown
    alpha, _, again = cut(drawing, backdrop)
    assert np.abs(alpha - drawing.layers[0]).max() <= 3 * LEVEL
    assert np.abs(again - drawing.shown).max() <= 2.5


@given(
    colour=st.tuples(*[st.integers(0, 90)] * 3),
    points=st.lists(st.tuples(st.integers(12, 160), st.integers(12, 108)), min_size=3, max_size=6),
)
@settings(max_examples=15, deadline=None)
def test_any_polygon_comes_back_on_its_backdrop(colour, points):
    drawing = Drawing(SHAPE, SKY).lay(polygon(SHAPE, points), colour)
    alpha, colour, again = cut(drawing, SKY)
    assert (alpha >= 0).all() and (alpha <= 1).all()
    assert (colour >= 0).all() and (colour <= 255).all()
    assert np.abs(again - drawing.png).max() <= 3.0


@pytest.mark.parametrize("width", [1, 2])
def test_thin_lines_survive(width):
    drawing = Drawing(SHAPE, SKY).lay(rectangle(SHAPE, (20, 60, 130, width)), (30, 20, 60))
    drawing.lay(rectangle(SHAPE, (80, 15, width, 90)), (30, 20, 60))
    alpha, colour, _ = cut(drawing, SKY)
    truth = np.maximum(*drawing.layers)
    np.testing.assert_allclose(alpha, truth, atol=2 * LEVEL)
    assert np.abs(colour - (30, 20, 60))[truth == 1].max() <= 1.5


def test_a_thin_slanted_line_keeps_its_ink():
    line = polygon(SHAPE, [(20, 20), (150, 95), (149.2, 96.4), (19.2, 21.4)])
    drawing = Drawing(SHAPE, (255, 255, 255)).lay(line, (0, 0, 0))
    alpha, colour, again = cut(drawing, Drawing(SHAPE, (255, 255, 255)).shown)
    ink = (alpha * (255 - colour.mean(axis=2)) / 255).sum()
    assert ink == pytest.approx(line.sum(), rel=0.01)
    assert np.abs(again - drawing.shown).max() <= 2.5


def test_nothing_is_nothing():
    alpha, _, again = cut(Drawing(SHAPE, SKY), SKY)
    assert not alpha.any()
    np.testing.assert_array_equal(again, SKY)


def test_pieces_near_each_other_are_one_drawing_and_far_ones_are_not():
    drawing = Drawing(SHAPE, SKY).lay(ellipse(SHAPE, 40, 60, 20), (200, 30, 30))
    drawing.lay(rectangle(SHAPE, (61, 50, 10, 20)), (20, 20, 20))
    drawing.lay(ellipse(SHAPE, 140, 40, 14), (20, 120, 40))
    drawing.lay(rectangle(SHAPE, (120, 100, 2, 2)), (20, 20, 20))  # a speck
    mask = residual(drawing.png, SKY) > 2
    large, small = find_drawings(drawing.analysis(), SKY, mask)
    assert large.bounds == (20, 40, 51, 40)
    assert small.bounds == (126, 26, 28, 28)
    assert small.mean_colour() == pytest.approx((20, 120, 40), abs=1.5)


def test_drawings_come_in_reading_order():
    drawing = Drawing(SHAPE, SKY)
    boxes = [
        (110, 8, 20, 26),
        (14, 16, 30, 22),
        (60, 12, 18, 24),
        (90, 70, 40, 30),
        (20, 64, 26, 44),
    ]
    for box in boxes:
        drawing.lay(rectangle(SHAPE, box), (200, 30, 30))
    mask = residual(drawing.png, SKY) > 2
    found = [item.bounds[:2] for item in find_drawings(drawing.analysis(), SKY, mask)]
    assert found == [(14, 16), (60, 12), (110, 8), (20, 64), (90, 70)]
