"""Palettes: known ones are found again, and every kind of picture has one."""

import numpy as np
import pytest

from layerstudio.ops.colour_bins import ColourBins, colour_bins
from layerstudio.ops.hull_palette import MOST_COLOURS, hull_palette
from layerstudio.ops.tessellation import Tessellation

KNOWN = np.array(
    [[250, 246, 240], [20, 24, 40], [215, 40, 45], [240, 200, 60], [30, 120, 90]], np.float64
)


def opaque(rgb):
    levels = np.rint(np.clip(rgb, 0, 255)).astype(np.uint8)
    return np.dstack([levels, np.full(levels.shape[:2], 255, np.uint8)])


def mixed_picture(known, side=96, seed=0):
    """Soft weights of ``known`` colours, each pure somewhere, and the picture that they mix."""
    rng = np.random.default_rng(seed)
    ys, xs = np.mgrid[:side, :side] / side
    centres = rng.random((len(known), 2)) * 0.8 + 0.1
    centres[: len(known)] = [(0.15, 0.15), (0.85, 0.15), (0.15, 0.85), (0.85, 0.85), (0.5, 0.5)][
        : len(known)
    ]
    nearness = [np.exp(-((xs - x) ** 2 + (ys - y) ** 2) / 0.012) for x, y in centres]
    weights = np.stack(nearness, axis=-1) ** 1.5 + 1e-9
    weights /= weights.sum(axis=-1, keepdims=True)
    return weights, opaque(weights @ known)


def test_a_known_palette_is_found():
    _, picture = mixed_picture(KNOWN)
    found = hull_palette(colour_bins(picture)) * 255
    assert len(found) == len(KNOWN)
    away = np.abs(found[:, None] - KNOWN).max(axis=2)
    assert sorted(away.argmin(axis=1)) == list(range(len(KNOWN)))
    assert away.min(axis=1).max() <= 2


@pytest.mark.parametrize(
    ("colours", "count"),
    [
        ([[9, 9, 9]], 1),
        ([[9, 9, 9], [200, 10, 10]], 2),
        ([[v, v, v] for v in range(0, 256, 5)], 2),
        ([[0, 0, 0], [255, 0, 0], [0, 255, 0], [255, 255, 0], [128, 100, 0]], 4),
    ],
    ids=["constant", "two colours", "greys", "a plane"],
)
def test_colours_that_fill_no_space(colours, count):
    picture = opaque(np.repeat(np.array(colours)[None], 8, axis=0))
    assert len(hull_palette(colour_bins(picture))) == count


def test_noise_stays_bounded_and_a_wanted_number_is_kept_to():
    picture = opaque(np.random.default_rng(0).random((64, 80, 3)) * 255)
    bins = colour_bins(picture)
    assert len(hull_palette(bins)) <= MOST_COLOURS
    found = hull_palette(bins, 4)
    assert len(found) == 4
    more = hull_palette(bins, 12)
    assert len(more) == 12
    away = [Tessellation(few).distances(bins.colours).mean() for few in (found, more)]
    assert away[1] < away[0]


def test_transparent_pixels_do_not_count():
    picture = np.zeros((4, 4, 4), np.uint8)
    assert len(colour_bins(picture).colours) == 0
    picture[0] = (10, 200, 30, 255)
    found = colour_bins(picture)
    assert isinstance(found, ColourBins)
    np.testing.assert_allclose(found.colours * 255, [[10, 200, 30]], atol=1e-3)


def test_a_flat_colour_is_exact_among_soft_edges():
    picture = opaque(np.full((64, 64, 3), 220.0))
    picture[20:40, 20:40, :3] = (33, 101, 67)
    picture[19, 20:40, :3] = (36, 103, 70)  # shares a bin with it
    found = np.rint(hull_palette(colour_bins(picture)) * 255).astype(int).tolist()
    assert [33, 101, 67] in found
