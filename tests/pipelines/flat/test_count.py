"""Keeping to a number of layers without changing the picture."""

import time

import numpy as np
import pytest
from drawn_elements import background, box, flattened, panel, shadow

from layerstudio.document import Role
from layerstudio.geometry import Bounds
from layerstudio.pipelines.flat.count import keep_to
from layerstudio.pipelines.flat.merging import merged


def design():
    """A card with its shadow, two drawings on it, one far away, and a line beneath them."""
    return [
        background(),
        shadow(14, 14, 80, 60),
        panel(10, 10, 80, 60),
        box(20, 20, 12, 12, (10, 120, 200)),
        box(36, 20, 12, 12, (10, 160, 20)),
        box(150, 80, 30, 30, (230, 120, 0)),
    ]


def random_elements(seed, count):
    rng = np.random.default_rng(seed)
    found = [background()]
    for _ in range(count):
        x, y = int(rng.integers(0, 180)), int(rng.integers(0, 100))
        found.append(
            box(x, y, 3 + int(rng.integers(15)), 3 + int(rng.integers(15)), rng.integers(0, 256, 3))
        )
        found[-1].alpha *= np.float32(rng.uniform(0.3, 1))
    return found


@pytest.mark.parametrize("count", range(1, 7))
def test_every_smaller_number_is_met_and_the_picture_stays(count):
    kept = keep_to(design(), count)
    assert len(kept) == count
    assert kept[0].role is Role.BACKGROUND
    np.testing.assert_allclose(flattened(kept), flattened(design()), atol=0.01)


@pytest.mark.parametrize("seed", range(6))
def test_overlapping_things_keep_their_order(seed):
    elements = random_elements(seed, 40)
    for count in (30, 12, 5, 2, 1):
        kept = keep_to(elements, count)
        assert len(kept) == count
        np.testing.assert_allclose(flattened(kept), flattened(elements), atol=0.02)


def test_the_shadow_joins_its_caster_first():
    kept = keep_to(design(), 5)
    assert [element.role for element in kept] == [Role.BACKGROUND, Role.SHAPE] + 3 * [Role.OBJECT]
    assert kept[1].bounds == Bounds(10, 10, 84, 64)


def test_near_drawings_join_before_far_ones():
    kept = keep_to(design(), 4)
    assert kept[-1].bounds == Bounds(150, 80, 30, 30)


def test_the_background_stays_alone_until_one_layer_is_wanted():
    first, *_ = keep_to(design(), 2)
    np.testing.assert_array_equal(first.colour, background().colour)


def test_without_a_background_all_may_merge():
    pieces = [box(10, 10, 20, 20), box(15, 15, 20, 20, (0, 0, 255)), box(100, 10, 9, 9)]
    assert len(keep_to(pieces, 2)) == 2
    (one,) = keep_to(pieces, 1)
    assert one.bounds == Bounds(10, 10, 99, 25)


def test_a_thousand_pieces_merge_quickly_and_stay_in_place():
    elements = random_elements(9, 1000)
    start = time.perf_counter()
    kept = keep_to(elements, 60)
    assert time.perf_counter() - start < 5
    assert len(kept) == 60
    np.testing.assert_allclose(flattened(kept), flattened(elements), atol=0.05)


def test_merging_text_with_a_drawing_is_no_text():
    word = box(0, 0, 9, 9, role=Role.TEXT, shape="text")
    assert merged([word, box(20, 0, 3, 3)]).role is Role.OBJECT
    assert merged([word, box(20, 0, 9, 3, role=Role.TEXT, shape="text")]).role is Role.TEXT


def test_loose_pieces_come_apart_one_by_one():
    row = box(10, 10, 100, 10)
    row.alpha[:, 20:30] = 0
    row.alpha[:, 60:70] = 0
    kept = keep_to([background(), row], 4)
    assert sorted(element.bounds.x for element in kept[1:]) == [10, 40, 80]
    np.testing.assert_allclose(flattened(kept), flattened([background(), row]), atol=0.01)


def test_two_colours_come_apart_and_one_does_not():
    flag = box(10, 10, 40, 20)
    flag.colour[:10] = (0, 0, 255)
    kept = keep_to([background(), flag], 3)
    assert {tuple(element.bounds) for element in kept[1:]} == {(10, 10, 40, 10), (10, 20, 40, 10)}
    assert len(keep_to(kept, 9)) == 3


def test_the_answer_is_always_the_same():
    elements = random_elements(3, 30)
    for count in (7, 45):
        one, two = keep_to(elements, count), keep_to(elements, count)
        assert [a.bounds for a in one] == [b.bounds for b in two]
        for a, b in zip(one, two, strict=True):
            np.testing.assert_array_equal(a.alpha, b.alpha)
