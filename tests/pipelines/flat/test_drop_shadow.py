"""The numbers of a drop shadow, from the part of it that shows."""

import numpy as np
from drawn_pictures import ellipse, rectangle
from hypothesis import given, settings
from hypothesis import strategies as st

from layerstudio.pipelines.flat.analysis import dilate
from layerstudio.pipelines.flat.drop_shadow import DropShadow, fit_drop_shadow

SHAPE = (181, 243)
CASTER = np.maximum(ellipse(SHAPE, 105, 80, 38), rectangle(SHAPE, (110, 60, 50, 60), 6))
BESIDE = ~dilate(CASTER > 0.02, 2)
shadows = st.builds(
    DropShadow,
    dx=st.floats(-8, 12),
    dy=st.floats(2, 14),
    sigma=st.floats(3, 11),
    opacity=st.floats(0.2, 0.6),
)


def overlap(one, other):
    return float(np.minimum(one, other).sum() / np.maximum(one, other).sum())


@given(thrown=shadows)
@settings(max_examples=12, deadline=None)
def test_what_shows_tells_what_is_hidden(thrown):
    true = thrown.cast(CASTER)
    seen = np.rint(true * 200) / 200  # as of 8 bits on paper
    found, error = fit_drop_shadow(CASTER, seen.astype(np.float32), BESIDE)
    assert overlap(found.cast(CASTER), true) > 0.9
    assert error < 0.01


@given(thrown=shadows, x=st.integers(0, 60))
@settings(max_examples=8, deadline=None)
def test_the_darkness_of_something_else_does_not_mislead(thrown, x):
    true = thrown.cast(CASTER)
    other = DropShadow(0, 0, 4, 0.5).cast(rectangle(SHAPE, (x, 130, 30, 40)))
    seen = 1 - (1 - true) * (1 - other)
    found, _ = fit_drop_shadow(CASTER, seen.astype(np.float32), BESIDE)
    assert overlap(found.cast(CASTER), true) > 0.75


def test_no_darkness_gives_no_shadow_and_a_poor_fit_says_so():
    nothing = np.zeros(SHAPE, np.float32)
    found, error = fit_drop_shadow(CASTER, nothing, BESIDE)
    assert found.cast(CASTER).max() < 0.01 and error == 0
    stripes = np.zeros(SHAPE, np.float32)
    stripes[::24] = stripes[5::24] = 0.8
    assert fit_drop_shadow(CASTER, stripes, BESIDE)[1] > 0.02


def test_a_cast_shadow_is_moved_and_faint_where_the_caster_is_not():
    cast = DropShadow(6, 9, 2, 0.5).cast(CASTER)
    ys, xs = np.nonzero(cast > 0.25)
    rows, cols = np.nonzero(CASTER > 0.5)
    assert abs(xs.mean() - cols.mean() - 6) < 0.2 and abs(ys.mean() - rows.mean() - 9) < 0.2
    assert cast.max() <= 0.5 + 1e-6 and cast.dtype == np.float32
