"""Foreground colours: known where nothing is mixed, close to the truth where it is."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layerstudio.color import to_float, to_u8
from layerstudio.errors import Cancelled
from layerstudio.ops import foreground as module
from layerstudio.ops.foreground import foreground, foreground_and_background


def scene(height: int, width: int, seed: int = 0):
    """A smooth picture by a soft disc over another one."""
    rng = np.random.default_rng(seed)
    front, back = (
        cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR) + np.float32(base)
        for coarse, base in zip(
            rng.random((2, 4, 5, 3), np.float32) * np.float32(0.3),
            ([0.6, 0.1, 0.2], [0.1, 0.5, 0.6]),
            strict=True,
        )
    )
    y, x = np.mgrid[:height, :width]
    distance = np.hypot((x / width - 0.5) * 2, (y / height - 0.5) * 2)
    alpha = np.clip(2.2 - 3.5 * distance, 0, 1).astype(np.float32)
    picture = alpha[..., None] * front + (1 - alpha[..., None]) * back
    return to_u8(picture), alpha, front, back


@pytest.mark.parametrize("shape", [(61, 97), (128, 33)])
def test_both_colours_are_near_the_truth_and_explain_the_picture(shape):
    picture, alpha, front, back = scene(*shape)
    f, b = foreground_and_background(picture, alpha)
    share = alpha[..., None]
    mixed = (alpha > 0.05) & (alpha < 0.95)
    assert np.abs(f - front)[mixed].mean() < 0.04
    assert np.abs(picture / 255 - front)[mixed].mean() > 0.12  # the picture itself is no answer
    explained = share * f + (1 - share) * b
    assert np.abs(explained - picture / 255).max() < 0.03
    assert np.array_equal(f[alpha == 1], to_float(picture)[alpha == 1])
    assert np.abs(b - back)[mixed].mean() < 0.04


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 99))
def test_any_size_and_alpha_gives_colours_in_range(height, width, seed):
    rng = np.random.default_rng(seed)
    picture = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    alpha = rng.choice(np.float32([0, 0.3, 1]), (height, width))
    f, b = foreground_and_background(picture, alpha)
    for colour in (f, b):
        assert colour.shape == picture.shape and colour.dtype == np.float32
        assert colour.min() >= 0 and colour.max() <= 1


def test_bands_change_nothing(monkeypatch):
    picture, alpha, *_ = scene(150, 47)
    whole = foreground(picture, alpha)
    monkeypatch.setattr(module, "_BAND", 20 * 47)
    assert np.allclose(foreground(picture, alpha), whole, atol=2e-6)


def test_can_be_stopped():
    calls = []

    def check():
        calls.append(1)
        if len(calls) == 3:
            raise Cancelled("stop")

    with pytest.raises(Cancelled):
        foreground(*scene(64, 64)[:2], check=check)
