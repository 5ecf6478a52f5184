"""Layers at working size brought to the picture's: its edges, its pixels, its depth, in bands."""

import tracemalloc

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layerstudio.document import Layer
from layerstudio.geometry import Bounds, Extent
from layerstudio.picture import Picture
from layerstudio.pipelines import enlarging
from layerstudio.pipelines.enlarging import at_full_size, snapped

sides = st.integers(1, 40)


def picture_of(width, height, seed=0, dtype=np.uint8):
    pixels = np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, (height, width, 4), dtype)
    pixels[..., 3] = np.iinfo(dtype).max
    return Picture(pixels)


def soft_layer(extent, bounds=None, seed=1, dtype=np.uint8):
    bounds = bounds or Bounds.full(extent)
    pixels = np.random.default_rng(seed).integers(
        0, np.iinfo(dtype).max, (*bounds.extent.shape, 4), dtype
    )
    return Layer("soft", bounds, pixels)


@settings(max_examples=60, deadline=None)
@given(sides, sides, sides, sides, st.sampled_from([np.uint8, np.uint16]))
def test_any_size_to_any_other(width, height, small_width, small_height, dtype):
    working = Extent(small_width, small_height)
    picture = picture_of(width, height, dtype=dtype)
    large = at_full_size(soft_layer(working), working, picture)
    assert large.bounds == Bounds.full(picture.extent) and large.pixels.dtype == dtype


def test_bands_change_nothing(monkeypatch):
    working, picture = Extent(30, 21), picture_of(131, 90)
    layer = soft_layer(working, Bounds(4, 3, 19, 11))
    whole = at_full_size(layer, working, picture)
    own = snapped([whole], picture)[0]
    monkeypatch.setattr(enlarging, "_BAND", 300)
    banded = at_full_size(layer, working, Picture(picture.pixels))
    assert np.abs(whole.pixels.astype(int) - banded.pixels).max() <= 1
    assert np.array_equal(snapped([whole], picture)[0].pixels, own.pixels)


def test_alpha_follows_the_edges_of_the_picture():
    """A disc known at a fifth of the size comes back with the picture's edge, not a blurred one."""
    size, factor = 400, 5
    picture = np.full((size, size, 4), 255, np.uint8)
    picture[..., :3] = 30
    disc = np.zeros((size, size), np.uint8)
    cv2.circle(disc, (200, 200), 120, 255, -1, cv2.LINE_AA)
    picture[..., :3] = np.maximum(picture[..., :3], disc[..., None])
    small = size // factor
    alpha = cv2.resize(disc, (small, small), interpolation=cv2.INTER_AREA)
    rgba = np.dstack([np.full((small, small, 3), 255, np.uint8), alpha])
    layer = Layer("disc", Bounds(0, 0, small, small), rgba)
    large = at_full_size(layer, Extent(small, small), Picture(picture))
    shown = np.zeros((size, size, 4))
    shown[large.bounds.slices] = large.pixels
    error = np.abs(shown[..., 3] - disc).mean()
    plain = np.abs(cv2.resize(alpha, (size, size)).astype(float) - disc).mean()
    assert error < 0.5 * plain
    assert np.abs(shown[disc > 250, :3] - 255).max() <= 1


def test_an_opaque_layer_is_bilinear():
    working, picture = Extent(16, 12), picture_of(80, 60)
    layer = soft_layer(working)
    layer = Layer(
        "solid", layer.bounds, np.dstack([layer.pixels[..., :3], np.full((12, 16), 255, np.uint8)])
    )
    large = at_full_size(layer, working, picture).pixels
    wanted = cv2.resize(layer.pixels.astype(np.float32), (80, 60), interpolation=cv2.INTER_LINEAR)
    assert np.abs(large - wanted).max() <= 1


def test_a_small_picture_gets_means():
    """Not single pixels of a layer made 20 times as large."""
    working, picture = Extent(80, 60), picture_of(4, 3)
    layer = soft_layer(working)
    large = at_full_size(layer, working, picture).pixels
    means = layer.pixels[..., 3].reshape(3, 20, 4, 20).mean((1, 3))
    assert np.abs(large[..., 3] - means).max() <= 1


def test_the_pictures_own_pixels_where_a_layer_is_on_top_and_opaque():
    extent = Extent(9, 7)
    picture = picture_of(*extent)
    below = Layer("below", Bounds.full(extent), np.full((7, 9, 4), (1, 2, 3, 250), np.uint8))
    above = Layer("above", Bounds(2, 1, 4, 3), np.full((3, 4, 4), (9, 9, 9, 128), np.uint8))
    solid = Layer("solid", Bounds(6, 5, 3, 2), np.full((2, 3, 4), (7, 7, 7, 243), np.uint8))
    low, mid, top = snapped([below, above, solid], picture)
    assert np.array_equal(top.pixels, picture.pixels[5:, 6:])
    assert np.array_equal(mid.pixels, above.pixels)
    under = np.zeros((7, 9), bool)
    under[1:4, 2:6] = under[5:, 6:] = True
    assert np.array_equal(low.pixels[under], below.pixels[under])
    assert np.array_equal(low.pixels[~under], picture.pixels[~under])


def test_what_is_not_opaque_in_the_picture_is_left_alone():
    picture = picture_of(5, 4)
    clear = np.array(picture.pixels)
    clear[..., 3] = 200
    layer = Layer("all", Bounds(0, 0, 5, 4), np.full((4, 5, 4), 255, np.uint8))
    assert np.array_equal(snapped([layer], Picture(clear))[0].pixels, layer.pixels)


@pytest.mark.parametrize("extent", [Extent(5000, 4000), Extent(40_000, 500)], ids=str)
def test_memory_is_that_of_the_result_and_a_few_bands(extent, monkeypatch):
    monkeypatch.setattr(enlarging, "_BAND", 2**17)
    pixels = np.zeros((*extent.shape, 4), np.uint8)
    pixels[:, ::7] = 255
    pixels[..., 3] = 255
    picture = Picture(pixels)
    working = Extent(64, 48)
    layer = soft_layer(working)
    tracemalloc.start()
    large = at_full_size(layer, working, picture)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert large.bounds.extent == extent
    assert peak - large.pixels.nbytes < 32e6  # a float copy of the picture is 320 MB
