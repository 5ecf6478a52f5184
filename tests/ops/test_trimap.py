"""Bands around masks."""

import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from layerstudio.ops.trimap import band_radius, trimap_of


def disc(radius=30):
    canvas = np.zeros((90, 113), np.uint8)
    cv2.circle(canvas, (50, 45), radius, 1, -1)
    return canvas > 0


@given(st.integers(2, 40), st.floats(1, 12))
def test_what_is_sure_agrees_with_the_mask(radius, band):
    mask = disc(radius)
    trimap = trimap_of(mask, band)
    assert set(np.unique(trimap)) <= {0.0, 0.5, 1.0}
    assert not (trimap[~mask] == 1).any() and not (trimap[mask] == 0).any()
    outside = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5)
    assert (trimap[outside > band] == 0).all()
    assert (trimap[45, 50] == 1) or radius <= 2


def test_a_thin_line_keeps_a_core():
    mask = np.zeros((60, 80), bool)
    mask[27:32] = True
    assert (trimap_of(mask, 10.0)[29] == 1).all()


def test_beside_what_hides_it_a_thing_is_sure():
    mask = disc()
    front = np.zeros_like(mask)
    front[:, 50:] = True
    trimap = trimap_of(mask & ~front, 6.0, sure_outside=front)
    assert (trimap[front] == 0).all()
    assert (trimap[30:60, 46:50] == 1).all()
    assert (trimap[45, 16:22] == 0.5).any()


def test_the_band_grows_with_size_scale_and_doubt():
    assert band_radius(1000) < band_radius(100_000)
    assert band_radius(1000, scale=1) < band_radius(1000, scale=6)
    assert band_radius(1000, score=1) < band_radius(1000, score=0.2)
    assert band_radius(0) >= 1
