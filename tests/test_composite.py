from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from composite_oracle import oracle
from document_strategies import EXTENT, documents, layers, places, rasters
from hypothesis import given, settings
from hypothesis import strategies as st

import layerstudio.composite
from layerstudio.blend import BLEND_FUNCTIONS
from layerstudio.composite import composite, composite_pixels
from layerstudio.document import BlendMode, Document, Group, Layer, Mask
from layerstudio.geometry import Bounds, Extent


def _assert_same(got: np.ndarray, want: np.ndarray, tolerance: float = 1e-5) -> None:
    """Alpha, and colour as far as alpha shows it, agree within ``tolerance``."""
    np.testing.assert_allclose(got[..., 3], want[..., 3], atol=tolerance)
    np.testing.assert_allclose(
        got[..., :3] * got[..., 3:], want[..., :3] * want[..., 3:], atol=tolerance
    )


@settings(max_examples=120, deadline=None)
@given(documents())
def test_random_trees_agree_with_the_slow_compositor(document: Document) -> None:
    _assert_same(composite(document), oracle(document))


@pytest.mark.parametrize("mode", [mode for mode in BLEND_FUNCTIONS if mode is not BlendMode.NORMAL])
def test_every_mode_agrees_with_the_slow_compositor(mode: BlendMode) -> None:
    rng = np.random.default_rng(3)
    below, above = rng.integers(1, 256, (2, 90, 70, 4), dtype=np.uint8)
    bounds = Bounds(0, 0, 70, 90)
    top = Layer("top", bounds, above, opacity=0.8, blend=mode)
    document = Document(bounds.extent, (Layer("bottom", bounds, below), top))
    _assert_same(composite(document), oracle(document), tolerance=3e-5)


def test_bands_and_threads_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    stack = []
    for index, mode in enumerate((BlendMode.NORMAL, BlendMode.DISSOLVE, BlendMode.SOFT_LIGHT)):
        bounds = Bounds(5 * index - 3, 9 * index - 4, 60, 77)
        pixels = rng.integers(0, 256, (77, 60, 4), dtype=np.uint8)
        stack.append(Layer(mode, bounds, pixels, 0.9, mode))
    document = Document(Extent(67, 91), (Group("group", tuple(stack), 0.7), *stack))
    whole = composite(document)
    monkeypatch.setattr(layerstudio.composite, "_BAND_PIXELS", 200)
    np.testing.assert_array_equal(composite(document), whole)


@settings(max_examples=40, deadline=None)
@given(documents(), places())
def test_a_part_is_a_crop_of_the_whole(document: Document, part: Bounds) -> None:
    picture = composite(document, part)
    assert picture.shape == (*part.extent.shape, 4)
    expected = np.zeros_like(picture)
    inside = part.clamped(document.extent)
    if not inside.is_empty:
        expected[inside.relative_to(part).slices] = composite(document)[inside.slices]
    np.testing.assert_array_equal(picture, expected)


@settings(max_examples=40, deadline=None)
@given(st.lists(layers(modes=(BlendMode.NORMAL,)), min_size=2, max_size=5), st.data())
def test_normal_is_associative(stack: list[Layer], data: st.DataObject) -> None:
    flat = [replace(layer, clipped=False) for layer in stack]
    start = data.draw(st.integers(0, len(flat) - 1))
    stop = data.draw(st.integers(start + 1, len(flat)))
    group = Group("group", tuple(flat[start:stop]), blend=BlendMode.NORMAL)
    grouped = (*flat[:start], group, *flat[stop:])
    _assert_same(composite(Document(EXTENT, grouped)), composite(Document(EXTENT, tuple(flat))))


@settings(max_examples=40, deadline=None)
@given(documents(), layers(), st.data())
def test_opacity_zero_is_absence(document: Document, layer: Layer, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(document.children)))
    # Between a base and its clipped layers it would become their base.
    above = document.children[place:]
    ghost = replace(layer, opacity=0.0, clipped=bool(above and above[0].clipped and place))
    with_ghost = document.inserted((place,), ghost)
    if not place and above and above[0].clipped:
        return
    np.testing.assert_array_equal(composite(with_ghost), composite(document))


@settings(max_examples=40, deadline=None)
@given(documents(), layers())
def test_isolated_group_of_one_is_the_layer(document: Document, layer: Layer) -> None:
    plain = replace(layer, opacity=1.0, blend=BlendMode.NORMAL, mask=None, visible=True)
    group = Group(
        "group",
        (replace(plain, clipped=False),),
        layer.opacity,
        layer.blend,
        layer.visible,
        clipped=layer.clipped,
        mask=layer.mask,
    )
    below = document.children
    one = composite(replace(document, children=(*below, layer)))
    _assert_same(composite(replace(document, children=(*below, group))), one)


@settings(max_examples=40, deadline=None)
@given(rasters(Bounds(0, 0, 13, 9), 4))
def test_an_opaque_picture_alone_is_itself(pixels: np.ndarray) -> None:
    pixels[..., 3] = np.iinfo(pixels.dtype).max
    document = Document(EXTENT, (Layer("picture", Bounds(0, 0, 13, 9), pixels),))
    result = composite_pixels(document)
    assert result.dtype == pixels.dtype
    np.testing.assert_array_equal(result, pixels)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_translucent_picture_alone_keeps_every_level(dtype: type) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, np.iinfo(dtype).max + 1, (300, 301, 4)).astype(dtype)
    document = Document(Extent(301, 300), (Layer("picture", Bounds(0, 0, 301, 300), pixels),))
    pixels = np.where(pixels[..., 3:] > 0, pixels, 0)
    np.testing.assert_array_equal(composite_pixels(document), pixels)


