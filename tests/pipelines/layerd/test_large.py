"""Pictures worked smaller: squares of pixels, and layers enlarged band by band."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layerstudio.document import Layer, Role, TextContent
from layerstudio.geometry import Bounds, Extent
from layerstudio.picture import Picture
from layerstudio.pipelines.enlarging import at_full_size
from layerstudio.pipelines.layerd import large
from layerstudio.pipelines.layerd.large import LARGEST, enlarged, factor_of, shrunk


@given(width=st.integers(1, 300_000), height=st.integers(1, 2000))
def test_what_is_worked_is_bounded(width, height):
    factor = factor_of(Extent(width, height))
    small = Extent(-(-width // factor), -(-height // factor))
    assert small.pixel_count <= LARGEST * 1.05 + width + height
    assert factor == 1 or Extent(width, height).pixel_count > LARGEST


def test_a_page_at_300_dpi_is_worked_as_it_is_and_100_megapixels_are_not():
    assert factor_of(Extent(2480, 3508)) == 1
    assert factor_of(Extent(11600, 8700)) == 3


@settings(max_examples=30, deadline=None)
@given(
    width=st.integers(1, 40),
    height=st.integers(1, 400),
    factor=st.integers(2, 5),
    seed=st.integers(0, 99),
)
def test_shrinking_averages_squares_premultiplied(width, height, factor, seed):
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (height, width, 4), dtype=np.uint8)
    small = shrunk(pixels, factor)
    more = ((0, -height % factor), (0, -width % factor), (0, 0))
    wide = np.pad(pixels, more, mode="edge").astype(np.float64)
    wide[..., :3] *= wide[..., 3:] / 255
    blocks = wide.reshape(small.shape[0], factor, small.shape[1], factor, 4).mean(axis=(1, 3))
    assert np.abs(small[..., 3] - blocks[..., 3]).max() <= 1
    premul = small[..., :3] * (small[..., 3:] / 255)
    assert np.abs(premul - blocks[..., :3]).max() <= 2


def test_sixteen_bits_are_seen_in_eight():
    pixels = np.full((9, 7, 4), 257 * 100, np.uint16)
    pixels[..., 3] = 65535
    assert (shrunk(pixels, 1)[..., :3] == 100).all() and (shrunk(pixels, 2)[..., :3] == 100).all()


@pytest.fixture
def scene():
    """A disc on a picture of odd size, and its layer at a third of it, softened."""
    picture = np.full((271, 349, 4), (230, 230, 220, 255), np.uint8)
    cv2.circle(picture, (160, 130), 90, (40, 60, 160, 255), -1, cv2.LINE_AA)
    small = np.zeros((91, 117, 4), np.float32)
    small[..., :3] = (40, 60, 160)
    alpha = np.zeros((91, 117), np.float32)
    cv2.circle(alpha, (53, 43), 30, 255.0, -1)
    small[..., 3] = cv2.GaussianBlur(alpha, (0, 0), 0.8)
    text = TextContent("disc", "Sans", 9.0, (40, 60, 160), Bounds(23, 13, 61, 61), baseline=70.0)
    whole = Layer(
        "disc", Bounds(0, 0, 117, 91), np.rint(small).astype(np.uint8), role=Role.TEXT, text=text
    )
    return Picture(picture), whole.cropped_to_content()


def test_bands_are_what_the_whole_would_be(scene, monkeypatch):
    picture, layer = scene
    monkeypatch.setattr(large, "_BAND", 16)
    banded = enlarged(layer, 3, picture)
    # The same at once, on a canvas of whole squares.
    padded = np.pad(picture.pixels, ((0, 2), (0, 2), (0, 0)), mode="edge")
    at_once = at_full_size(layer, Extent(117, 91), Picture(padded))
    common = banded.bounds.intersection(at_once.bounds)
    one = banded.pixels[common.relative_to(banded.bounds).slices].astype(int)
    other = at_once.pixels[common.relative_to(at_once.bounds).slices].astype(int)
    shown = other[..., 3] > 20
    assert np.abs(one - other)[..., 3].max() <= 2 and np.abs(one - other)[shown].max() <= 2


def test_edges_follow_the_picture_and_text_grows_with_it(scene):
    picture, layer = scene
    large_layer = enlarged(layer, 3, picture)
    true = np.zeros(picture.extent.shape, np.float32)
    cv2.circle(true, (160, 130), 90, 1.0, -1)
    alpha = np.zeros(picture.extent.shape, np.float32)
    alpha[large_layer.bounds.slices] = large_layer.pixels[..., 3] / 255
    smooth = np.zeros((91, 117), np.float32)
    smooth[layer.bounds.slices] = layer.pixels[..., 3] / np.float32(255)
    smooth = cv2.resize(smooth, (351, 273))[:271, :349]
    assert np.abs(alpha - true).mean() < 0.85 * np.abs(smooth - true).mean()
    text = large_layer.text
    assert text is not None and text.size == 27 and text.baseline == 210
    assert text.box == Bounds(69, 39, 183, 183) and large_layer.role is Role.TEXT


def test_nothing_is_enlarged_where_nothing_was_shrunk(scene):
    picture, layer = scene
    same = enlarged(layer, 1, picture)
    assert same.bounds == layer.bounds and np.array_equal(same.pixels, layer.pixels)
    deep = enlarged(layer, 1, Picture(picture.pixels.astype(np.uint16) * 257))
    assert deep.pixels.dtype == np.uint16
