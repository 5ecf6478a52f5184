"""Large areas at the canvas's border, on scenes whose every layer is known."""

import cv2
import numpy as np
import pytest

from layerstudio.document import Role
from layerstudio.pipelines.flat.analysis import analyse
from layerstudio.pipelines.flat.background import find_background
from layerstudio.pipelines.flat.element import lay_over
from layerstudio.pipelines.flat.grounds import find_grounds
from layerstudio.pipelines.flat.scene import find_elements

SKY, HILL, MEADOW, TOWER = (190, 225, 245), (140, 180, 160), (95, 165, 80), (200, 50, 60)
SIZES = [(401, 283), (333, 467)]


def covered(width, height, inside):
    """Coverage (h, w) of the points for which ``inside(x, y)`` holds, by 8 x 8 samples."""
    x = (np.arange(8 * width) + 0.5) / 8
    y = ((np.arange(8 * height) + 0.5) / 8)[:, None]
    return cv2.resize(
        inside(x, y).astype(np.float32), (width, height), interpolation=cv2.INTER_AREA
    )


def drawn(width, height, *layers):
    """Layers of (coverage, colour) on the sky, rounded."""
    image = np.full((height, width, 3), SKY, np.float32)
    for coverage, colour in layers:
        image += (np.float32(colour) - image) * coverage[..., None]
    return np.rint(image).astype(np.uint8)


def hill(width, height):
    def inside(x, y):
        return y > 0.6 * height - 0.1 * height * np.sin(4.5 * x / width)

    return covered(width, height, inside)


def meadow(width, height):
    """A round one in the lower left corner, which the hill ends at."""
    return covered(
        width,
        height,
        lambda x, y: (x / (0.55 * width)) ** 2 + ((height - y) / (0.35 * height)) ** 2 < 1,
    )


def box(width, height, left, top, right, bottom):
    def inside(x, y):
        return (x > left * width) & (x < right * width) & (y > top * height) & (y < bottom * height)

    return covered(width, height, inside)


def grounds_of(image):
    analysis = analyse(image, lossy=False)
    backdrop = np.full(image.shape, SKY, np.float32)
    assert find_background(analysis).kind == "plain"
    elements, edges = find_grounds(analysis, backdrop)
    return elements, edges, backdrop


def on_canvas(element, shape):
    alpha = np.zeros(shape, np.float32)
    alpha[element.bounds.slices] = element.alpha
    return alpha


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_grounds_come_far_to_near_with_their_exact_edges(width, height):
    image = drawn(width, height, (hill(width, height), HILL), (meadow(width, height), MEADOW))
    (far, near), _, backdrop = grounds_of(image)
    assert far.role is Role.SHAPE
    assert np.allclose(far.colour[far.alpha > 0], HILL, atol=1)
    assert np.allclose(near.colour[near.alpha > 0], MEADOW, atol=1)
    assert np.abs(on_canvas(near, image.shape[:2]) - meadow(width, height)).max() < 0.05
    assert np.abs(backdrop - image).max() <= 3


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_what_is_hidden_is_carried_on(width, height):
    tower = box(width, height, 0.62, 0.3, 0.7, 0.8)
    truth = hill(width, height)
    image = drawn(width, height, (truth, HILL), (tower, TOWER))
    (ground,), _, _ = grounds_of(image)
    alpha = on_canvas(ground, image.shape[:2])
    assert np.abs(alpha - truth)[tower == 0].max() < 0.05
    hidden = tower > 0
    wrong = np.count_nonzero((alpha > 0.5)[hidden] != (truth > 0.5)[hidden])
    assert wrong < 0.03 * np.count_nonzero(hidden)


def test_a_far_ground_goes_on_beneath_a_nearer_one():
    width, height = 401, 283
    near = meadow(width, height)
    image = drawn(width, height, (hill(width, height), HILL), (near, MEADOW))
    far = on_canvas(grounds_of(image)[0][0], image.shape[:2])
    assert (far[cv2.dilate(hill(width, height), None) * (near > 0) * (near < 1) > 0] == 1).all()
    deep = cv2.erode((near == 1).astype(np.uint8), np.ones((3, 3)), iterations=2) > 0
    assert np.count_nonzero(far[deep]) > 0


def test_sky_between_two_posts_stays_open():
    width, height = 401, 283
    posts = np.maximum(
        box(width, height, 0.4, 0.2, 0.44, 0.8), box(width, height, 0.55, 0.2, 0.59, 0.8)
    )
    image = drawn(width, height, (hill(width, height), HILL), (posts, TOWER))
    (ground,), _, _ = grounds_of(image)
    alpha = on_canvas(ground, image.shape[:2])
    sky = (hill(width, height) == 0) & (posts == 0)
    assert alpha[sky].max() == 0


def test_where_outlines_meet_tells_what_lies_before():
    """The path begins lower than the meadow, but ends at its outline."""
    width, height = 467, 333
    sea = covered(width, height, lambda x, y: (y > 0.4 * height) & (x > -1))
    path = covered(
        width,
        height,
        lambda x, y: (x / (0.75 * width)) ** 2 + ((height - y) / (0.37 * height)) ** 2 < 1,
    )
    field = covered(
        width,
        height,
        lambda x, y: (x / (0.55 * width)) ** 2 + ((height - y) / (0.5 * height)) ** 2 < 1,
    )
    colours = [(70, 150, 190), (90, 100, 95), MEADOW]
    image = drawn(width, height, *zip([sea, path, field], colours, strict=True))
    found = [element.mean_colour() for element in grounds_of(image)[0]]
    assert np.allclose(found, colours, atol=2)


def test_small_and_free_standing_areas_are_no_grounds():
    width, height = 401, 283
    image = drawn(
        width,
        height,
        (box(width, height, 0.2, 0.2, 0.7, 0.7), HILL),
        (box(width, height, -1, 0.9, 0.1, 2), MEADOW),
    )
    elements, edges, backdrop = grounds_of(image)
    assert elements == []
    assert not edges.any()
    assert (backdrop == np.float32(SKY)).all()


def test_things_on_grounds_become_drawings():
    width, height = 401, 283
    tower = box(width, height, 0.63, 0.3, 0.68, 0.8)
    bush = covered(width, height, lambda x, y: np.hypot(x - 100, y - 200) < 20)
    image = drawn(width, height, (hill(width, height), HILL), (tower, TOWER), (bush, MEADOW))
    elements = find_elements(image, lossy=False)
    assert [element.shape for element in elements] == ["plain", "area", "drawing", "drawing"]
    shown = np.zeros((height, width, 3), np.float32)
    for element in elements:
        lay_over(shown, element)
    assert np.abs(shown - image).max() <= 4
