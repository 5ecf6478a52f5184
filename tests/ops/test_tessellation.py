"""Barycentric coordinates: shares that mix a colour, or the nearest one that can be mixed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import nnls

from layerstudio.ops.tessellation import Tessellation

PALETTES = {
    "one": [[10, 20, 30]],
    "two": [[0, 0, 0], [255, 255, 255]],
    "line": [[0, 0, 0], [128, 128, 128], [255, 255, 255], [40, 40, 40]],
    "plane": [[0, 0, 0], [255, 0, 0], [0, 255, 0], [255, 255, 0], [90, 70, 0]],
    "solid": [[0, 0, 0], [255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]],
    "inside": [[0, 0, 0], [255, 0, 0], [0, 255, 0], [0, 0, 255], [60, 60, 60]],
}


def palette(name):
    return np.array(PALETTES[name], np.float32) / 255


@pytest.mark.parametrize("name", PALETTES)
def test_mixtures_are_mixed_and_weights_are_shares(name):
    colours = palette(name)
    rng = np.random.default_rng(0)
    mixed = (rng.dirichlet(np.ones(len(colours)), 500) @ colours).astype(np.float32)
    weights = Tessellation(colours).weights(mixed)
    assert weights.min() >= 0
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(weights @ colours, mixed, atol=2e-4)


@pytest.mark.parametrize("name", PALETTES)
def test_every_colour_of_the_palette_is_itself_alone(name):
    colours = palette(name)
    np.testing.assert_allclose(
        Tessellation(colours).weights(colours), np.eye(len(colours)), atol=1e-3
    )


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 9), st.sampled_from([1, 2, 3]))
def test_what_cannot_be_mixed_becomes_the_nearest_colour(seed, count, rank):
    rng = np.random.default_rng(seed)
    colours = rng.random((count, 3))
    colours[:, rank:] = 0.5
    points = rng.random((20, 3)).astype(np.float32)
    weights = Tessellation(colours).weights(points)
    assert weights.min() >= 0
    found = np.linalg.norm(weights @ colours - points, axis=1)
    # The same by non-negative least squares, with the sum held to 1 by a large weight.
    matrix = np.vstack([colours.T, np.full(count, 1e3)])
    best = [nnls(matrix, np.append(point, 1e3))[1] for point in points]
    np.testing.assert_allclose(found, best, atol=3e-3)


def test_weights_are_continuous_across_the_hull():
    tessellation = Tessellation(palette("solid"))
    line = np.linspace([-0.2, 0.3, 0.4], [1.2, 0.5, 0.1], 4000).astype(np.float32)
    steps = np.abs(np.diff(tessellation.weights(line), axis=0)).max()
    assert steps < 5e-3
