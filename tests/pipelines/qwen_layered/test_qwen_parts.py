"""The parts of the method that need no network: sizes, counts, what is left out, names."""

import diffusers.pipelines.qwenimage.pipeline_qwenimage_layered as published
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layerstudio import CancelToken, InvalidRequest
from layerstudio.document import Layer, Role
from layerstudio.geometry import Bounds, Extent
from layerstudio.picture import Picture
from layerstudio.pipelines.qwen_layered.buckets import bucket
from layerstudio.pipelines.qwen_layered.counting import check_layers, estimated_layers
from layerstudio.pipelines.qwen_layered.naming import named
from layerstudio.pipelines.qwen_layered.tidying import tidied, without_empty
from layerstudio.progress import ignore_progress
from layerstudio.requests import DecomposeRequest

EXTENT = Extent(60, 40)


def layer(rgba, bounds=None, name="made"):
    """A canvas that is empty but for a box."""
    pixels = np.zeros((*EXTENT.shape, 4), np.uint8)
    pixels[(bounds or Bounds.full(EXTENT)).slices] = rgba
    return Layer(name, Bounds.full(EXTENT), pixels)


GROUND = layer((200, 210, 220, 255), name="ground")
RED = layer((220, 20, 20, 255), Bounds(5, 5, 20, 10), "red")
SOFT = layer((20, 20, 220, 120), Bounds(30, 20, 20, 15), "soft")


@given(st.integers(1, 20_000), st.integers(1, 20_000), st.sampled_from([640, 1024]))
@settings(max_examples=300)
def test_buckets_are_the_published_ones(width, height, side):
    working = bucket(Extent(width, height), side)
    wanted = published.calculate_dimensions(side * side, width / height)
    if min(wanted) >= 32 and max(wanted) <= side * side // 32:
        assert tuple(working) == wanted
    assert min(working) >= 32 and all(length % 32 == 0 for length in working)
    assert working.pixel_count <= 1.6 * side * side


def test_buckets_of_extreme_pictures():
    assert bucket(Extent(1, 1), 640) == Extent(640, 640)
    assert bucket(Extent(30_000, 1), 640) == Extent(12_800, 32)
    assert bucket(Extent(1, 30_000), 640) == Extent(32, 12_800)


def test_what_is_empty_or_a_copy_is_left_out():
    haze = layer((255, 255, 255, 4))
    noise = np.random.default_rng(0).integers(-3, 4, GROUND.pixels.shape)
    noise[..., 3] = 0
    copy = layer(GROUND.pixels + noise.astype(np.uint8))
    part = layer((220, 20, 20, 255), Bounds(8, 8, 9, 3), "part of red")
    kept = tidied([haze, GROUND, copy, RED, part, haze, SOFT])
    assert [one.name for one in kept] == ["ground", "red", "soft"]
    assert [one.name for one in without_empty([haze, GROUND, copy, SOFT])] == [
        "ground", "made", "soft"
    ]  # fmt: skip


def test_what_another_layer_hides_stays():
    assert [one.name for one in tidied([RED, GROUND, SOFT])] == ["red", "ground", "soft"]


def test_a_second_shadow_on_a_shadow_stays():
    assert len(tidied([GROUND, SOFT, SOFT])) == 3


def test_specks_go_to_the_layer_beneath():
    speck = layer((0, 255, 0, 255), Bounds(6, 6, 2, 1))
    big = Extent(100, 80)
    wide = [
        Layer(one.name, Bounds.full(big), np.pad(one.pixels, ((0, 40), (0, 40), (0, 0))))
        for one in (GROUND, RED, speck)
    ]
    kept = tidied(wide)
    assert [one.name for one in kept] == ["ground", "red"]
    assert kept[1].pixels[6, 6].tolist() == [0, 255, 0, 255]
    assert kept[1].pixels[7, 9].tolist() == [220, 20, 20, 255]


def test_nothing_at_all_is_one_layer():
    clear = layer((9, 9, 9, 0))
    assert tidied([clear, clear]) == [clear] == without_empty([clear, clear])


def test_names_say_what_is_seen():
    names = [one.name for one in named([GROUND, RED, SOFT, layer(0)], EXTENT)]
    assert names == [
        "Background", "Layer 2, red, top left", "Layer 3, blue, bottom right", "Layer 4, empty",
    ]  # fmt: skip
    roles = [one.role for one in named([GROUND, RED], EXTENT)]
    assert roles == [Role.BACKGROUND, Role.OBJECT]
    assert named([RED], EXTENT)[0].role is Role.OBJECT


@pytest.mark.parametrize("boxes", [0, 4, 14])
def test_the_count_follows_the_picture(boxes):
    """The ground, each box, and one more; from 3 to 10."""
    pixels = np.full((300, 500, 4), (240, 240, 235, 255), np.uint8)
    for k in range(boxes):
        top, left = 20 + 90 * (k % 3), 15 + 95 * (k // 3)
        pixels[top : top + 60, left : left + 70, :3] = (40 + 12 * k, 200 - 11 * k, 90)
    wanted = DecomposeRequest(method="qwen-layered", layers="auto").resolve(
        default_method="flat", can_read_text=False, source=None, sha256=""
    )
    found = estimated_layers(wanted, Picture(pixels), ignore_progress, CancelToken())
    assert found == min(max(boxes + 2, 3), 10)


@pytest.mark.parametrize("layers", [0, 21, True, 2.0, "many"])
def test_layer_counts(layers):
    with pytest.raises(InvalidRequest, match="1 to 20"):
        check_layers(layers)
