"""The remainder makes any stack recompose, and is empty where nothing is missing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layerstudio.color import full_scale
from layerstudio.document import BlendMode, Document, Layer
from layerstudio.geometry import Bounds, Extent
from layerstudio.metrics.recompose import recomposition_error
from layerstudio.ops.remainder import remainder

MODES = (BlendMode.LINEAR_LIGHT, BlendMode.NORMAL)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(MODES), st.sampled_from([np.uint8, np.uint16]))
def test_with_it_the_picture_is_shown(seed, mode, dtype):
    rng = np.random.default_rng(seed)
    extent, full = Extent(9, 7), full_scale(dtype)
    picture = rng.integers(0, full + 1, (7, 9, 4)).astype(dtype)
    picture[..., 3] = full
    below = rng.integers(0, full + 1, (7, 9, 4)).astype(dtype)
    below[..., 3] = full
    close = rng.random((7, 9)) < 0.5
    below[close] = np.clip(picture[close].astype(int) + rng.integers(-3, 4, 4), 0, full)
    below[..., 3] = full
    rest = remainder(below[..., :3] / np.float32(full), picture, mode)
    layers = (
        Layer("below", Bounds.full(extent), below),
        Layer("rest", Bounds.full(extent), rest, blend=mode),
    )
    error = recomposition_error(Document(extent, layers), picture)
    assert error.max_error <= 1 / 255 + 1e-6


@pytest.mark.parametrize("mode", MODES)
def test_nothing_is_added_to_what_is_near_enough_or_not_seen(mode):
    picture = np.full((4, 5, 4), 200, np.uint8)
    picture[..., 3] = 255
    picture[0, 0] = 0
    shown = np.full((4, 5, 3), 201 / 255, np.float32)
    assert not remainder(shown, picture, mode).any()
