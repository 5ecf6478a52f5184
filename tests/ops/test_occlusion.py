"""Who is in front, on drawn shapes whose order is known, whichever way round they are given."""

import cv2
import numpy as np
import pytest

from layerstudio.geometry import Extent
from layerstudio.ops.contacts import contacts_of, labels_of, seams_closed
from layerstudio.ops.occlusion import evidence_of, median_nearness

EXTENT = Extent(131, 97)


def drawn(kind, *where):
    canvas = np.zeros(EXTENT.shape, np.uint8)
    getattr(cv2, kind)(canvas, *where, 1, -1)
    return canvas > 0


DISC = drawn("circle", (60, 50), 20)
BAR = drawn("rectangle", (10, 42), (120, 58))
WALL = drawn("rectangle", (62, 5), (125, 90))
COIN = drawn("circle", (90, 50), 8)


@pytest.mark.parametrize(
    ("front", "behind"), [(DISC, BAR), (WALL, DISC), (COIN, WALL)], ids=["bar", "wall", "coin"]
)
@pytest.mark.parametrize("swapped", [False, True])
def test_contours_tell_what_is_in_front(front, behind, swapped):
    masks = [front, behind & ~front]
    (one,) = evidence_of(masks[::-1] if swapped else masks, EXTENT)
    assert (one.weight > 0) is not swapped
    assert one.edge().front == (1 if swapped else 0)


def test_depth_overrules_contours():
    hole = [COIN, WALL & ~COIN]  # or a hole in a wall, through which something is seen
    nearness = np.where(WALL & ~COIN, np.float32(1), np.float32(0.2))
    nearness += np.linspace(0, 0.1, EXTENT.width, dtype=np.float32)
    assert evidence_of(hole, EXTENT)[0].weight > 0
    cue = evidence_of(hole, EXTENT, nearness)[0].cues["depth"]
    assert cue == pytest.approx(-1.0)


def test_flat_depth_says_nothing():
    masks = [DISC, BAR & ~DISC]
    flat = evidence_of(masks, EXTENT, np.full(EXTENT.shape, 3, np.float32))
    assert flat == evidence_of(masks, EXTENT)


def test_what_does_not_touch_is_no_pair():
    assert not evidence_of([drawn("circle", (20, 20), 9), drawn("circle", (90, 60), 9)], EXTENT)


def test_without_depth_what_ends_lower_is_nearer():
    near, far = median_nearness([DISC, drawn("circle", (20, 20), 9)], None)
    assert near > far


def test_contacts_know_their_ends():
    labels = labels_of([DISC & ~WALL, WALL], EXTENT)
    (contact,) = contacts_of(labels)
    assert {contact.first, contact.second} == {1, 2}
    assert len(contact.points) > 20
    heights = contact.ends[:, 0]
    assert heights.min() < 35 and heights.max() > 65  # above and below the disc's middle


def test_a_seam_between_two_is_closed_and_open_ground_stays():
    left, right = drawn("rectangle", (10, 10), (50, 80)), drawn("rectangle", (54, 10), (90, 80))
    closed = seams_closed(labels_of([left, right], EXTENT), 3)
    assert (closed[20:70, 51:54] > 0).all()
    assert set(closed[40, [51, 53]]) == {1, 2}
    assert not closed[:, :6].any() and not closed[:, 95:].any()
