"""Colours taken apart by blend modes: known alphas are found, and slopes are what they say."""

import numpy as np
import pytest

from layerstudio.blend import BLEND_FUNCTIONS
from layerstudio.document import BlendMode
from layerstudio.errors import Cancelled
from layerstudio.ops.blend_slopes import BLENDABLE, shown_colour, shown_with_slopes
from layerstudio.ops.soft_unmixing import (
    LayerModels,
    fitted_colours,
    is_poor,
    mended_alphas,
    unmixed_alphas,
)
from layerstudio.progress import CancelToken

N, M, S = BlendMode.NORMAL, BlendMode.MULTIPLY, BlendMode.SCREEN
PAPERS_13 = {
    "normal", "multiply", "screen", "overlay", "darken", "lighten", "color-dodge", "color-burn",
    "hard-light", "soft-light", "difference", "exclusion", "linear-dodge",
}  # fmt: skip


def models_of(modes, levels, deviation=0.02):
    means = np.array(levels, np.float32)
    spread = np.repeat((np.eye(3) * deviation**2)[None], len(modes), axis=0)
    return LayerModels(tuple(modes), means, spread.astype(np.float32))


def shown_by(models, alphas):
    colours = np.repeat(models.means[:, :, None], alphas.shape[1], axis=2)
    return shown_colour(models.modes, alphas, colours)


def test_all_modes_of_the_paper_can_be_solved():
    assert {mode.value for mode in BLENDABLE} >= PAPERS_13
    assert set(BLENDABLE) <= set(BLEND_FUNCTIONS)


@pytest.mark.parametrize("mode", BLENDABLE[1:])
def test_a_known_alpha_is_found(mode):
    models = models_of((N, mode), [[0.55, 0.5, 0.45], [0.2, 0.3, 0.8]])
    alphas = np.ones((2, 60), np.float32)
    alphas[1] = np.linspace(0, 0.95, 60)
    found = unmixed_alphas(shown_by(models, alphas).T, models, lambda: None)
    np.testing.assert_allclose(found[:, 1], alphas[1], atol=0.005)


def test_shade_and_light_on_two_colours_are_told_apart():
    models = models_of(
        (N, N, M, S), [[0.9, 0.8, 0.6], [0.7, 0.2, 0.2], [0.15, 0.1, 0.3], [1, 1, 0.8]]
    )
    rng = np.random.default_rng(0)
    alphas = np.ones((4, 300), np.float32)
    alphas[1] = rng.random(300) > 0.5
    alphas[2] = rng.uniform(0, 0.8, 300) * (rng.random(300) > 0.5)
    alphas[3] = rng.uniform(0, 0.8, 300) * (alphas[2] == 0)
    target = shown_by(models, alphas)
    found = unmixed_alphas(target.T, models, lambda: None)
    assert np.abs(found - alphas.T).mean() < 0.02
    for index in (1, 2, 3):
        assert np.corrcoef(found[:, index], alphas[index])[0, 1] > 0.95
    colours = fitted_colours(target, found.T, models, 4)
    assert np.abs(shown_colour(models.modes, found.T, colours) - target).max() < 1 / 255


@pytest.mark.parametrize("mode", BLENDABLE)
def test_slopes_are_those_of_what_is_shown(mode):
    rng = np.random.default_rng(1)
    modes = (N, mode, M)
    # float64, so that differences of a millionth tell slopes; away from the modes' kinks.
    alphas = np.vstack([np.ones(50), rng.uniform(0.2, 0.8, (2, 50))])
    colours = rng.uniform(0.1, 0.9, (3, 3, 50))
    shown = shown_with_slopes(modes, alphas, colours)
    step = 1e-6
    for layer in range(3):
        moved = colours.copy()
        moved[layer] += step
        slope = (shown_colour(modes, alphas, moved) - shown.colour) / step
        off = np.abs(slope - shown.by_colour[layer])
        assert np.median(off) < 1e-2
        assert np.mean(off > 0.02) < 0.06  # kinks
        if layer:
            faded = alphas.copy()
            faded[layer] += step
            slope = (shown_colour(modes, faded, colours) - shown.colour) / step
            np.testing.assert_allclose(slope, shown.by_alpha[layer], atol=1e-3)


def test_alphas_give_way_where_colours_cannot():
    models = models_of((N, N), [[1, 1, 1], [0, 0, 0]])
    target = np.full((3, 4), 0.2, np.float32)
    alphas = np.array([[1.0] * 4, [0.4] * 4], np.float32)
    colours = fitted_colours(target, alphas, models, 4)
    assert is_poor(target, alphas, colours, models).all()
    mended = mended_alphas(target, alphas, models)
    fitted = fitted_colours(target, mended, models, 4)
    assert not is_poor(target, mended, fitted, models).any()
    np.testing.assert_allclose(mended[1], 0.8, atol=0.1)


def test_a_run_can_be_stopped():
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        unmixed_alphas(np.zeros((3, 3), np.float32), models_of((N, M), [[1] * 3] * 2), token.check)
