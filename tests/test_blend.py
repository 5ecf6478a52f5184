"""Blend functions against the specifications' formulas, written once more for single numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import permutations

import numpy as np
import pytest

from layerstudio.blend import BLEND_FUNCTIONS, dissolve_coverage
from layerstudio.composite import composite
from layerstudio.document import BlendMode, Document, Layer
from layerstudio.geometry import Bounds, Extent


def _dodge(b: float, s: float) -> float:
    return 0.0 if b == 0 else 1.0 if s == 1 else min(1.0, b / (1 - s))


def _burn(b: float, s: float) -> float:
    return 1.0 if b == 1 else 0.0 if s == 0 else 1 - min(1.0, (1 - b) / s)


def _hard(b: float, s: float) -> float:
    return b * 2 * s if s <= 0.5 else b + (2 * s - 1) - b * (2 * s - 1)


def _soft(b: float, s: float) -> float:
    if s <= 0.5:
        return b - (1 - 2 * s) * b * (1 - b)
    d = ((16 * b - 12) * b + 4) * b if b <= 0.25 else math.sqrt(b)
    return b + (2 * s - 1) * (d - b)


def _vivid(b: float, s: float) -> float:
    return _burn(b, 2 * s) if s <= 0.5 else _dodge(b, 2 * s - 1)


SEPARABLE: dict[BlendMode, Callable[[float, float], float]] = {
    BlendMode.NORMAL: lambda b, s: s,
    BlendMode.DARKEN: min,
    BlendMode.MULTIPLY: lambda b, s: b * s,
    BlendMode.COLOR_BURN: _burn,
    BlendMode.LINEAR_BURN: lambda b, s: max(0.0, b + s - 1),
    BlendMode.LIGHTEN: max,
    BlendMode.SCREEN: lambda b, s: b + s - b * s,
    BlendMode.COLOR_DODGE: _dodge,
    BlendMode.LINEAR_DODGE: lambda b, s: min(1.0, b + s),
    BlendMode.OVERLAY: lambda b, s: _hard(s, b),
    BlendMode.SOFT_LIGHT: _soft,
    BlendMode.HARD_LIGHT: _hard,
    BlendMode.VIVID_LIGHT: _vivid,
    BlendMode.LINEAR_LIGHT: lambda b, s: min(1.0, max(0.0, b + 2 * s - 1)),
    BlendMode.PIN_LIGHT: lambda b, s: min(b, 2 * s) if s <= 0.5 else max(b, 2 * s - 1),
    BlendMode.HARD_MIX: lambda b, s: 1.0 if b + s >= 1 - 1e-9 else 0.0,
    BlendMode.DIFFERENCE: lambda b, s: abs(b - s),
    BlendMode.EXCLUSION: lambda b, s: b + s - 2 * b * s,
    BlendMode.SUBTRACT: lambda b, s: max(0.0, b - s),
    BlendMode.DIVIDE: lambda b, s: 0.0 if b == 0 else 1.0 if s == 0 else min(1.0, b / s),
}


@pytest.mark.parametrize("mode", SEPARABLE)
def test_separable_mode_is_its_formula_for_every_pair_of_levels(mode: BlendMode) -> None:
    levels = np.arange(0, 256, 3) / 255  # 0, 1/85, ... 1: both ends included
    levels = np.concatenate([levels, [0.25, 0.5, 0.5 + 1e-6, 1 / 255, 254 / 255]])
    backdrop, source = (grid.astype(np.float32) for grid in np.meshgrid(levels, levels))
    got = BLEND_FUNCTIONS[mode](backdrop, source)
    formula = SEPARABLE[mode]
    pairs = zip(backdrop.ravel().tolist(), source.ravel().tolist(), strict=True)
    want = np.array([formula(b, s) for b, s in pairs]).reshape(got.shape)
    assert got.dtype == np.float32
    # Dodge and burn near their poles multiply float32's rounding by up to 255.
    np.testing.assert_allclose(got, want, atol=4e-5)
    assert got.min() >= 0
    assert got.max() <= 1 + 1e-6


@pytest.mark.parametrize(
    ("mode", "backdrop", "source", "result"),
    [
        (BlendMode.COLOR_DODGE, 0.0, 1.0, 0.0),
        (BlendMode.COLOR_DODGE, 1e-3, 1.0, 1.0),
        (BlendMode.COLOR_DODGE, 0.0, 0.0, 0.0),
        (BlendMode.COLOR_BURN, 1.0, 0.0, 1.0),
        (BlendMode.COLOR_BURN, 0.999, 0.0, 0.0),
        (BlendMode.COLOR_BURN, 1.0, 1.0, 1.0),
        (BlendMode.DIVIDE, 0.0, 0.0, 0.0),
        (BlendMode.DIVIDE, 0.5, 0.0, 1.0),
        (BlendMode.DIVIDE, 0.5, 1.0, 0.5),
        (BlendMode.VIVID_LIGHT, 1.0, 0.0, 1.0),
        (BlendMode.VIVID_LIGHT, 0.0, 1.0, 0.0),
        (BlendMode.VIVID_LIGHT, 0.3, 0.5, 0.3),
        (BlendMode.HARD_MIX, 100 / 255, 155 / 255, 1.0),
        (BlendMode.HARD_MIX, 100 / 255, 154 / 255, 0.0),
    ],
)
def test_poles_are_exact(mode: BlendMode, backdrop: float, source: float, result: float) -> None:
    with np.errstate(all="raise"):
        got = BLEND_FUNCTIONS[mode](
            np.array([backdrop], np.float32), np.array([source], np.float32)
        )
    assert got[0] == np.float32(result)


def _lum(c: list[float]) -> float:
    return 0.3 * c[0] + 0.59 * c[1] + 0.11 * c[2]


def _clip_color(c: list[float]) -> list[float]:
    lum, low, high = _lum(c), min(c), max(c)
    if low < 0:
        c = [lum + (x - lum) * lum / (lum - low) for x in c]
    if high > 1:
        c = [lum + (x - lum) * (1 - lum) / (high - lum) for x in c]
    return c


def _set_lum(c: list[float], lum: float) -> list[float]:
    return _clip_color([x + lum - _lum(c) for x in c])


def _set_sat(c: list[float], sat: float) -> list[float]:
    low, middle, high = sorted(range(3), key=lambda i: c[i])
    out = [0.0, 0.0, 0.0]
    if c[high] > c[low]:
        out[middle] = (c[middle] - c[low]) * sat / (c[high] - c[low])
        out[high] = sat
    return out


def _sat(c: list[float]) -> float:
    return max(c) - min(c)


NON_SEPARABLE: dict[BlendMode, Callable[[list[float], list[float]], list[float]]] = {
    BlendMode.HUE: lambda b, s: _set_lum(_set_sat(s, _sat(b)), _lum(b)),
    BlendMode.SATURATION: lambda b, s: _set_lum(_set_sat(b, _sat(s)), _lum(b)),
    BlendMode.COLOR: lambda b, s: _set_lum(s, _lum(b)),
    BlendMode.LUMINOSITY: lambda b, s: _set_lum(b, _lum(s)),
    BlendMode.DARKER_COLOR: lambda b, s: s if _lum(s) < _lum(b) else b,
    BlendMode.LIGHTER_COLOR: lambda b, s: s if _lum(s) > _lum(b) else b,
}


@pytest.mark.parametrize("mode", NON_SEPARABLE)
def test_non_separable_mode_is_its_formula(mode: BlendMode) -> None:
    rng = np.random.default_rng(7)
    backdrop, source = rng.integers(0, 256, (2, 3, 800)) / 255
    backdrop[:, :60] = backdrop[:1, :60]  # greys have no hue
    source[:, 30:90] = source[:1, 30:90]
    backdrop[:, 90:110], source[:, 100:120] = 0, 1
    with np.errstate(all="raise"):
        got = BLEND_FUNCTIONS[mode](backdrop.astype(np.float32), source.astype(np.float32))
    formula = NON_SEPARABLE[mode]
    pairs = zip(backdrop.T.tolist(), source.T.tolist(), strict=True)
    want = np.array([formula(b, s) for b, s in pairs]).T
    np.testing.assert_allclose(got, want, atol=2e-5)


def test_every_mode_of_a_layer_has_a_function() -> None:
    assert set(BLEND_FUNCTIONS) == set(BlendMode) - {BlendMode.PASS_THROUGH}
    checked = SEPARABLE.keys() | NON_SEPARABLE.keys() | {BlendMode.DISSOLVE}
    assert checked == set(BLEND_FUNCTIONS)


def test_no_two_modes_can_be_swapped() -> None:
    """The tolerance against Krita is 2/255; all 27 x 26 swaps are visible well above it."""
    rng = np.random.default_rng(11)
    shape = (40, 50, 4)
    backdrop, source = (rng.integers(0, 256, shape, dtype=np.uint8) for _ in range(2))
    bounds = Bounds(0, 0, 50, 40)
    below = Layer("backdrop", bounds, backdrop)
    pictures = {
        mode: composite(
            Document(Extent(50, 40), (below, Layer("source", bounds, source, blend=mode)))
        )
        for mode in BLEND_FUNCTIONS
    }
    for one, other in permutations(pictures, 2):
        difference = np.abs(pictures[one] - pictures[other])
        assert difference.max() > 20 / 255, (one, other)
        assert (difference > 2 / 255).any(axis=-1).mean() > 0.05, (one, other)


def test_dissolve_noise_is_uniform_and_bound_to_the_canvas() -> None:
    whole = Bounds(-40, -30, 300, 200)
    for level in (0.1, 0.5, 0.9):
        alpha = np.full(whole.extent.shape, level, np.float32)
        shown = dissolve_coverage(alpha, whole)
        assert set(np.unique(shown)) == {0.0, 1.0}
        assert abs(shown.mean() - level) < 0.01
        assert abs(shown.mean(axis=0).std() - math.sqrt(level * (1 - level) / 200)) < 0.005
        part = Bounds(17, 5, 90, 60)
        rows, cols = part.relative_to(whole).slices
        again = dissolve_coverage(alpha[rows, cols], part)
        np.testing.assert_array_equal(again, shown[rows, cols])
    assert not dissolve_coverage(np.zeros((200, 300), np.float32), whole).any()
    assert dissolve_coverage(np.ones((200, 300), np.float32), whole).all()
