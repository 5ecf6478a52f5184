"""Which segments become layers, which hints are meant, and what layers are called."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerstudio.geometry import Bounds, Extent
from layerstudio.pipelines.instances.hints import asked
from layerstudio.pipelines.instances.naming import names_of, unique
from layerstudio.pipelines.instances.selection import Candidate, cleaned, select
from layerstudio.pipelines.instances.tiles import tiles_of
from layerstudio.pipelines.instances.wanted import Wanted
from layerstudio.pipelines.stages.contracts import Segment

EXTENT = Extent(120, 90)


def box(x, y, width, height, score=0.9, label=""):
    mask = np.zeros(EXTENT.shape, bool)
    mask[y : y + height, x : x + width] = True
    return Segment.of_mask(mask, label, score)


def chosen(*segments, parts=False, most=24, **marks):
    found = select([Candidate(one, **marks) for one in segments], EXTENT, parts=parts, most=most)
    return [one.segment.bounds for one in found]


THING, PART, OTHER = box(20, 20, 40, 40), box(25, 25, 10, 10), box(80, 30, 20, 30)


def test_parts_go_with_their_whole_unless_wanted():
    assert chosen(THING, PART) == [THING.bounds]
    assert sorted(chosen(THING, PART, parts=True)) == sorted([THING.bounds, PART.bounds])
    assert len(chosen(THING, PART, asked=True)) == 2


@pytest.mark.parametrize(
    "no_object",
    [
        box(0, 0, 120, 80),  # nearly all there is
        box(0, 0, 120, 20),  # sky: all of the upper border
        box(70, 10, 3, 3),  # a speck
        box(118, 5, 2, 60),  # a sliver along the border
    ],
    ids=["whole", "sky", "speck", "sliver"],
)
def test_what_is_no_object_is_background_unless_pointed_at(no_object):
    assert chosen(THING, no_object) == [THING.bounds]
    assert len(chosen(no_object, asked=True)) == 1


def test_of_two_that_are_the_same_the_surer_stays_and_has_the_name():
    again = box(21, 20, 40, 40, score=0.5, label="cat")
    (kept,) = select([Candidate(again, named=False), Candidate(THING)], EXTENT, parts=True, most=9)
    assert kept.segment.score == 0.9 and kept.segment.label == "cat"


def test_the_most_important_stay():
    assert chosen(PART, OTHER, THING, parts=True, most=1) == [THING.bounds]


def test_islands_and_pinholes():
    mask = np.zeros(EXTENT.shape, bool)
    mask[20:60, 20:60] = True
    mask[30, 30] = False
    mask[5, 5] = True
    assert cleaned(Segment.of_mask(mask)).mask.all()


@st.composite
def some_boxes(draw):
    edges = st.tuples(
        st.integers(0, 100), st.integers(0, 70), st.integers(1, 60), st.integers(1, 60)
    )
    return [box(*draw(edges), draw(st.floats(0.1, 1))) for _ in range(draw(st.integers(0, 6)))]


@given(some_boxes(), st.booleans(), st.integers(1, 5))
def test_what_is_chosen_is_disjoint_bounded_and_not_empty(segments, parts, most):
    candidates = [Candidate(one) for one in segments]
    found = select(candidates, EXTENT, parts=parts, most=most)
    total = sum(one.segment.on_canvas(EXTENT).astype(int) for one in found)
    assert len(found) <= most and np.max(total) <= 1
    assert not any(one.segment.is_empty for one in found)


def test_a_seam_between_two_things_belongs_to_them():
    left, right = box(20, 20, 20, 30), box(42, 20, 20, 30)
    found = select([Candidate(left), Candidate(right)], EXTENT, parts=False, most=9)
    total = sum(one.segment.on_canvas(EXTENT) for one in found)
    assert total[25:45, 20:62].all()


class TestHints:
    def test_points_go_to_their_boxes(self):
        meant = asked(
            Wanted(boxes=(Bounds(0, 0, 50, 50),), points=((10, 10), (90, 80)),
                   excluded_points=((20, 20), (100, 85))),
            EXTENT,
        )  # fmt: skip
        first, second = meant.hints
        assert first.points == ((10, 10),) and first.excluded_points == ((20, 20),)
        assert second.box is None and second.points == ((90, 80),)
        assert second.excluded_points == ((100, 85),)

    def test_prompts_name_what_is_pointed_at(self):
        meant = asked(Wanted(prompts=("cat",), points=((3, 3),)), EXTENT)
        assert meant.hints[0].label == "cat" and meant.prompts == ()
        assert asked(Wanted(prompts=("cat", "dog"), points=((3, 3),)), EXTENT).prompts

    def test_what_makes_no_sense_is_noted(self):
        meant = asked(
            Wanted(prompts=("cat", " Cat "), boxes=(Bounds(100, 80, 50, 50),) * 2,
                   excluded_points=((1, 1),)),
            EXTENT,
        )  # fmt: skip
        notes = " ".join(meant.notes)
        for part in ("more than once", "cut to it", "given before", "exclude nothing"):
            assert part in notes
        assert meant.hints[0].box == Bounds(100, 80, 20, 10)

    def test_nothing_given_means_all(self):
        assert asked(Wanted(), EXTENT).is_nothing


def test_names_are_labels_or_places_and_unique():
    segments = [box(5, 5, 9, 9, label="cat"), box(50, 5, 9, 9, label="cat"), box(0, 60, 50, 30)]
    names = names_of([*segments, box(0, 60, 50, 30), box(60, 40, 2, 2)], EXTENT)
    assert names[:2] == ("cat", "cat 2")
    assert names[2:4] == ("Object, bottom left", "Object, bottom left 2")
    assert names[4] == "Small object, centre"
    assert unique(["Background", "a", "A"], taken=("Background",)) == ("Background 2", "a", "A 2")


@given(
    st.integers(0, 40), st.integers(0, 40), st.integers(1, 90), st.integers(1, 60),
    st.integers(0, 9), st.integers(1, 50),
)  # fmt: skip
def test_tiles_cover_a_place_once(x, y, width, height, margin, side):
    place, extent = Bounds(x, y, width, height), Extent(140, 110)
    seen = np.zeros(extent.shape, int)
    for tile in tiles_of(place, extent, margin, side):
        seen[tile.core.slices] += 1
        assert tile.window.contains(tile.core) and max(tile.core.extent) <= side
        window = np.zeros(tile.window.extent.shape)
        assert window[tile.inner].shape == tile.core.extent.shape
    assert (seen[place.slices] == 1).all() and seen.sum() == place.area


def test_an_ellipse_with_a_hole_keeps_a_large_one():
    canvas = np.zeros(EXTENT.shape, np.uint8)
    cv2.ellipse(canvas, (60, 45), (40, 30), 0, 0, 360, 1, -1)
    cv2.circle(canvas, (60, 45), 12, 0, -1)
    segment = Segment.of_mask(canvas > 0)
    assert np.array_equal(cleaned(segment).mask, segment.mask)
