"""Whatever the layers are, the stack recomposes; what lies beneath is left alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layerstudio.color import full_scale, to_depth
from layerstudio.composite import composite_pixels
from layerstudio.document import Document, Layer
from layerstudio.geometry import Bounds, Extent
from layerstudio.metrics.recompose import recomposition_error
from layerstudio.ops.exact import make_exact

DTYPES = (np.dtype(np.uint8), np.dtype(np.uint16))


def random_picture(rng, extent, dtype, alpha):
    full = full_scale(dtype)
    pixels = rng.integers(0, full + 1, (*extent.shape, 4)).astype(dtype)
    if alpha != "any":
        chosen = rng.random(extent.shape) < {"opaque": 1.0, "holes": 0.5, "half": 0.5}[alpha]
        pixels[..., 3][chosen] = 0 if alpha == "holes" else full
    return pixels


def random_layer(rng, extent, dtype, name):
    left, top = int(rng.integers(extent.width)), int(rng.integers(extent.height))
    right = int(rng.integers(left, extent.width)) + 1
    bottom = int(rng.integers(top, extent.height)) + 1
    pixels = random_picture(
        rng,
        Extent(right - left, bottom - top),
        dtype,
        ("opaque", "holes", "half", "any")[int(rng.integers(4))],
    )
    return Layer(name, Bounds.from_edges(left, top, right, bottom), pixels)


@st.composite
def stacks(draw):
    """(picture, layers): any sizes, depths and alphas."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    extent = Extent(draw(st.integers(1, 24)), draw(st.integers(1, 24)))
    alpha = draw(st.sampled_from(["opaque", "half", "holes", "any"]))
    picture = random_picture(rng, extent, draw(st.sampled_from(DTYPES)), alpha)
    depths = draw(st.lists(st.sampled_from(DTYPES), min_size=1, max_size=5))
    return picture, [random_layer(rng, extent, d, str(i)) for i, d in enumerate(depths)]


def premultiplied(pixels):
    full = full_scale(pixels.dtype)
    values = pixels.astype(np.float64)
    values[..., :3] *= values[..., 3:] / full
    return values


def on_canvas(layer, extent):
    canvas = np.zeros((*extent.shape, 4), layer.pixels.dtype)
    if not layer.is_empty:
        canvas[layer.bounds.slices] = layer.pixels
    return canvas


@settings(max_examples=250, deadline=None)
@given(stacks())
def test_any_stack_recomposes_to_any_picture(stack):
    picture, layers = stack
    extent = Extent.of(picture)
    exact = make_exact(layers, picture)
    assert [layer.name for layer in exact] == [layer.name for layer in layers]
    assert all(layer.pixels.dtype == picture.dtype for layer in exact)
    shown = composite_pixels(Document(extent, exact), dtype=picture.dtype)
    off = np.abs(premultiplied(shown) - premultiplied(picture)).max()
    assert off <= 1.01  # one level of the picture's own depth, 8 or 16 bits


@settings(max_examples=80, deadline=None)
@given(stacks())
def test_opaque_pictures_are_met_in_every_level(stack):
    picture, layers = stack
    picture = picture.copy()
    picture[..., 3] = full_scale(picture.dtype)
    exact = make_exact(layers, picture)
    shown = composite_pixels(Document(Extent.of(picture), exact), dtype=picture.dtype)
    np.testing.assert_array_equal(shown, picture)


@settings(max_examples=80, deadline=None)
@given(stacks())
def test_only_the_topmost_layer_of_a_pixel_changes(stack):
    picture, layers = stack
    picture = picture.copy()
    picture[..., 3] = full_scale(picture.dtype)
    extent = Extent.of(picture)
    layers = [Layer(x.name, x.bounds, to_depth(x.pixels, picture.dtype)) for x in layers]
    before = [on_canvas(layer, extent) for layer in layers]
    owner = np.zeros(extent.shape, int)
    for index, pixels in enumerate(before):
        owner[pixels[..., 3] > 0] = index
    for index, layer in enumerate(make_exact(layers, picture)):
        after = on_canvas(layer, extent)
        other = (owner != index) & (before[index][..., 3] > 0)
        np.testing.assert_array_equal(after[other], before[index][other])


