"""What was blended is found again."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layerstudio.ops.unblend import least_alpha, project_alpha, unblend_colour, unknown_veil


def scene(seed, shape=(9, 13)):
    """Foreground, background (h, w, 3) and alpha (h, w)."""
    rng = np.random.default_rng(seed)
    front, back = rng.uniform(0, 255, (2, *shape, 3)).astype(np.float32)
    return front, back, rng.uniform(0, 1, shape).astype(np.float32)


def blended(front, back, alpha):
    return (front * alpha[..., None] + back * (1 - alpha[..., None])).astype(np.float32)


@given(st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_alpha_of_known_colours(seed):
    front, back, alpha = scene(seed)
    found = project_alpha(blended(front, back, alpha), front, back)
    np.testing.assert_allclose(found, alpha, atol=2e-3)


def test_alpha_of_one_colour_for_all_and_where_nothing_can_be_known():
    _, back, alpha = scene(1)
    colour = np.array([300.0, -40.0, 20.0], np.float32)  # outside of the background's colours
    found = project_alpha(blended(np.broadcast_to(colour, back.shape), back, alpha), colour, back)
    np.testing.assert_allclose(found, alpha, atol=1e-4)
    assert not project_alpha(back, back, back).any()


@given(st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_colour_of_known_alpha(seed):
    front, back, alpha = scene(seed)
    alpha[alpha < 0.1] = 0
    found = unblend_colour(blended(front, back, alpha), alpha, back)
    seen = alpha > 0
    np.testing.assert_allclose(found[seen], front[seen], atol=0.01)
    assert not found[~seen].any()


@given(st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_least_alpha_is_enough_and_less_is_not(seed):
    front, back, alpha = scene(seed)
    image = blended(front, back, alpha)
    least = least_alpha(image, back)
    assert (least <= alpha + 1e-4).all()
    enough = np.minimum(least + 1e-3, 1)
    again = blended(unblend_colour(image, enough, back), back, enough)
    np.testing.assert_allclose(again, image, atol=0.01)
    less = np.maximum(least - 0.02, 0)
    needed = least > 0.05
    off = np.abs(blended(unblend_colour(image, less, back), back, less) - image).max(axis=2)
    assert (off[needed] > 0.1).mean() > 0.9


@pytest.mark.parametrize("alpha", [0.1, 0.5, 0.93])
def test_a_veil_from_pairs(alpha):
    rng = np.random.default_rng(5)
    outside = rng.uniform(0, 255, (300, 3))
    tint = np.array([250.0, 30.0, 90.0])
    inside = np.rint(outside * (1 - alpha) + tint * alpha)
    found = unknown_veil(inside, outside)
    assert found is not None
    assert found[0] == pytest.approx(alpha, abs=0.01)
    np.testing.assert_allclose(found[1], tint, atol=6)


def test_no_veil_from_one_colour_or_none_at_all():
    grey = np.full((50, 3), 120.0)
    assert unknown_veil(grey + 10, grey) is None
    outside = np.random.default_rng(6).uniform(0, 255, (50, 3))
    assert unknown_veil(outside, outside) is None
