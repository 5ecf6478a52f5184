"""Which of many overlapping masks are objects of their own."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from layerstudio.geometry import Bounds
from layerstudio.pipelines.stages.overlaps import (
    Outline,
    common,
    without_duplicates,
    without_unions,
)


def block(x, y, width, height, score=0.9):
    return Outline(Bounds(x, y, width, height), np.ones((height, width), bool), score)


def joined(score, *blocks):
    whole = Bounds.around(one.bounds for one in blocks)
    mask = np.zeros(whole.extent.shape, bool)
    for one in blocks:
        mask[one.bounds.relative_to(whole).slices] = one.mask
    return Outline(whole, mask, score)


class TestDuplicates:
    def test_the_surest_of_the_same_thing_stays(self):
        outlines = [block(0, 0, 20, 20, 0.8), block(1, 0, 20, 20, 0.95), block(40, 3, 5, 7, 0.5)]
        assert without_duplicates(outlines) == [1, 2]

    def test_a_frame_around_a_picture_is_not_the_picture(self):
        """Their boxes are the same; box suppression, as in segment-anything, would lose one."""
        mask = np.ones((30, 40), bool)
        mask[3:-3, 3:-3] = False
        frame = Outline(Bounds(5, 5, 40, 30), mask, 0.9)
        assert sorted(without_duplicates([frame, block(8, 8, 34, 24)])) == [0, 1]

    def test_an_empty_mask_is_nothing(self):
        assert without_duplicates([Outline(Bounds(0, 0, 0, 0), np.zeros((0, 0), bool), 1.0)]) == []

    @given(
        st.lists(
            st.tuples(
                *(st.integers(0, 20), st.integers(0, 20), st.integers(1, 20), st.integers(1, 20)),
                st.floats(0, 1),
            ),
            max_size=12,
        )
    )
    @settings(max_examples=50, deadline=None)
    def test_what_is_kept_is_distinct_and_what_is_not_has_a_better_one(self, given_blocks):
        outlines = [block(*one) for one in given_blocks]

        def same(one, other):
            shared = common(one, other)
            return shared >= 0.8 * (one.area + other.area - shared)

        kept = without_duplicates(outlines)
        assert not any(same(outlines[a], outlines[b]) for a in kept for b in kept if a != b)
        for index, outline in enumerate(outlines):
            better = [o for o in kept if outlines[o].score >= outline.score]
            assert index in kept or any(same(outline, outlines[o]) for o in better)


class TestUnions:
    left, right = block(0, 0, 20, 30, 0.95), block(20, 2, 22, 30, 0.93)

    def test_two_people_as_one_mask_go_where_each_is_surer(self):
        both = joined(0.9, self.left, self.right)
        assert without_unions([both, self.left, self.right]) == [1, 2]

    def test_a_whole_that_is_surer_than_its_parts_stays(self):
        both = joined(0.99, self.left, self.right)
        assert without_unions([both, self.left, self.right]) == [0, 1, 2]

    def test_a_thing_with_one_part_stays(self):
        thing = block(0, 0, 40, 40, 0.5)
        assert without_unions([thing, block(0, 0, 36, 36, 0.99)]) == [0, 1]

    def test_parts_that_overlap_each_other_do_not_count_twice(self):
        thing = block(0, 0, 40, 10, 0.5)
        assert without_unions([thing, block(0, 0, 22, 10), block(2, 0, 22, 10)]) == [0, 1, 2]
