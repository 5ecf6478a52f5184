"""Smooth weights: they mix the picture exactly, and jump less than those of colour alone."""

import numpy as np
import pytest

from layerstudio.geometry import Extent
from layerstudio.ops.guided_maps import GuidedMaps, enlarged_rows
from layerstudio.ops.rgbxy import as_functions, corrected, smooth_weights
from layerstudio.ops.tessellation import Tessellation
from tests.ops.test_hull_palette import KNOWN, mixed_picture

CUBE = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 1, 1]], np.float32)


def test_weights_of_a_known_mixture_follow_it():
    known, picture = mixed_picture(KNOWN)
    colours = picture[..., :3].astype(np.float32) / 255
    weights = smooth_weights(colours, Tessellation(KNOWN / 255), seed=0)
    for index in range(len(KNOWN)):
        assert np.corrcoef(weights[..., index].ravel(), known[..., index].ravel())[0, 1] > 0.95


@pytest.mark.parametrize("shape", [(40, 52), (1, 70), (70, 1), (3, 3), (1, 1)])
def test_every_pixel_is_mixed_exactly(shape):
    rng = np.random.default_rng(1)
    colours = (rng.dirichlet(np.ones(6), shape) @ CUBE).astype(np.float32)
    weights = smooth_weights(colours, Tessellation(CUBE), seed=0)
    assert weights.min() >= 0
    np.testing.assert_allclose(weights.sum(axis=2), 1, atol=1e-5)
    np.testing.assert_allclose(weights @ CUBE, colours, atol=5e-4)


def test_place_makes_weights_smoother():
    ys, xs = np.mgrid[:64, :64].astype(np.float32) / 63
    colours = np.stack([xs, ys, 0.5 * (1 - np.abs(xs - ys))], axis=-1)
    tessellation = Tessellation(CUBE)
    alone = tessellation.weights(colours.reshape(-1, 3)).reshape(64, 64, -1)
    smooth = smooth_weights(colours, tessellation, seed=0)

    def bend(weights):  # second differences: kinks where simplices meet
        return float(np.square(np.diff(weights, n=2, axis=0)).sum())

    assert bend(smooth) < bend(alone)


def test_correction_repairs_any_estimate():
    rng = np.random.default_rng(2)
    colours = (rng.dirichlet(np.ones(6), 300) @ CUBE).astype(np.float32)
    wrong = rng.random((300, 6)).astype(np.float32) - 0.2
    right = corrected(wrong, colours, Tessellation(CUBE))
    assert right.min() >= 0
    np.testing.assert_allclose(right @ CUBE, colours, atol=5e-4)


def test_functions_of_a_small_picture_give_the_large_ones_edges():
    large = np.zeros((120, 150, 3), np.float32)
    large[:, 70:] = (0.9, 0.2, 0.1)
    small = np.ascontiguousarray(large[::3, ::3])
    maps = as_functions(small, np.stack([small[..., 0] > 0.5, small[..., 0] < 0.5], -1) * 1.0)
    assert isinstance(maps, GuidedMaps)
    rows = maps.rows(large[40:60], 40, Extent(150, 120))
    off = np.abs(rows[..., 0] - (large[40:60, :, 0] > 0.5))
    assert off.max() < 0.2  # within a pixel of the small picture
    assert np.delete(off, np.s_[67:73], axis=1).max() < 0.02


def test_bands_are_parts_of_the_whole():
    small = np.random.default_rng(0).random((7, 9, 5)).astype(np.float32)
    extent = Extent(31, 23)
    whole = enlarged_rows(small, 0, 23, extent)
    parts = [enlarged_rows(small, top, min(top + 6, 23), extent) for top in range(0, 23, 6)]
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-6)
