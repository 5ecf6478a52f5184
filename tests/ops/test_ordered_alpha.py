"""Weights to alphas in whole levels, without the errors adding up; and layers that are added."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layerstudio.ops.additive import whole_shares
from layerstudio.ops.ordered_alpha import hidden_alphas, ordered_alphas, rounded_alphas


def composited(alphas, colours):
    shown = np.repeat(colours[:1], len(alphas), axis=0).astype(np.float64)
    for index in range(1, len(colours)):
        shown += alphas[:, index : index + 1] * (colours[index] - shown)
    return shown


def case(seed, count, pixels=400):
    rng = np.random.default_rng(seed)
    colours = np.rint(rng.random((count, 3)) * 255).astype(np.float32) / 255
    weights = rng.dirichlet(np.full(count, 0.5), pixels).astype(np.float32)
    return weights, colours


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 10), st.sampled_from([255, 65535]))
def test_rounded_alphas_show_the_mixture(seed, count, full):
    weights, colours = case(seed, count)
    alphas = ordered_alphas(weights, np.full_like(weights, 1 / count))
    assert alphas.min() >= 0
    assert alphas.max() <= 1
    rounded, shown = rounded_alphas(alphas, colours, weights @ colours, full)
    assert np.array_equal(rounded, np.rint(rounded))
    np.testing.assert_allclose(composited(rounded / full, colours), shown, atol=1e-5)
    assert np.abs(shown - weights @ colours).max() * 255 < 1.45


def test_rounding_one_by_one_is_worse():
    weights, colours = case(0, 10, 5000)
    wanted = weights @ colours
    alphas = ordered_alphas(weights, np.zeros_like(weights))
    _, shown = rounded_alphas(alphas, colours, wanted, 255)
    plain = composited(np.rint(alphas * 255) / 255, colours)
    assert np.abs(shown - wanted).mean() < 0.9 * np.abs(plain - wanted).mean()


def test_alpha_of_what_is_hidden_goes_on_smoothly():
    weights = np.zeros((48, 48, 3), np.float32)
    weights[..., 0], weights[..., 1] = 0.5, 0.5
    noise = np.random.default_rng(0).random((24, 24, 2)).astype(np.float32) * 1e-6
    weights[12:36, 12:36, :2] = noise
    weights[12:36, 12:36, 2] = 1
    hidden = hidden_alphas(weights)
    alphas = ordered_alphas(weights.reshape(-1, 3), hidden.reshape(-1, 3)).reshape(48, 48, 3)
    np.testing.assert_allclose(alphas[..., 1], 0.5, atol=0.02)


@pytest.mark.parametrize("full", [255, 65535])
def test_shares_add_up_to_every_level(full):
    rng = np.random.default_rng(3)
    parts = (rng.dirichlet(np.ones(6), 500).T[:, :, None] * rng.random((6, 1, 3))).astype(
        np.float32
    )
    wanted = np.rint(rng.random((500, 3)) * full).astype(np.float32)
    wanted[:5] = 0
    parts[:, 5:10] = 0  # nothing has any of it
    shares = whole_shares(parts, wanted, full)
    assert shares.min() >= 0
    assert np.array_equal(shares.sum(axis=0), wanted)
    free = whole_shares(parts, None, full)
    assert np.abs(free - parts * full).max() <= 1.01
