"""What LayerDiffuse's colour bleeding promises, on sizes of any shape."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layerstudio.ops.pyramid_fill import pyramid_fill

sides = st.integers(1, 70)


def picture(height: int, width: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random((height, width, 4), dtype=np.float32)


@given(height=sides, width=sides, seed=st.integers(0, 9))
@settings(max_examples=40, deadline=None)
def test_visible_colour_stays_and_the_rest_is_a_mean_of_it(
    height: int, width: int, seed: int
) -> None:
    rgba = picture(height, width, seed)
    rgba[..., 3] = rgba[..., 3].round()
    filled = pyramid_fill(rgba)
    opaque = rgba[..., 3] == 1
    assert np.array_equal(filled[opaque], rgba[opaque][:, :3])
    if opaque.any():
        visible = rgba[opaque][:, :3]
        assert (filled >= visible.min(0) - 1e-5).all() and (filled <= visible.max(0) + 1e-5).all()


def test_partial_alpha_lets_the_surroundings_through() -> None:
    rgba = np.ones((32, 48, 4), np.float32)
    rgba[..., :3] = (1, 0, 0)
    rgba[15, 15] = (0, 0, 1, 0.5)
    middle = pyramid_fill(rgba)[15, 15]
    assert 0.2 < middle[0] < 0.5 and middle[1] == 0 and 0.5 <= middle[2] < 0.8


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_nothing_visible_is_black_and_opaque_is_itself(alpha: float) -> None:
    rgba = picture(7, 19, 1)
    rgba[..., 3] = alpha
    assert np.array_equal(pyramid_fill(rgba), rgba[..., :3] * np.float32(alpha))