def test_a_stack_that_recomposes_stays_as_it_is():
    rng = np.random.default_rng(4)
    below = Layer(
        "b", Bounds(0, 0, 30, 20), random_picture(rng, Extent(30, 20), DTYPES[0], "opaque")
    )
    above = random_layer(rng, Extent(30, 20), DTYPES[0], "a")
    picture = composite_pixels(Document(Extent(30, 20), (below, above)))
    for old, new in zip((below, above), make_exact((below, above), picture), strict=True):
        canvas = on_canvas(old, Extent(30, 20))
        seen = canvas[..., 3] > 0
        np.testing.assert_array_equal(on_canvas(new, Extent(30, 20))[seen], canvas[seen])


def test_a_soft_edge_keeps_its_alpha_and_gets_the_colour():
    backdrop = Layer("b", Bounds(0, 0, 3, 1), np.full((1, 3, 4), 255, np.uint8))
    edge = np.array([[[0, 0, 0, 255], [0, 0, 0, 128], [0, 0, 0, 0]]], np.uint8)
    picture = np.array([[[10, 20, 30, 255], [130, 140, 150, 255], [255, 255, 255, 255]]], np.uint8)
    _, layer = make_exact([backdrop, Layer("e", Bounds(0, 0, 3, 1), edge)], picture)
    assert layer.pixels[0, 1, 3] == 128
    np.testing.assert_allclose(layer.pixels[0, 1, :3].astype(int), [6, 26, 46], atol=2)


def test_a_translucent_edge_on_a_translucent_shadow_leaves_the_shadow():
    shadow = Layer("s", Bounds(0, 0, 2, 1), np.array([[[0, 0, 0, 100], [0, 0, 0, 100]]], np.uint8))
    shape = Layer("o", Bounds(0, 0, 1, 1), np.array([[[250, 0, 0, 120]]], np.uint8))
    picture = composite_pixels(Document(Extent(2, 1), (shadow, shape)))
    beneath, above = make_exact([shadow, shape], picture)
    np.testing.assert_array_equal(beneath.pixels, shadow.pixels)
    np.testing.assert_allclose(above.pixels[0, 0].astype(int), [250, 0, 0, 120], atol=2)


def test_an_opaque_plate_gives_way_where_the_picture_is_transparent():
    plate = Layer("p", Bounds(0, 0, 4, 4), np.full((4, 4, 4), 90, np.uint8))
    picture = np.zeros((4, 4, 4), np.uint8)
    picture[1:3, 1:3] = (200, 100, 50, 77)
    (only,) = make_exact([plate], picture)
    assert only.bounds == Bounds(1, 1, 2, 2)
    assert (only.pixels == (200, 100, 50, 77)).all()


@pytest.mark.parametrize("height", [255, 256, 257, 600])
def test_bands_leave_no_seam(height):
    rng = np.random.default_rng(height)
    extent = Extent(7, height)
    picture = random_picture(rng, extent, DTYPES[0], "half")
    layers = [random_layer(rng, extent, DTYPES[0], str(i)) for i in range(3)]
    exact = make_exact(layers, picture)
    assert recomposition_error(Document(extent, exact), picture).max_error <= 1 / 255


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_no_level_is_lost_to_single_precision(dtype):
    """What lies half a level off is met too, in any of very many pixels."""
    rng, full, shape = np.random.default_rng(0), full_scale(np.dtype(dtype)), (300, 400)
    picture = rng.integers(0, full + 1, (*shape, 4)).astype(dtype)
    picture[..., 3] = full
    ground = rng.integers(0, full + 1, (*shape, 4)).astype(dtype)
    ground[..., 3] = full
    veil = picture.copy()  # nearly what is wanted, and nearly opaque
    veil[..., 3] = full - rng.integers(1, full // 40, shape)
    bounds = Bounds(0, 0, shape[1], shape[0])
    layers = [Layer("ground", bounds, ground), Layer("veil", bounds, veil)]
    shown = composite_pixels(Document(bounds.extent, make_exact(layers, picture)), dtype=dtype)
    np.testing.assert_array_equal(shown, picture)
