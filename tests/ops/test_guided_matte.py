"""The fast matte: known pixels kept, soft edges and strands found, any size."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layerstudio.color import to_u8
from layerstudio.errors import Cancelled
from layerstudio.ops import guided
from layerstudio.ops import guided_matte as module
from layerstudio.ops.guided import linear_models
from layerstudio.ops.guided_matte import guided_matte


def scene(blur: float, size: int = 160):
    """A disc of one texture on another; a trimap that leaves the edge open."""
    rng = np.random.default_rng(1)
    texture = rng.random((size, size + 30, 3), np.float32) * 0.1
    disc = np.zeros((size, size + 30), np.float32)
    cv2.circle(disc, (90, size // 2), 50, 1.0, -1)
    alpha = cv2.GaussianBlur(disc, (0, 0), blur)
    front, back = texture + np.float32([0.8, 0.3, 0.1]), texture + np.float32([0.1, 0.4, 0.7])
    picture = to_u8(alpha[..., None] * front + (1 - alpha[..., None]) * back)
    reach = np.ones((25, 25), np.uint8)
    sure, possible = cv2.erode(disc, reach), cv2.dilate(disc, reach)
    trimap = np.where(sure > 0, 1, np.where(possible > 0, 0.5, 0)).astype(np.float32)
    return picture, trimap, alpha


@pytest.mark.parametrize("blur", [0.6, 4.0])
def test_an_edge_is_found_within_what_is_open(blur):
    picture, trimap, alpha = scene(blur)
    found = guided_matte(picture, trimap)
    is_open = trimap == 0.5
    assert np.array_equal(found[~is_open], trimap[~is_open])
    assert np.abs(found - alpha)[is_open].mean() < 0.03
    assert np.abs(trimap - alpha)[is_open].mean() > 0.3


def test_a_picture_larger_than_what_is_worked_gets_its_models(monkeypatch):
    picture, trimap, alpha = scene(2.0)
    whole = guided_matte(picture, trimap)
    monkeypatch.setattr(module, "_LARGEST", 80 * 95)
    monkeypatch.setattr(guided, "_BAND", 3000)
    small = guided_matte(picture, trimap)
    is_open = trimap == 0.5
    assert 0 < np.abs(small - whole)[is_open].mean() < 0.04
    assert np.abs(small - alpha)[is_open].mean() < 0.05


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 50), st.integers(1, 50), st.integers(0, 99), st.booleans())
def test_any_size_and_trimap_gives_alpha_in_range(height, width, seed, flat):
    rng = np.random.default_rng(seed)
    picture = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    if flat:
        picture[:] = picture[0, 0]
    trimap = rng.choice(np.float32([0, 0.5, 1]), (height, width))
    found = guided_matte(picture, trimap)
    assert np.isfinite(found).all() and found.min() >= 0 and found.max() <= 1
    assert np.array_equal(found[trimap != 0.5], trimap[trimap != 0.5])


def test_nothing_open_and_stopping():
    picture, trimap, _ = scene(1.0)
    known = np.round(trimap)
    assert np.array_equal(guided_matte(picture, known), known)

    def stop():
        raise Cancelled("stop")

    with pytest.raises(Cancelled):
        guided_matte(picture, trimap, check=stop)


def test_linear_models_are_exact_for_what_is_linear():
    """He et al., eq. 5: a linear function of the colours is reproduced, whatever the weights."""
    rng = np.random.default_rng(0)
    guide = rng.random((40, 53, 3)).astype(np.float32)
    values = guide @ np.float32([0.5, -0.2, 0.3]) + np.float32(0.1)
    weight = rng.random((40, 53)).astype(np.float32) + np.float32(0.1)
    models = linear_models(guide, values, weight, radius=3, epsilon=1e-9)
    assert np.abs(models.applied(guide) - values).max() < 1e-4
