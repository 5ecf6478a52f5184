"""A whole picture taken apart: what comes out, in which order, and how close it is."""

import numpy as np
import pytest
from drawn_pictures import Drawing, ellipse, flattened, on_canvas, ramp, rectangle, words

from layerstudio.document import Role
from layerstudio.errors import Cancelled
from layerstudio.geometry import Bounds
from layerstudio.pipelines.flat.element import Element, lay_over
from layerstudio.pipelines.flat.scene import find_elements
from layerstudio.progress import CancelToken

SHAPE = (243, 361)
NAVY, CREAM, CRIMSON = (24, 40, 88), (250, 250, 247), (170, 30, 50)
GROUND = ramp(SHAPE, (250, 215, 130), (235, 130, 90), (0.3, 1.0))


def poster():
    """Shadow, card, two lines, a button with a word, a ball, and a line on the ground."""
    card = rectangle(SHAPE, (20, 20, 220, 150), 10)
    drawing = Drawing(SHAPE, GROUND)
    drawing.shade(card, dx=0, dy=6, sigma=6, opacity=0.4).lay(card, CREAM)
    drawing.lay(words(SHAPE, (36, 34), "Garden Party", 30), CRIMSON)
    drawing.lay(words(SHAPE, (36, 80), "Saturday at noon", 18), NAVY)
    drawing.lay(rectangle(SHAPE, (36, 118, 110, 34), 17), (30, 130, 90))
    drawing.lay(words(SHAPE, (54, 124), "Tickets", 18), CREAM)
    drawing.lay(ellipse(SHAPE, 300, 80, 38), (20, 20, 20))
    drawing.lay(ellipse(SHAPE, 300, 80, 35), (220, 60, 60))
    drawing.lay(ellipse(SHAPE, 290, 70, 9), (255, 240, 220))
    return drawing.lay(words(SHAPE, (40, 196), "Bring your friends", 22), (60, 20, 40))


@pytest.fixture(scope="module")
def drawing():
    return poster()


@pytest.fixture(scope="module")
def elements(drawing):
    return find_elements(drawing.png, lossy=False)


def test_every_part_is_an_element_bottom_to_top(elements):
    assert [element.role for element in elements] == [
        Role.BACKGROUND,
        Role.SHADOW,
        Role.SHAPE,
        Role.SHAPE,
        Role.OBJECT,
        *[Role.TEXT] * 4,
    ]
    widths = [np.count_nonzero((item.alpha > 0.5).any(axis=0)) for item in elements[2:4]]
    assert widths == [220, 110]


def test_parts_are_the_ones_drawn(drawing, elements):
    details_of_the_ball = (7, 8)
    shadow, *others = [
        layer for i, layer in enumerate(drawing.layers) if i not in details_of_the_ball
    ]
    assert np.abs(on_canvas(elements[1], SHAPE) - shadow).sum() <= 0.03 * shadow.sum()
    for wanted in others:
        errors = [np.abs(on_canvas(item, SHAPE) - wanted).sum() for item in elements]
        assert min(errors) <= 0.02 * wanted.sum()


def test_elements_make_the_picture_again(drawing, elements):
    off = np.abs(flattened(elements, SHAPE) - drawing.png)
    assert off.max() <= 5
    assert off.mean() <= 0.4


def test_a_compressed_picture_gives_the_same_parts():
    drawing = poster()
    found = find_elements(drawing.jpeg(), lossy=True)
    assert [item.role for item in found] == [
        item.role for item in find_elements(drawing.png, lossy=False)
    ]
    assert np.abs(flattened(found, SHAPE) - drawing.png).mean() <= 3


@pytest.mark.parametrize(
    "rgb",
    [
        np.full((7, 5, 3), (9, 120, 200), np.uint8),
        np.full((1, 30, 3), 255, np.uint8),
        np.rint(ramp((59, 83), (200, 30, 10), (10, 30, 200))).astype(np.uint8),
    ],
    ids=["tiny", "row", "gradient"],
)
def test_a_bare_ground_is_one_element(rgb):
    (only,) = find_elements(rgb, lossy=False)
    assert only.role is Role.BACKGROUND
    assert (only.alpha == 1).all()
    assert np.abs(only.colour - rgb).max() <= 2


def test_the_answer_is_always_the_same(drawing, elements):
    again = find_elements(drawing.png, lossy=False)
    assert [item.bounds for item in again] == [item.bounds for item in elements]
    for one, two in zip(again, elements, strict=True):
        np.testing.assert_array_equal(one.alpha, two.alpha)
        np.testing.assert_array_equal(one.colour, two.colour)


def test_progress_increases_and_stays_below_the_end():
    seen = []
    card = Drawing((61, 97), NAVY).lay(rectangle((61, 97), (20, 15, 50, 30)), CREAM)
    find_elements(card.png, lossy=False, progress=seen.append)
    fractions = [report.fraction for report in seen]
    assert len(fractions) >= 5
    assert fractions == sorted(fractions)
    assert fractions[0] >= 0 and fractions[-1] <= 1
    assert fractions[-1] > fractions[0] + 0.5
    assert all(report.stage for report in seen)


@pytest.mark.parametrize("reports", [0, 1, 4])
def test_a_cancelled_analysis_stops_at_the_next_step(reports):
    token, seen = CancelToken(), []
    card = Drawing((61, 97), NAVY).lay(rectangle((61, 97), (20, 15, 50, 30)), CREAM)

    def watch(report):
        seen.append(report)
        if len(seen) == reports:
            token.cancel()

    if reports == 0:
        token.cancel()
    with pytest.raises(Cancelled):
        find_elements(card.png, lossy=False, progress=watch, cancel=token)
    assert len(seen) == reports


def test_an_element_is_laid_and_rounded():
    element = box_of((200, 100, 0), [[0.0, 0.5, 1.0]])
    backdrop = np.full((3, 5, 3), 40.0, np.float32)
    lay_over(backdrop, element)
    np.testing.assert_allclose(backdrop[1, 1:4, 0], [40, 120, 200])
    assert (backdrop[[0, 2]] == 40).all()
    np.testing.assert_array_equal(
        element.pixels(), [[(0, 0, 0, 0), (200, 100, 0, 128), (200, 100, 0, 255)]]
    )
    assert element.mean_colour() == pytest.approx((200, 100, 0))


def box_of(colour, alpha):
    """An element one row high at (1, 1)."""
    alpha = np.float32(alpha)
    full = np.broadcast_to(np.float32(colour), (*alpha.shape, 3)).copy()
    return Element(
        Role.OBJECT, Bounds(1, 1, alpha.shape[1], alpha.shape[0]), alpha, full, "drawing"
    )


@pytest.mark.parametrize("upright", [False, True])
def test_a_single_row_or_column_of_photograph_with_flat_parts(upright):
    row = np.random.default_rng(0).integers(0, 255, (1, 400, 3)).astype(np.uint8)
    row[:, 100:200], row[:, 250:320] = (250, 10, 10), (10, 200, 30)
    picture = np.ascontiguousarray(row.transpose(1, 0, 2)) if upright else row
    elements = find_elements(picture, lossy=False)
    assert elements[0].role is Role.BACKGROUND
    assert elements[0].alpha.shape == picture.shape[:2]
