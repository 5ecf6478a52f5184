"""How hidden parts are continued, on shapes whose hidden part is known."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layerstudio.ops.amodal import hidden_part

SHAPE = (83, 121)


def drawn(draw) -> np.ndarray:
    canvas = np.zeros(SHAPE, np.uint8)
    draw(canvas)
    return canvas > 0


def disc(x, y, radius):
    return drawn(lambda canvas: cv2.circle(canvas, (x, y), radius, 1, -1))


def box(left, top, right, bottom):
    return drawn(lambda canvas: cv2.rectangle(canvas, (left, top), (right, bottom), 1, -1))


def overlap(found, truth):
    return np.count_nonzero(found & truth) / np.count_nonzero(found | truth)


def test_a_bar_goes_on_behind_a_pole():
    bar, pole = box(10, 35, 110, 48), box(50, 5, 70, 78)
    found = hidden_part(bar & ~pole, pole)
    assert overlap(found, bar & pole) > 0.8


def test_a_disc_half_behind_a_wall_is_rounded():
    ball, wall = disc(50, 40, 25), box(52, 0, 120, 82)
    found = hidden_part(ball & ~wall, wall)
    assert overlap(found | (ball & ~wall), ball) > 0.75
    assert overlap(ball & ~wall, ball) < 0.6


def test_a_corner_cut_off_by_something_in_front_is_put_back():
    sheet, coin = box(20, 15, 90, 65), disc(90, 65, 12)
    found = hidden_part(sheet & ~coin, coin)
    assert overlap(found | (sheet & ~coin), sheet) > 0.95


def test_nothing_is_hidden_by_what_does_not_touch():
    assert not hidden_part(disc(30, 40, 10), disc(90, 40, 10)).any()


@pytest.mark.parametrize("underlap", [1, 4])
def test_a_strip_lies_under_the_whole_contact(underlap):
    front = box(60, 0, 120, 82)
    found = hidden_part(box(20, 20, 59, 60), front, underlap)
    assert found[20:61, 60 : 60 + underlap].all()


@st.composite
def two_shapes(draw):
    def shape():
        kind = draw(st.sampled_from((disc, box)))
        x, y = draw(st.integers(5, 110)), draw(st.integers(5, 75))
        if kind is disc:
            return disc(x, y, draw(st.integers(2, 30)))
        return box(x, y, x + draw(st.integers(1, 60)), y + draw(st.integers(1, 40)))

    return shape(), shape()


@given(two_shapes())
@settings(max_examples=60, deadline=None)
def test_it_lies_in_front_adjoins_the_visible_part_and_is_bounded(shapes):
    visible, front = shapes
    visible = visible & ~front
    found = hidden_part(visible, front)
    assert not (found & ~front).any()
    _, labels = cv2.connectedComponents((visible | found).astype(np.uint8), connectivity=8)
    touched = np.unique(labels[visible])
    assert not (found & ~np.isin(labels, touched)).any()
    strip = cv2.dilate(visible.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    assert np.count_nonzero(found & ~strip) <= np.count_nonzero(visible)
