"""Boxes to fill holes in: each pixel in one, little to work, nothing larger than allowed."""

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from layerstudio.geometry import Bounds, Extent
from layerstudio.models.inpaint_boxes import Work, boxes_of

LARGEST = 512**2


def mask_of(side: int, *boxes: tuple[int, int, int, int]) -> np.ndarray:
    mask = np.zeros((side, side), bool)
    for x, y, width, height in boxes:
        mask[y : y + height, x : x + width] = True
    return mask


def coverage(holes: np.ndarray, works: list[Work]) -> np.ndarray:
    count = np.zeros(holes.shape, int)
    for box, own in works:
        assert Bounds.full(Extent.of(holes)).contains(box) and own.shape == box.extent.shape
        count[box.slices] += own
    return count


@settings(deadline=None, max_examples=80)
@given(
    arrays(np.bool_, st.tuples(st.integers(1, 24), st.integers(1, 24))),
    st.integers(1, 40),
    st.integers(100, 10**6),
)
def test_every_pixel_of_a_hole_belongs_to_one_box(holes, grown, largest):
    holes = np.kron(holes, np.ones((grown, grown), bool))
    assert np.array_equal(coverage(holes, boxes_of(holes, largest)), holes)


def test_near_holes_share_a_box_and_far_ones_do_not():
    words = [(100 + 30 * i, 300, 20, 30) for i in range(12)]
    holes = mask_of(1500, *words, (1400, 1400, 20, 20), (30, 1300, 40, 40))
    areas = [work.box.area for work in boxes_of(holes, LARGEST)]
    assert len(areas) == 3
    assert sum(areas) < 0.1 * holes.size


def test_joining_never_makes_a_box_too_large():
    words = [(40 * column, 60 * row, 30, 30) for column in range(35) for row in range(24)]
    works = boxes_of(mask_of(1500, *words), LARGEST)
    assert 1 < len(works) < 30
    assert max(work.box.area for work in works) <= LARGEST


def test_a_thin_frame_is_cut_up_and_a_solid_hole_is_not():
    frame = np.zeros((2000, 3000), np.uint8)
    cv2.rectangle(frame, (50, 50), (2950, 1950), 1, 12)
    works = boxes_of(frame > 0, LARGEST)
    assert max(work.box.area for work in works) <= LARGEST
    assert np.array_equal(coverage(frame, works), frame)
    assert len(boxes_of(mask_of(1500, (100, 100, 1200, 1200)), LARGEST)) == 1


def test_noise_all_over_is_not_sorted_out_speck_by_speck():
    holes = np.random.default_rng(0).random((2000, 2000)) < 0.0012
    works = boxes_of(holes, LARGEST)
    assert len(works) <= 64
    assert np.array_equal(coverage(holes, works), holes)


def test_no_hole_no_box():
    assert boxes_of(np.zeros((30, 40), bool), LARGEST) == []
