"""Outlines are recovered from a region with bites taken out of it."""

import numpy as np
import pytest
from drawn_pictures import covered, ellipse, polygon, rectangle, words
from hypothesis import given, settings
from hypothesis import strategies as st

from layerstudio.geometry import Bounds, Extent
from layerstudio.pipelines.flat.outline import Outline, candidates

SHAPE = (163, 241)
EXTENT = Extent(241, 163)
HEXAGON = [(60, 30), (180, 30), (215, 82), (180, 134), (60, 134), (25, 82)]
RIBBON = [(20, 50), (220, 50), (205, 82), (220, 114), (20, 114), (35, 82)]


def outlines(coverage, *bites):
    """Candidates by name, the better of two with the same name."""
    mask = coverage > 0.5
    for bite in bites:
        mask &= bite < 0.5
    box = Bounds.of_mask(mask).padded(5).clamped(EXTENT)
    named = {}
    for outline in candidates(mask[box.slices], box, EXTENT):
        known = named.get(outline.shape)
        if known is None or error_of(outline, coverage) < error_of(known, coverage):
            named[outline.shape] = outline
    return named


def error_of(outline, coverage):
    return float(np.abs(outline.coverage - coverage[outline.bounds.slices]).mean())


def worst_of(outline, coverage):
    return float(np.abs(outline.coverage - coverage[outline.bounds.slices]).max())


BITES = [ellipse(SHAPE, 116, 74, 15), words(SHAPE, (90, 90), "Bite", 24)]
CORNER = ellipse(SHAPE, 208, 26, 20)

SIMPLE = {
    "rectangle": (rectangle(SHAPE, (31, 24, 180, 110)), 0.01),
    "rounded rectangle": (rectangle(SHAPE, (31, 24, 180, 110), 17), 0.5),
    "pill": (rectangle(SHAPE, (31, 50, 180, 60), 30), 0.1),
    "circle": (ellipse(SHAPE, 120, 82, 60), 0.1),
    "ellipse": (ellipse(SHAPE, 120, 82, 85, 52), 0.1),
}


@pytest.mark.parametrize("name", SIMPLE)
@pytest.mark.parametrize("bites", [[], BITES, [*BITES, CORNER]], ids=["whole", "inside", "corner"])
def test_simple_shapes_are_completed(name, bites):
    coverage, worst = SIMPLE[name]
    outline = outlines(coverage, *bites)[name]
    assert worst_of(outline, coverage) <= worst
    assert outline.is_symmetric


@pytest.mark.parametrize("name", SIMPLE)
def test_the_right_shape_fits_best(name):
    coverage, _ = SIMPLE[name]
    named = outlines(coverage, *BITES)
    simple = [key for key in named if key not in ("polygon", "shape")]
    assert min(simple, key=lambda key: error_of(named[key], coverage)) == name


@given(
    box=st.tuples(*[st.integers(*ends) for ends in [(3, 60), (3, 40), (40, 150), (30, 90)]]),
    radius=st.integers(0, 14),
    bite=st.tuples(st.integers(0, 240), st.integers(0, 160), st.integers(4, 9)),
)
@settings(max_examples=12, deadline=None)
def test_any_rounded_box_with_a_bite(box, radius, bite):
    coverage = rectangle(SHAPE, box, radius)
    named = outlines(coverage, ellipse(SHAPE, *bite))
    best = min(error_of(outline, coverage) for outline in named.values())
    assert best * named["rectangle"].bounds.area <= 0.04 * coverage.sum()


@given(
    centre=st.tuples(st.integers(60, 160), st.integers(60, 100)),
    radii=st.tuples(st.integers(24, 55), st.integers(20, 55)),
)
@settings(max_examples=10, deadline=None)
def test_any_ellipse_that_carries_something(centre, radii):
    coverage = ellipse(SHAPE, *centre, *radii)
    named = outlines(coverage, ellipse(SHAPE, *centre, min(radii) / 3))
    outline = named["circle" if "circle" in named else "ellipse"]
    length = np.pi * sum(radii)
    assert error_of(outline, coverage) * outline.bounds.area <= 0.1 * length  # pixels


@pytest.mark.parametrize(
    ("cx", "cy", "radius"), [(230, 150, 70), (-10, 90, 60), (120, -60, 110), (236, 5, 44)]
)
def test_discs_that_the_canvas_cuts_off(cx, cy, radius):
    coverage = ellipse(SHAPE, cx, cy, radius)
    bite = ellipse(SHAPE, np.clip(cx, 20, 215), np.clip(cy, 15, 145), 9)
    assert worst_of(outlines(coverage, bite)["disc"], coverage) <= 0.3


def test_a_disc_inside_the_canvas_is_no_clipped_one():
    assert "disc" not in outlines(ellipse(SHAPE, 120, 82, 60))


def test_a_hexagon_with_a_corner_hidden_is_its_hull():
    coverage = polygon(SHAPE, HEXAGON)
    outline = outlines(coverage, BITES[0])["polygon"]
    assert outline.sides == 6
    assert outline.is_symmetric
    assert error_of(outline, coverage) < 0.006


def test_a_ribbon_is_its_own_shape():
    coverage = polygon(SHAPE, RIBBON)
    named = outlines(coverage, BITES[0])
    outline = named["polygon" if error_of(named["polygon"], coverage) < 0.006 else "shape"]
    assert error_of(outline, coverage) < 0.006
    assert outline.sides == 0  # not convex
    assert outline.is_symmetric


def test_what_is_lopsided_is_not_symmetric():
    coverage = polygon(SHAPE, [(20, 20), (200, 30), (60, 140)])
    assert not outlines(coverage)["polygon"].is_symmetric


def test_a_scrap_has_no_outline():
    mask = covered((20, 30), lambda x, y: (x > 8) & (x < 13) & (y > 8) & (y < 17)) > 0.5
    assert candidates(mask, Bounds(0, 0, 30, 20), Extent(30, 20)) == []


def test_the_margin_counts_in_pixels():
    distance = np.float32([[-3.0, -2.0, -1.0, -0.25, 0.0, 0.25, 1.0]])
    outline = Outline("rectangle", Bounds(0, 0, 7, 1), distance)
    np.testing.assert_allclose(outline.coverage, [[1, 1, 1, 0.75, 0.5, 0.25, 0]])
    assert outline.inside(1.5).sum() == 2
