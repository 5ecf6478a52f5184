"""A made-up hole goes on from the colours around it."""

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from layerstudio.ops.carried import carried
from layerstudio.ops.matched import matched


def scene():
    rng = np.random.default_rng(2)
    coarse = rng.integers(60, 190, (6, 8, 3), dtype=np.uint8)
    truth = cv2.resize(coarse, (141, 97), interpolation=cv2.INTER_CUBIC)
    holes = np.zeros((97, 141), bool)
    holes[30:70, 40:100] = True
    return truth, holes


def test_an_answer_of_another_tone_leaves_no_seam():
    """Brightness, contrast and a colour cast that changes across the picture, as decoders have."""
    truth, holes = scene()
    cast = np.linspace(-25, 25, 141)[None, :, None] * np.array([1, -1, 0.5])
    made = np.clip(truth * 0.9 + 20 + cast, 0, 255).astype(np.uint8)
    found = matched(truth, made, holes)
    before = np.abs(made.astype(int) - truth)[holes]
    after = np.abs(found.astype(int) - truth)[holes]
    edge = holes & ~cv2.erode(holes.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    assert before.mean() > 6 and after.mean() < 3
    assert np.abs(found.astype(int) - truth)[edge].mean() < 2
    assert np.array_equal(found[~holes], truth[~holes])


def test_texture_of_its_own_stays():
    truth, holes = scene()
    grain = np.random.default_rng(0).normal(0, 12, truth.shape)
    made = np.clip(truth + grain + 15, 0, 255).astype(np.uint8)
    found = matched(truth, made, holes)
    rest = (found.astype(float) - truth)[35:65, 45:95]
    assert 9 < rest.std() < 15 and abs(rest.mean()) < 4


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 99), st.floats(0, 1))
def test_any_hole_of_any_size(height, width, seed, share):
    rng = np.random.default_rng(seed)
    rgb, made = rng.integers(0, 256, (2, height, width, 3), dtype=np.uint8)
    holes = rng.random((height, width)) < share
    found = matched(rgb, made, holes)
    assert np.array_equal(found[~holes], rgb[~holes])
    if holes.all():
        assert np.array_equal(found, made)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 99), st.integers(1, 3))
def test_carried_keeps_what_is_known_and_stays_between(height, width, seed, channels):
    rng = np.random.default_rng(seed)
    values = rng.random((height, width, channels)).astype(np.float32)
    weight = (rng.random((height, width)) < 0.3).astype(np.float32)
    found = carried(values, weight)
    known = weight == 1
    if known.any():
        low, high = values[known].min(axis=0), values[known].max(axis=0)
        assert np.allclose(found[known], values[known], atol=1e-5)
        assert (found >= low - 1e-4).all() and (found <= high + 1e-4).all()
    else:
        assert not found.any()
