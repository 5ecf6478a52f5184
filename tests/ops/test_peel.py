"""LayerD's helpers, against the released code's own figures and against a plain version of it."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seeded import parity_tensors

from benchmarks import naive_peel
from layerstudio.ops.peel_colours import projected_alpha, truncated_alpha, unblended
from layerstudio.ops.peel_palette import dilated, flat_colour_areas, snap_to_palettes


@pytest.fixture(scope="module")
def published() -> dict[str, np.ndarray]:
    return {key: tensor.numpy() for key, tensor in parity_tensors("layerd_helpers").items()}


def test_holes_are_the_published_ones(published):
    assert np.array_equal(dilated(published["mask"], 2, 2), published["expanded"])


def test_plate_is_the_published_one(published):
    refined = snap_to_palettes(published["inpainted"], published["expanded"], 10)
    assert np.array_equal(refined, published["refined_bg"])
    assert not np.array_equal(refined, published["inpainted"])


def test_colour_is_the_published_one(published):
    found = unblended(published["image"], published["refined_bg"], published["alpha"])
    assert np.array_equal(found, published["fg"])


def test_areas_of_flat_colour_and_their_alpha_are_the_published_ones(published):
    (area,) = flat_colour_areas(published["image"], published["mask"], 2)
    assert np.array_equal(area.colour, published["palette"][0])
    mask = np.zeros_like(published["mask"])
    mask[area.box.slices] = area.mask
    assert np.array_equal(mask, published["flat_masks"][0])
    alpha = projected_alpha(
        published["image"], published["refined_bg"], area.colour, published["expanded"]
    )
    assert alpha is not None and np.array_equal(alpha, published["fg_alpha"])


@st.composite
def scenes(draw):
    """A picture of few or many colours, a plate like it, holes and a matte; odd sizes."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    height, width = draw(st.integers(1, 70)), draw(st.integers(1, 90))
    colours = rng.integers(0, 256, (draw(st.integers(1, 14)), 3))
    cell = draw(st.sampled_from([3, 9, 40]))
    blocks = rng.integers(len(colours), size=(height // cell + 1, width // cell + 1))
    picture = colours[np.kron(blocks, np.ones((cell, cell), int))[:height, :width]]
    noise = rng.integers(-3, 4, picture.shape) * (
        rng.random((height, width, 1)) < draw(st.sampled_from([0, 0.02, 0.3]))
    )
    rgb = np.clip(picture + noise, 0, 255).astype(np.uint8)
    alpha = np.zeros((height, width))
    for _ in range(draw(st.integers(0, 5))):
        centre = (int(rng.integers(width)), int(rng.integers(height)))
        cv2.circle(alpha, centre, int(rng.integers(1, 16)), float(rng.choice([1, 0.97, 0.5])), -1)
    if draw(st.booleans()):
        alpha = np.clip(cv2.GaussianBlur(alpha, (0, 0), 1.2), 0, 1)
    return rgb, alpha


@settings(max_examples=80, deadline=None)
@given(scene=scenes(), seed=st.integers(0, 999))
def test_what_is_done_in_boxes_is_what_is_done_on_the_canvas(scene, seed):
    rgb, alpha = scene
    holes = dilated(alpha > 0.005, 3, 4)
    plate = rgb.copy()
    drift = np.random.default_rng(seed).integers(-9, 10, (int(holes.sum()), 3))
    plate[holes] = np.clip(plate[holes].astype(int) + drift, 0, 255)
    refined = snap_to_palettes(plate, holes, 10)
    assert np.array_equal(refined, naive_peel.refine_plate(plate, holes))
    assert np.array_equal(unblended(rgb, refined, alpha), naive_peel.unblend(rgb, refined, alpha))


@settings(max_examples=80, deadline=None)
@given(scene=scenes())
def test_areas_of_flat_colour_are_those_of_the_whole_canvas(scene):
    rgb, alpha = scene
    hard = alpha > 0.005
    expected = [
        pair
        for part in naive_peel.parts(hard)
        for pair in naive_peel.colour_areas(rgb, part, 2, 0.2, 0.5)
    ]
    found = flat_colour_areas(rgb, hard, 2)
    assert len(found) == len(expected)
    for area, (colour, mask) in zip(found, expected, strict=True):
        placed = np.zeros_like(hard)
        placed[area.box.slices] = area.mask
        assert np.array_equal(area.colour, colour)
        assert np.array_equal(placed, mask)


@settings(max_examples=40, deadline=None)
@given(scene=scenes(), seed=st.integers(0, 999))
def test_projected_alpha_is_that_of_the_whole_canvas(scene, seed):
    rgb, alpha = scene
    rng = np.random.default_rng(seed)
    plate = rng.permutation(rgb.reshape(-1, 3)).reshape(rgb.shape)
    colour, inside = plate[0, 0], alpha > 0.3
    found, expected = (
        f(rgb, plate, colour, inside) for f in (projected_alpha, naive_peel.alpha_of)
    )
    if expected is None:
        assert found is None
    else:
        assert found is not None and np.array_equal(found, expected)


def test_alpha_is_cut_off_to_levels():
    assert truncated_alpha(np.array([[0.999, 0.0039, 1.0]])).tolist() == [[254, 0, 255]]
