"""Borders of panels by their colour, where nobody knows what lies beyond."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from layerstudio.geometry import Bounds, Extent
from layerstudio.pipelines.flat.outline import candidates
from layerstudio.pipelines.flat.panel_border import coloured_border

SHAPE = (121, 163)
FILL, BORDER = (70, 80, 150), (235, 225, 190)


def page(thickness, hidden=None):
    """A panel with a border on grain, and the outline of its fill."""
    rng = np.random.default_rng(2)
    image = rng.integers(0, 256, (*SHAPE, 3)).astype(np.uint8)
    box = Bounds(41, 37, 83, 50)
    image[box.padded(thickness).slices] = BORDER
    image[box.slices] = FILL
    if hidden is not None:
        image[hidden] = (20, 160, 40)
    mask = np.zeros(SHAPE, bool)
    mask[box.slices] = True
    full = Bounds.full(Extent(*SHAPE[::-1]))
    return image, candidates(mask, full, full.extent)[0]


@given(thickness=st.integers(2, 12), tolerance=st.floats(0, 6), across=st.booleans())
def test_a_border_is_as_thick_as_it_looks_even_where_something_crosses_it(
    thickness, tolerance, across
):
    hidden = np.zeros(SHAPE, bool)
    hidden[:, 60:80] = across
    image, outline = page(thickness, hidden)
    found = coloured_border(image, outline, np.zeros(SHAPE, bool), tolerance)
    assert abs(found - thickness) <= 1


def test_grain_and_more_of_the_same_fill_are_no_border():
    image, outline = page(0)
    nothing = np.zeros(SHAPE, bool)
    assert coloured_border(image, outline, nothing, 4.0) == 0
    image[:] = FILL
    assert coloured_border(image, outline, nothing, 4.0) == 0
    assert coloured_border(image, outline, ~nothing, 4.0) == 0, "all of it is hidden"


def test_an_even_backdrop_is_none():
    image, outline = page(0)
    image[outline.distance > 0] = BORDER
    assert coloured_border(image, outline, np.zeros(SHAPE, bool), 2.0) == 0
