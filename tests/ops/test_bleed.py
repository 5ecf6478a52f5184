import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layerstudio.color import premultiply, to_float, unpremultiply
from layerstudio.ops.bleed import DEFAULT_MARGIN, bleed


@st.composite
def cutouts(draw):
    """Random colour, with alpha 0 in a random share of the pixels."""
    height, width = draw(st.integers(1, 23)), draw(st.integers(1, 31))
    dtype = draw(st.sampled_from([np.uint8, np.uint16]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    pixels = rng.integers(0, np.iinfo(dtype).max, (height, width, 4), dtype, endpoint=True)
    pixels[rng.random((height, width)) < draw(st.sampled_from([0.0, 0.1, 0.9, 0.99, 1.0])), 3] = 0
    return pixels


@settings(deadline=None, max_examples=60)
@given(cutouts(), st.integers(1, 9))
def test_visible_pixels_and_alpha_are_untouched(pixels, margin):
    bled = bleed(pixels, margin)
    visible = pixels[..., 3] > 0
    assert bled.dtype == pixels.dtype
    assert np.array_equal(bled[visible], pixels[visible])
    assert np.array_equal(bled[..., 3], pixels[..., 3])
    assert np.array_equal(bleed(bled, margin), bled)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_shrinking_straight_pixels_leaves_no_fringe(dtype):
    """A disc of one colour over black nothing, halved by area as programs do it."""
    top = np.iinfo(dtype).max
    y, x = np.mgrid[:101, :135]
    pixels = np.zeros((101, 135, 4), dtype)
    pixels[np.hypot(x - 60, y - 50) < 37] = (top, top // 2, top // 5, top)

    def halved(values):
        return cv2.resize(values, (67, 50), interpolation=cv2.INTER_AREA)

    true = unpremultiply(halved(premultiply(to_float(pixels))))
    seen = true[..., 3] > 1e-3

    def fringe(source):
        return np.abs(halved(to_float(source)) - true)[..., :3][seen].max()

    assert fringe(pixels) > 0.5
    assert fringe(bleed(pixels)) < 1e-5


def test_colour_comes_from_the_nearest_visible_pixel():
    pixels = np.zeros((1, 40, 4), np.uint8)
    pixels[0, 0] = (200, 0, 0, 255)
    pixels[0, 39] = (0, 100, 0, 1)
    bled = bleed(pixels)[0]
    assert (bled[: DEFAULT_MARGIN + 1, 0] == 200).all()
    assert (bled[-DEFAULT_MARGIN - 1 :, 1] == 100).all()
    assert (bled[DEFAULT_MARGIN + 1 : -DEFAULT_MARGIN - 1] == (100, 50, 0, 0)).all()
