"""Tiles around what is open: everything covered, in bounds, joined without a seam."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from layerstudio.geometry import Bounds, Extent
from layerstudio.pipelines.stages.open_tiles import joined, tiles_around


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(0, 999), st.floats(0, 0.3))
def test_every_open_pixel_is_somebodys_own(height, width, seed, share):
    is_open = np.random.default_rng(seed).random((height, width)) < share
    tiles = tiles_around(is_open, side=32, context=5)
    covered = np.zeros_like(is_open)
    for own, box in tiles:
        assert Bounds.full(Extent(width, height)).contains(box) and box.contains(own)
        assert box.area <= 32 * 32
        covered[own.slices] = True
    assert (covered >= is_open).all() and bool(tiles) == is_open.any()


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(0, 999), st.sampled_from([(), (2,)]))
def test_tiles_of_a_picture_join_to_the_picture(height, width, seed, channels):
    rng = np.random.default_rng(seed)
    picture = rng.random((height, width, *channels)).astype(np.float32)
    is_open = rng.random((height, width)) < 0.2
    tiles = tiles_around(is_open, side=32, context=5)
    made = joined(tiles, Extent(width, height), lambda box: picture[box.slices])
    assert made.shape[:2] == (height, width)
    assert not tiles or np.allclose(made[is_open], picture[is_open], atol=1e-6)


def test_neighbours_that_disagree_are_faded_into_each_other():
    is_open = np.ones((20, 300), bool)
    tiles = tiles_around(is_open, side=60, context=20)
    made = joined(
        tiles, Extent(300, 20), lambda box: np.full(box.extent.shape, box.x % 40 / 20, np.float32)
    )
    steps = np.abs(np.diff(made[10]))
    assert len(tiles) > 3 and made.max() - made.min() > 0.5 and steps.max() < 0.1
