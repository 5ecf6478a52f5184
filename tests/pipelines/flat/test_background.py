"""The background is recovered as a formula, however much stands on it."""

import cv2
import numpy as np
import pytest
from drawn_pictures import Drawing, ellipse, glow, ramp, rectangle, words
from hypothesis import given, settings
from hypothesis import strategies as st

from layerstudio.geometry import Bounds
from layerstudio.pipelines.flat.analysis import analyse
from layerstudio.pipelines.flat.background import find_background

SHAPE = (171, 243)
FULL = Bounds(0, 0, SHAPE[1], SHAPE[0])
FILLS = {
    "plain": np.broadcast_to(np.float32((31, 64, 122)), (*SHAPE, 3)),
    "linear": ramp(SHAPE, (250, 200, 90), (160, 60, 130), (0.6, 0.8)),
    "radial": glow(SHAPE, (200, 120), (255, 250, 235), (90, 150, 190)),
}


def busy(fill):
    """40 % of the picture is covered: a card with a word, discs, a bar on the lower border."""
    drawing = Drawing(SHAPE, fill)
    drawing.lay(rectangle(SHAPE, (20, 18, 130, 84), 9), (252, 252, 250))
    drawing.lay(words(SHAPE, (32, 36), "Harbour", 30), (20, 20, 40))
    drawing.lay(ellipse(SHAPE, 199, 64, 30), (215, 40, 40))
    drawing.lay(ellipse(SHAPE, 199, 64, 13), (240, 220, 40))
    drawing.lay(rectangle(SHAPE, (40, 140, 90, 31)), (20, 110, 70))
    return drawing


def found_error(analysis, fill):
    background = find_background(analysis)
    assert background.shade is not None
    return background.kind, float(np.abs(background.render(FULL) - fill).max())


@pytest.mark.parametrize("kind", FILLS)
@pytest.mark.parametrize(("lossy", "most"), [(False, 2.0), (True, 6.0)], ids=["png", "jpeg"])
def test_fills_are_recovered_beneath_what_stands_on_them(kind, lossy, most):
    drawing = busy(FILLS[kind])
    assert 0.35 < np.mean(np.max(drawing.layers, axis=0)) < 0.45
    found, error = found_error(drawing.analysis(lossy=lossy), FILLS[kind])
    assert found == kind
    assert error <= most


@given(
    first=st.tuples(*[st.integers(0, 255)] * 3),
    last=st.tuples(*[st.integers(0, 255)] * 3),
    angle=st.floats(0, 6.28),
    place=st.tuples(st.integers(20, 90), st.integers(20, 60)),
)
@settings(max_examples=6, deadline=None)
def test_any_linear_gradient(first, last, angle, place):
    shape = (97, 131)
    fill = ramp(shape, first, last, (np.cos(angle), np.sin(angle)))
    drawing = Drawing(shape, fill)
    card = np.where(np.mean(fill) > 127, 0, 255) * np.ones(3)
    drawing.lay(ellipse(shape, *place, 19, 14), card)
    background = find_background(drawing.analysis())
    assert background.shade is not None
    shown = background.render(Bounds(0, 0, 131, 97))
    assert np.abs(shown - fill).max() <= 2.0


def test_shadows_do_not_bend_a_plain_fill():
    card = rectangle(SHAPE, (50, 40, 120, 80), 6)
    drawing = Drawing(SHAPE, (236, 240, 244)).shade(card, dx=4, dy=7, sigma=7, opacity=0.5)
    kind, error = found_error(drawing.lay(card, (90, 40, 120)).analysis(), (236, 240, 244))
    assert kind == "plain"
    assert error <= 1.0


def test_a_big_card_inside_is_not_the_background():
    drawing = Drawing(SHAPE, (20, 90, 60))
    drawing.lay(rectangle(SHAPE, (6, 6, SHAPE[1] - 12, SHAPE[0] - 12)), (250, 250, 245))
    kind, error = found_error(drawing.analysis(), (20, 90, 60))
    assert kind == "plain"
    assert error <= 0.5


def textured(shape, seed=5):
    """Something like a photograph: detail at every scale."""
    rng = np.random.default_rng(seed)
    total = np.zeros((*shape, 3), np.float32)
    for sigma in (1.0, 3.0, 9.0, 27.0):
        wave = cv2.GaussianBlur(rng.normal(size=(*shape, 3)).astype(np.float32), (0, 0), sigma)
        total += wave / wave.std()
    return np.clip(120 + 25 * total, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("lossy", [False, True])
def test_texture_is_a_photograph(lossy):
    background = find_background(analyse(textured(SHAPE), lossy=lossy))
    assert background.kind == "photograph"
    assert background.shade is None


def test_a_card_on_a_photograph_is_not_the_background():
    drawing = Drawing(SHAPE, textured(SHAPE).astype(np.float32))
    drawing.lay(rectangle(SHAPE, (40, 30, 150, 100)), (250, 250, 250))
    assert find_background(drawing.analysis()).kind == "photograph"
