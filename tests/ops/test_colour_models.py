"""Groups of colours with their shades, tints of shade and light, and tables of functions."""

import numpy as np

from layerstudio.oklab import oklab
from layerstudio.ops.colour_bins import ColourBins
from layerstudio.ops.colour_models import (
    covariance_of,
    grouped,
    light_colour,
    shade_colour,
)
from layerstudio.ops.colour_table import ColourTable

BASES = np.array([[0.85, 0.3, 0.25], [0.25, 0.5, 0.85]], np.float32)


def shaded_bins(shade=(0.4, 0.4, 0.7)):
    """Two flat colours, many pixels each, with shades and lights of them."""
    shares = np.linspace(0, 0.6, 7, dtype=np.float32)[:, None]
    dark = [base * (1 - share * (1 - np.array(shade))) for base in BASES for share in shares]
    light = [1 - (1 - base) * (1 - 0.3 * share) for base in BASES for share in shares]
    colours = np.array([*BASES, *dark, *light], np.float32)
    return ColourBins(colours, np.array([9000, 6000] + [40] * (len(colours) - 2)))


def test_shades_stay_with_their_colour():
    bins = shaded_bins()
    groups = grouped(bins)
    np.testing.assert_allclose(groups.bases, BASES)
    expected = np.array([0, 1] + 2 * ([0] * 7 + [1] * 7))
    assert np.array_equal(groups.owner, expected)


def test_a_shade_is_tinted_as_what_it_does():
    bins = shaded_bins()
    groups = grouped(bins)
    shade = shade_colour(bins, groups)
    assert shade[2] > shade[0] + 0.05
    assert light_colour(bins, groups).min() > 0.4


def test_covariances_are_those_of_a_flat_colour():
    bins = shaded_bins()
    spread = covariance_of(bins, grouped(bins).owner == 0, BASES[0])
    values = np.linalg.eigvalsh(spread)
    assert np.sqrt(values.min()) >= 5 / 255 - 1e-4
    assert np.sqrt(values.max()) <= 16 / 255 + 1e-4


def test_oklab_of_white_and_of_red():
    # Ottosson's page: white is (1, 0, 0); sRGB red is (0.628, 0.225, 0.126).
    found = oklab(np.array([[1, 1, 1], [1, 0, 0]], np.float32))
    np.testing.assert_allclose(found, [[1, 0, 0], [0.628, 0.225, 0.126]], atol=1e-3)


def test_a_table_interpolates_and_evens_out():
    rng = np.random.default_rng(0)
    colours = rng.random((300, 3)).astype(np.float32)
    colours[0], colours[1] = 0, 1
    table = ColourTable()
    table.note(colours)
    table.solve(lambda x: np.column_stack([x.sum(axis=1), x[:, 0]]))
    wanted = np.column_stack([colours.sum(axis=1), colours[:, 0]])
    np.testing.assert_allclose(table.at(colours), wanted, atol=1e-5)
    line = np.repeat(np.linspace(0, 1, 400, dtype=np.float32)[:, None], 3, axis=1)
    table = ColourTable()
    table.note(line)
    table.solve(lambda x: (x[:, :1] > 0.5).astype(np.float32))
    jump = np.abs(np.diff(table.at(line)[:, 0])).max()
    assert np.abs(np.diff(table.evened(3).at(line)[:, 0])).max() < 0.6 * jump
