"""What is measured on a picture: steps, regions, noise."""

import cv2
import numpy as np
import pytest
from drawn_pictures import Drawing, ellipse, ramp, rectangle, words
from hypothesis import given, settings
from hypothesis import strategies as st

from layerstudio.pipelines.flat.analysis import (
    analyse,
    dilate,
    ellipse_kernel,
    erode,
    find_regions,
    hysteresis,
    local_step,
    residual,
)

SHAPE = (151, 213)


def design(colour=(30, 60, 140)):
    drawing = Drawing(SHAPE, colour)
    drawing.lay(rectangle(SHAPE, (15, 12, 120, 90)), (250, 250, 246))
    drawing.lay(words(SHAPE, (24, 30), "Market", 28), (190, 30, 40))
    return drawing.lay(ellipse(SHAPE, 170, 100, 28), (240, 170, 20))


shapes = st.tuples(st.integers(1, 13), st.integers(1, 13))


@given(shape=shapes, seed=st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_steps_are_the_largest_to_the_right_and_below(shape, seed):
    rgb = np.random.default_rng(seed).integers(0, 256, (*shape, 3), dtype=np.uint8)
    wide = np.pad(rgb.astype(int), ((0, 1), (0, 1), (0, 0)), mode="edge")
    right = np.abs(wide[:-1, 1:] - wide[:-1, :-1]).max(axis=2)
    below = np.abs(wide[1:, :-1] - wide[:-1, :-1]).max(axis=2)
    np.testing.assert_array_equal(local_step(rgb), np.maximum(right, below))


@given(shape=shapes, seed=st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_regions_cover_their_mask_and_fill_their_boxes(shape, seed):
    mask = np.random.default_rng(seed).random(shape) < 0.5
    regions = find_regions(mask)
    np.testing.assert_array_equal(regions.labels > 0, mask)
    for label in range(1, len(regions.areas)):
        bounds = regions.bounds(label)
        own = regions.mask(label, bounds)
        assert own.sum() == regions.areas[label] == (regions.labels == label).sum()
        assert own.any(axis=0).all() and own.any(axis=1).all()


def test_a_clean_rendering_has_no_noise_and_stays_as_it_is():
    picture, fade = design().png, Drawing(SHAPE, ramp(SHAPE, (9, 90, 200), (255, 0, 80))).png
    for rgb in (picture, picture[:40, :50], picture[:1], fade):
        found = analyse(rgb, lossy=False)
        assert found.noise == 0
        np.testing.assert_array_equal(found.rgb, rgb)


def test_heavy_compression_is_noticed_whatever_the_file_says():
    assert analyse(design().jpeg(50), lossy=False).noise >= 1


@pytest.mark.parametrize("quality", [60, 80, 92])
def test_compression_is_smoothed_away(quality):
    drawing = design()
    rgb = drawing.jpeg(quality)
    found = analyse(rgb, lossy=True)
    assert found.noise >= 1
    flat = erode(local_step(drawing.png) == 0, 3)
    before = np.abs(rgb.astype(int) - drawing.png)[flat].mean()
    after = np.abs(found.rgb.astype(int) - drawing.png)[flat].mean()
    assert after < 0.8 * before


def test_worse_compression_tolerates_more():
    clean, good, bad = (
        analyse(rgb, lossy=False).tolerance
        for rgb in (design().png, design().jpeg(50), design().jpeg(15))
    )
    assert clean < good < bad


def test_a_gradient_is_one_region_and_letters_stand_apart():
    drawing = Drawing(SHAPE, ramp(SHAPE, (255, 200, 0), (0, 120, 255)))
    drawing.lay(rectangle(SHAPE, (30, 30, 70, 50)), (10, 10, 10))
    regions = drawing.analysis().regions
    large = np.flatnonzero(regions.areas > 500)
    large = large[large > 0]
    assert len(large) == 2
    assert regions.labels[2, 2] == regions.labels[2, -3] == regions.labels[-3, 2]
    assert regions.labels[50, 60] not in (0, regions.labels[2, 2])


def test_weak_pixels_count_beside_strong_ones_only():
    values = np.zeros((9, 12), np.uint8)
    values[2, 1:5] = 10
    values[3, 5] = 40  # diagonal neighbour of the first row
    values[7, 7:10] = 20
    found = hysteresis(values, 5, 30)
    assert found[2, 1:5].all() and found[3, 5]
    assert found.sum() == 5


def test_the_residual_is_the_worst_channel():
    rgb = np.array([[[10, 20, 30], [200, 0, 5]]], np.uint8)
    backdrop = np.array([[[12.4, 20, 29], [90, -7, 300]]], np.float32)
    np.testing.assert_array_equal(residual(rgb, backdrop), [[2, 250]])


@given(seed=st.integers(0, 99), radius=st.integers(1, 4))
@settings(max_examples=20, deadline=None)
def test_opening_never_adds_and_closing_never_removes(seed, radius):
    mask = np.random.default_rng(seed).random((17, 23)) < 0.6
    assert not (dilate(erode(mask, radius), radius) & ~mask)[radius:-radius, radius:-radius].any()
    assert (erode(dilate(mask, radius), radius) | ~mask).all()
    assert erode(np.ones((5, 7), bool), radius).all()  # the border is no edge


def test_a_wide_erosion_is_that_by_a_disc():
    """From distances; the kernel that smaller ones take differs in pixels of the rim."""
    rng = np.random.default_rng(5)
    mask = np.ones((301, 407), bool)
    for x, y in rng.integers(0, 300, (9, 2)):
        mask[y : y + 7, x : x + 9] = False
    kernel = cv2.erode(mask.astype(np.uint8), ellipse_kernel(50)) > 0
    found = erode(mask, 50)
    assert (found != kernel).mean() < 0.01
    assert 0 < np.count_nonzero(found) < np.count_nonzero(mask)
    assert erode(np.ones((5, 7), bool), 50).all()