@pytest.mark.parametrize("mode", BLEND_FUNCTIONS)
def test_over_nothing_every_mode_is_normal(mode: BlendMode) -> None:
    pixels = np.random.default_rng(8).integers(0, 256, (9, 13, 4), dtype=np.uint8)
    pixels[..., 3] = 255
    layer = Layer("alone", Bounds(0, 0, 13, 9), pixels, blend=mode)
    np.testing.assert_array_equal(composite_pixels(Document(EXTENT, (layer,))), pixels)


def _plain(name: str, color: tuple[int, int, int, int], bounds: Bounds, **options) -> Layer:
    pixels = np.empty((*bounds.extent.shape, 4), np.uint8)
    pixels[...] = color
    return Layer(name, bounds, pixels, **options)


CANVAS = Bounds(0, 0, 8, 6)
RED = _plain("red", (255, 0, 0, 255), CANVAS)
LEFT = _plain("left half", (0, 0, 255, 128), Bounds(0, 0, 4, 6))
GREEN = _plain("green", (0, 255, 0, 255), CANVAS, clipped=True)


def _pixels(*nodes: Layer | Group) -> np.ndarray:
    return composite_pixels(Document(CANVAS.extent, nodes))


def test_clipping_takes_the_shape_of_its_base() -> None:
    picture = _pixels(LEFT, GREEN)
    assert (picture[:, :4] == (0, 255, 0, 128)).all()
    assert not picture[:, 4:].any()


def test_clipped_layers_blend_with_the_base_only() -> None:
    multiply = replace(GREEN, blend=BlendMode.MULTIPLY)
    picture = _pixels(RED, LEFT, multiply)
    assert (picture[:, :4] == (127, 0, 0, 255)).all()  # blue times green is black, over red
    assert (picture[:, 4:] == (255, 0, 0, 255)).all()


def test_a_hidden_base_hides_its_clipped_layers() -> None:
    assert (_pixels(RED, replace(LEFT, visible=False), GREEN) == (255, 0, 0, 255)).all()


def test_clipped_with_nothing_below_is_unclipped() -> None:
    assert (_pixels(GREEN) == (0, 255, 0, 255)).all()


@pytest.mark.parametrize("blend", [BlendMode.PASS_THROUGH, BlendMode.NORMAL])
def test_a_group_can_be_a_base(blend: BlendMode) -> None:
    right = _plain("right", (9, 9, 9, 255), Bounds(6, 0, 2, 6))
    picture = _pixels(RED, Group("base", (LEFT, right), blend=blend), GREEN)
    assert (picture[:, :4] == (127, 128, 0, 255)).all()
    assert (picture[:, 4:6] == (255, 0, 0, 255)).all()
    assert (picture[:, 6:] == (0, 255, 0, 255)).all()


def test_pass_through_shows_its_modes_to_the_backdrop_and_isolation_hides_it() -> None:
    add = _plain("add", (0, 0, 100, 255), CANVAS, blend=BlendMode.LINEAR_DODGE)
    through = Group("group", (add,), opacity=0.5)
    assert (_pixels(RED, through) == (255, 0, 50, 255)).all()
    isolated = replace(through, blend=BlendMode.NORMAL)
    assert (_pixels(RED, isolated) == (128, 0, 50, 255)).all()


def test_a_clipped_group_passes_through_to_its_base() -> None:
    add = _plain("add", (0, 0, 100, 255), CANVAS, blend=BlendMode.LINEAR_DODGE)
    base = _plain("base", (255, 0, 0, 255), Bounds(0, 0, 4, 6))
    picture = _pixels(base, Group("clipped", (add,), clipped=True))
    assert (picture[:, :4] == (255, 0, 100, 255)).all()
    assert not picture[:, 4:].any()


@pytest.mark.parametrize("outside", [0, 1])
def test_a_mask_has_a_value_outside(outside: int) -> None:
    mask = Mask(Bounds(2, -1, 3, 4), np.full((4, 3), 51, np.uint8), outside)
    expected = np.full((6, 8), 255 * outside)
    expected[:3, 2:5] = 51
    np.testing.assert_array_equal(_pixels(replace(RED, mask=mask))[..., 3], expected)
    off = replace(RED, mask=replace(mask, enabled=False))
    assert (_pixels(off)[..., 3] == 255).all()


def test_depth_is_the_documents_unless_asked_for() -> None:
    deep = Layer("deep", CANVAS, np.full((6, 8, 4), 65535, np.uint16), opacity=0.5)
    document = Document(CANVAS.extent, (RED, deep))
    assert composite_pixels(document).dtype == np.uint16
    assert (composite_pixels(document)[..., 1] == 32768).all()
    assert (composite_pixels(document, dtype=np.uint8)[..., 1] == 128).all()


def test_nothing_to_draw_is_transparent() -> None:
    empty = Layer("empty", Bounds(3, 3, 0, 0), np.zeros((0, 0, 4), np.uint8))
    off = RED.moved(100, 0)
    assert not _pixels().any()
    assert not _pixels(empty, off, Group("group")).any()
    assert composite(Document(CANVAS.extent, (RED,)), Bounds(0, 0, 0, 0)).shape == (0, 0, 4)
