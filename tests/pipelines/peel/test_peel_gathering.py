"""Loose parts of one drawing are one layer; drawings that stand side by side are not."""

from __future__ import annotations

import numpy as np
from drawn_photographs import reading
from hypothesis import given, settings
from hypothesis import strategies as st

from layerstudio.document import Role
from layerstudio.geometry import Bounds
from layerstudio.pipelines.flat.element import Element
from layerstudio.pipelines.peel.gathering import gap_between, gathered

SHAPE = (240, 331)
PLACES = np.indices(SHAPE, np.float32)[::-1]


def box(x, y, width, height):
    alpha = np.ones((height, width), np.float32)
    colour = np.full((height, width, 3), x % 256, np.float32)
    return Element(Role.OBJECT, Bounds(x, y, width, height), alpha, colour, "drawing")


def reading_of(*drawings):
    """The pixels of each drawing, a list of its parts, point to its middle."""
    away = np.zeros((2, *SHAPE), np.float32)
    for parts in drawings:
        own = np.zeros(SHAPE, bool)
        for part in parts:
            own[part.bounds.slices] = True
        for way, place in zip(away, PLACES, strict=True):
            way[own] = place[own].mean() - place[own]
    return reading(SHAPE, drawing=np.ones(SHAPE, np.float32), away=away)


@settings(max_examples=30, deadline=None)
@given(width=st.integers(50, 90), height=st.integers(60, 100), gap=st.integers(6, 16),
       dot=st.integers(14, 24))  # fmt: skip
def test_a_dot_above_its_stroke_is_part_of_it_and_a_neighbour_is_not(width, height, gap, dot):
    stroke = box(40, 110, width, height)
    top = box(40 + (width - dot) // 2, 110 - gap - dot, dot, dot)
    neighbour = box(40 + width + gap, 100, width, height)
    found = gathered([stroke, top, neighbour], reading_of([stroke, top], [neighbour]))
    assert len(found) == 2 and found[1] is neighbour
    whole = found[0]
    assert whole.bounds == stroke.bounds.union(top.bounds)
    assert whole.alpha.sum() == stroke.alpha.sum() + top.alpha.sum()
    alone = gathered([stroke, top, neighbour], reading_of([stroke], [top], [neighbour]))
    assert alone == [stroke, top, neighbour]


def test_gaps_are_measured_between_boxes():
    one = Bounds(10, 10, 20, 20)
    assert gap_between(one, Bounds(25, 25, 9, 9)) == 0
    assert gap_between(one, Bounds(33, 34, 9, 9)) == gap_between(Bounds(33, 34, 9, 9), one) == 5
