"""Layers as canvas-size pictures: where they are, how they fade, what is left out."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from layerstudio.composite import composite_pixels
from layerstudio.document import BlendMode, Document, Group, Layer, Mask
from layerstudio.geometry import Bounds, Extent
from layerstudio.ops.rasterise import layers_of

EXTENT = Extent(21, 13)


def patch(bounds: Bounds, seed: int = 0, **settings) -> Layer:
    pixels = np.random.default_rng(seed).integers(0, 256, (*bounds.extent.shape, 4), np.uint8)
    return Layer(f"patch {seed}", bounds, pixels, **settings)


def test_pixels_land_on_the_canvas_unchanged():
    layer = patch(Bounds(-3, 4, 30, 5))
    (picture,) = layers_of(Document(EXTENT, (layer,)))
    assert picture.shape == (13, 21, 4)
    assert np.array_equal(picture[4:9], layer.pixels[:, 3:24])
    assert not picture[:4].any()
    assert not picture[9:].any()


def test_layers_off_the_canvas_and_empty_ones_are_blank_and_hidden_ones_missing():
    off, empty = patch(Bounds(40, 40, 3, 3)), patch(Bounds(0, 0, 0, 0))
    hidden = patch(Bounds(0, 0, 4, 4), visible=False)
    in_hidden = Group("hidden", (patch(Bounds(0, 0, 4, 4)),), visible=False)
    pictures = layers_of(Document(EXTENT, (off, hidden, empty, in_hidden)))
    assert len(pictures) == 2
    assert not np.any(pictures)


def test_opacity_and_masks_of_layer_and_groups_end_in_alpha():
    bounds = Bounds(2, 1, 8, 9)
    mask = Mask(Bounds(4, 0, 10, 10), np.full((10, 10), 102, np.uint8), outside=0)
    layer = patch(bounds, opacity=0.5, mask=mask, blend=BlendMode.MULTIPLY)
    document = Document(EXTENT, (Group("g", (layer,), opacity=0.8),))
    (picture,) = layers_of(document)
    factor = np.where(np.arange(2, 10) >= 4, 0.5 * 0.8 * 102 / 255, 0)
    assert np.abs(picture[bounds.slices][..., 3] - layer.pixels[..., 3] * factor).max() <= 0.51
    assert np.array_equal(picture[bounds.slices][..., :3], layer.pixels[..., :3])


def test_a_clipped_layer_is_cut_to_its_base():
    base = patch(Bounds(0, 0, 10, 13), seed=1, opacity=0.5)
    clipped = patch(Bounds(5, 0, 16, 13), seed=2, clipped=True)
    _, picture = layers_of(Document(EXTENT, (base, clipped)))
    expected = clipped.pixels[:, :5, 3] / 255 * base.pixels[:, 5:, 3] * 0.5
    assert np.abs(picture[:, 5:10, 3] - expected).max() <= 0.51
    assert not picture[:, 10:, 3].any()
    hidden = Layer("hidden", base.bounds, base.pixels, visible=False)
    assert layers_of(Document(EXTENT, (hidden, clipped))) == ()


@settings(max_examples=20, deadline=None)
@given(
    seeds=st.lists(st.integers(0, 99), min_size=1, max_size=4),
    x=st.integers(-5, 20),
    opacity=st.floats(0, 1),
)
def test_normal_layers_recompose(seeds, x, opacity):
    layers = tuple(patch(Bounds(x + s % 7, s % 5, 9, 7), s, opacity=opacity) for s in seeds)
    document = Document(EXTENT, (Group("half", layers[:1]), *layers[1:]))
    whole = Bounds.full(EXTENT)
    flat = Document(EXTENT, tuple(Layer("flat", whole, p) for p in layers_of(document)))
    ours, expected = composite_pixels(flat).astype(int), composite_pixels(document).astype(int)
    assert np.abs(ours[..., 3] - expected[..., 3]).max() <= 1 + len(layers)
