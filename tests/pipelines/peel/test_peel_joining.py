"""Pieces of a drawing are joined across all but borders."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from layerstudio.pipelines.peel.joining import contacts, joined
from layerstudio.pipelines.peel.reading import Sight

SHAPE = (60, 83)
GREY = np.full((*SHAPE, 3), 128, np.uint8)
WHOLE = np.ones(SHAPE, bool)


def sight(border, *things):
    """Grey all over; the pixels of each thing (h, w) point to its middle."""
    places = np.indices(SHAPE, np.float32)[::-1]
    away = np.zeros((2, *SHAPE), np.float32)
    for thing in things or (WHOLE,):
        for way, place in zip(away, places, strict=True):
            way[thing] = place[thing].mean() - place[thing]
    return Sight(border, away, GREY)


def mosaic(seed, count):
    """(h, w) numbers from 1: the nearest of ``count`` random points; all of them occur."""
    rng = np.random.default_rng(seed)
    points = np.stack([rng.uniform(0, side, count) for side in SHAPE], axis=1)
    rows, cols = np.indices(SHAPE)
    away = (rows[..., None] - points[:, 0]) ** 2 + (cols[..., None] - points[:, 1]) ** 2
    _, numbers = np.unique(away.argmin(axis=2), return_inverse=True)
    return numbers.reshape(SHAPE).astype(np.int32) + 1


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(2, 14), level=st.floats(0, 0.015))
def test_without_borders_what_is_connected_is_one(seed, count, level):
    labels = mosaic(seed, count)
    body = np.ones(SHAPE, bool)
    border = np.full(SHAPE, level, np.float32)
    assert not joined(labels, body, sight(border), body.size).any()


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(2, 9), kept=st.integers(20, 60))
def test_a_border_across_the_whole_body_parts_it_there_and_nowhere_else(seed, count, kept):
    """Whatever strips lie on either side."""
    rng = np.random.default_rng(seed)
    heights = [np.sort(rng.integers(0, SHAPE[0], count)) for _ in range(2)]
    left, right = (np.searchsorted(cuts, np.arange(SHAPE[0]))[:, None] for cuts in heights)
    left = np.repeat(left, kept, axis=1)
    right = np.repeat(right + left.max() + 1, SHAPE[1] - kept, axis=1)
    _, numbers = np.unique(np.hstack([left, right]), return_inverse=True)
    labels = numbers.reshape(SHAPE).astype(np.int32) + 1
    border = np.zeros(SHAPE, np.float32)
    border[:, kept - 1 : kept + 1] = 0.7
    body = np.ones(SHAPE, bool)
    right_half = np.broadcast_to(np.arange(SHAPE[1]) >= kept, SHAPE)
    found = joined(labels, body, sight(border, ~right_half, right_half), body.size)
    assert len(np.unique(found)) == 2
    assert np.unique(found[:, :kept]).size == np.unique(found[:, kept:]).size == 1


def test_small_pieces_join_the_neighbour_with_the_least_border_and_lone_ones_the_largest():
    labels = np.ones(SHAPE, np.int32)
    labels[:, 45:] = 2
    labels[10:34, 43:47] = 3  # a speck between both, with borders all around
    labels[50:, :6] = 4  # an ear-ring
    body = np.ones(SHAPE, bool)
    body[47:50, :9] = False
    body[50:, 6:9] = False
    border = np.zeros(SHAPE, np.float32)
    border[:, 43:47] = 0.97
    border[10:34, 40:45] = 0.6
    right = labels == 2
    found = joined(labels, body, sight(border, ~right, right), 100_000)
    assert found[0, 0] != found[0, 80]
    assert found[22, 45] == found[0, 0]
    assert found[55, 2] == found[0, 0]


def test_two_that_point_to_two_middles_are_two_whose_border_is_hardly_seen():
    labels = np.ones(SHAPE, np.int32)
    labels[:, 42:] = 2
    border = np.zeros(SHAPE, np.float32)
    border[:, 41:43] = 0.5
    right = labels == 2
    assert not joined(labels, WHOLE, sight(border), WHOLE.size).any()
    assert len(np.unique(joined(labels, WHOLE, sight(border, ~right, right), WHOLE.size))) == 2


def test_contacts_are_the_pixels_in_which_two_meet():
    labels = mosaic(3, 6)
    body = ndimage.binary_erosion(np.ones(SHAPE, bool), iterations=2)
    found = contacts(labels, body)
    for (one, other), (rows, cols) in found.items():
        assert one < other and body[rows, cols].all()
        near = ndimage.binary_dilation(labels == other, ndimage.generate_binary_structure(2, 1))
        touching = ndimage.binary_dilation(labels == one, ndimage.generate_binary_structure(2, 1))
        assert (near | touching)[rows, cols].all()
