from __future__ import annotations

import gc
import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import cv2
import numpy as np
import pytest
from document_strategies import EXTENT, documents, layers, nodes
from hypothesis import given, settings
from hypothesis import strategies as st

from layerstudio.blend import BLEND_FUNCTIONS
from layerstudio.composite import composite_pixels
from layerstudio.document import BlendMode, Document, Group, Layer, Mask, Node, NodePath
from layerstudio.errors import InvalidDocument, InvalidRequest
from layerstudio.geometry import Bounds, Extent
from layerstudio.viewing import Viewer, png_bytes

CANVAS = Bounds.full(EXTENT)


def _noise(seed: int, width: int, height: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 4), dtype=np.uint8)


def _layer(seed: int, bounds: Bounds, **options) -> Layer:
    return Layer(f"layer {seed}", bounds, _noise(seed, bounds.width, bounds.height), **options)


def _core(document: Document, bounds: Bounds | None = None) -> np.ndarray:
    return composite_pixels(document, bounds, np.uint8)


@st.composite
def _edited(draw: st.DrawFn, document: Document) -> Document:
    """``document`` after a random edit of a random node."""
    path, node = draw(st.sampled_from(list(document.walk())))
    kind = draw(
        st.sampled_from(("move", "opacity", "visible", "clip", "replace", "delete", "blend"))
    )
    if kind == "move":
        node = node.moved(draw(st.integers(-4, 4)), draw(st.integers(-4, 4)))
    elif kind == "opacity":
        node = replace(node, opacity=draw(st.sampled_from((0.0, 0.4, 1.0))))
    elif kind == "visible":
        node = replace(node, visible=not node.visible)
    elif kind == "clip":
        node = replace(node, clipped=not node.clipped)
    elif kind == "blend":
        node = replace(node, blend=draw(st.sampled_from(list(BLEND_FUNCTIONS))))
    elif kind == "replace":
        node = draw(nodes())
    return document.removed(path) if kind == "delete" else document.replaced(path, node)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_every_look_after_every_edit_is_the_cores_composite(data: st.DataObject) -> None:
    viewer = Viewer()
    document = data.draw(documents())
    for _ in range(5):
        picture, covered = viewer.render(document, CANVAS, 0)
        assert covered == CANVAS
        np.testing.assert_array_equal(picture, _core(document))
        if document.children:
            document = data.draw(_edited(document))


@pytest.mark.parametrize("mode", BLEND_FUNCTIONS)
def test_all_modes_across_tiles_with_edits_below_inside_and_above(mode: BlendMode) -> None:
    canvas = Bounds(0, 0, 301, 173)
    mask = Mask(Bounds(20, 30, 211, 90), _noise(9, 211, 90)[..., 0], outside=1)
    inner = (
        _layer(1, Bounds(-20, -9, 280, 150), opacity=0.7),
        _layer(2, Bounds(30, 40, 271, 120), blend=mode, mask=mask),
        _layer(3, Bounds(100, 10, 90, 160), clipped=True),
    )
    document = Document(
        canvas.extent,
        (_layer(4, canvas), Group("through", inner), _layer(5, canvas, opacity=0.5, blend=mode)),
    )
    viewer = Viewer()
    for path in ((0,), (1, 1), (1, 1), (2,), (1, 0), (1,), (0,)):
        node = document.at(path)
        document = document.replaced(path, replace(node, opacity=node.opacity * 0.9))
        picture, _ = viewer.render(document, canvas, 0)
        np.testing.assert_array_equal(picture, _core(document))


def test_a_part_is_the_part_of_the_whole_and_is_cut_by_the_canvas() -> None:
    canvas = Bounds(0, 0, 301, 173)
    document = Document(canvas.extent, (_layer(1, canvas), _layer(2, Bounds(90, 50, 100, 40))))
    viewer = Viewer()
    for part in (Bounds(250, 120, 20, 13), Bounds(-5, 160, 999, 99), Bounds(1, 1, 1, 1)):
        picture, covered = viewer.render(document, part, 0)
        assert covered == part.intersection(canvas)
        np.testing.assert_array_equal(picture, _core(document, covered))
    picture, covered = viewer.render(document, Bounds(400, 0, 5, 5), 0)
    assert covered.is_empty
    assert picture.shape == (0, 0, 4)


def _averages(values: np.ndarray, bounds: Bounds, canvas: Bounds, level: int) -> np.ndarray:
    """``values`` at ``bounds`` on an empty canvas, halved ``level`` times in float64; the last row
    or column of an odd side counts twice."""
    sheet = np.zeros((*canvas.extent.shape, values.shape[2]))
    inside = bounds.intersection(canvas)
    sheet[inside.slices] = values[inside.relative_to(bounds).slices]
    for _ in range(level):
        height, width = sheet.shape[:2]
        sheet = np.pad(sheet, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        sheet = (sheet[::2] + sheet[1::2]) / 2
        sheet = (sheet[:, ::2] + sheet[:, 1::2]) / 2
    return sheet


@pytest.mark.parametrize("level", [1, 2, 3])
@pytest.mark.parametrize("deep", [False, True])
def test_a_proxy_is_the_premultiplied_average_of_squares(level: int, deep: bool) -> None:
    canvas = Bounds(0, 0, 53, 38)
    for bounds in (canvas, Bounds(7, 5, 31, 22), Bounds(-9, -3, 90, 77), Bounds(40, 30, 13, 8)):
        layer = _layer(level, bounds)
        if deep:
            layer = replace(layer, pixels=layer.pixels.astype(np.uint16) * 257)
        picture, covered = Viewer().render(Document(canvas.extent, (layer,)), canvas, level)
        assert covered == Bounds.full(canvas.extent.multiple_of(1 << level))
        straight = _noise(level, bounds.width, bounds.height).astype(float)
        premul = np.dstack([straight[..., :3] * straight[..., 3:] / 255, straight[..., 3]])
        expected = _averages(premul, bounds, canvas, level)
        got = picture.astype(float)
        np.testing.assert_allclose(got[..., 3], expected[..., 3], atol=0.5 * level + 0.01)
        shown = got[..., :3] * got[..., 3:] / 255
        np.testing.assert_allclose(shown, expected[..., :3], atol=1.2 * level)


@settings(max_examples=40, deadline=None)
@given(documents(), st.integers(1, 5))
def test_at_a_level_the_picture_is_the_cores_composite_of_the_proxy(
    document: Document, level: int
) -> None:
    viewer = Viewer()
    picture, covered = viewer.render(document, CANVAS, level)
    proxy = viewer._proxies.document(document, level)
    assert covered == Bounds(*(side << level for side in Bounds.full(proxy.extent)))
    np.testing.assert_array_equal(picture, _core(proxy))


def test_large_documents_look_the_same_in_blocks() -> None:
    canvas = Bounds(0, 0, 1501, 1307)
    mask = Mask(Bounds(90, 80, 1205, 1111), _noise(3, 1205, 1111)[..., 0], outside=1)
    masked = _layer(1, Bounds(-31, -5, 1600, 1400), mask=mask)
    group = Group("group", (masked, _layer(2, Bounds(700, 900, 801, 300))), opacity=0.6)
    document = Document(canvas.extent, (_layer(0, canvas), group))
    viewer = Viewer()
    for level in (1, 2):
        whole, _ = viewer.render(document, canvas, level)
        np.testing.assert_array_equal(whole, _core(viewer._proxies.document(document, level)))
        part, covered = viewer.render(document, Bounds(990, 1001, 60, 70), level)
        place = Bounds(*(side >> level for side in covered))
        np.testing.assert_array_equal(part, whole[place.slices])


def test_an_opaque_odd_canvas_stays_opaque_at_every_level() -> None:
    pixels = np.full((75, 109, 4), 255, np.uint8)
    mask = Mask(Bounds(0, 0, 109, 75), np.full((75, 109), 255, np.uint8), outside=0)
    plate = Layer("plate", Bounds(0, 0, 109, 75), pixels, mask=mask)
    document = Document(Extent(109, 75), (plate,))
    for level in range(8):
        picture, _ = Viewer().render(document, Bounds.full(document.extent), level)
        assert (picture == 255).all(), level


def test_proxies_follow_moves_by_less_than_a_square() -> None:
    canvas = Bounds(0, 0, 64, 48)
    layer = _layer(3, Bounds(10, 10, 21, 17))
    viewer = Viewer()
    for dx, dy in itertools.product(range(5), range(4)):
        document = Document(canvas.extent, (layer.moved(dx, dy),))
        fresh, _ = Viewer().render(document, canvas, 2)
        np.testing.assert_array_equal(viewer.render(document, canvas, 2)[0], fresh)


def _solo_document() -> Document:
    box = Bounds(2, 1, 8, 6)
    group = Group("group", (_layer(1, box), _layer(2, box, visible=False)), opacity=0.5)
    clipped = _layer(4, CANVAS, clipped=True)
    return Document(EXTENT, (_layer(0, CANVAS), group, _layer(3, Bounds(0, 0, 5, 5)), clipped))


@pytest.mark.parametrize(
    ("only", "expected"),
    [
        ([(0,)], lambda d: (d.at((0,)),)),
        ([(1, 0)], lambda d: (replace(d.at((1,)), children=(d.at((1, 0)),)),)),
        (
            [(1, 1)],
            lambda d: (replace(d.at((1,)), children=(replace(d.at((1, 1)), visible=True),)),),
        ),
        ([(1,), (0,)], lambda d: (d.at((0,)), d.at((1,)))),
        ([(3,)], lambda d: (replace(d.at((3,)), clipped=False),)),
        ([(2,), (3,)], lambda d: (d.at((2,)), d.at((3,)))),
    ],
)
def test_solo_shows_these_nodes_in_their_groups(only: list[NodePath], expected) -> None:
    document = _solo_document()
    picture, _ = Viewer().render(document, CANVAS, 0, only=only)
    wanted: tuple[Node, ...] = expected(document)
    np.testing.assert_array_equal(picture, _core(Document(EXTENT, wanted)))


def test_without_hides_nodes_and_what_is_clipped_to_them() -> None:
    document = _solo_document()
    picture, _ = Viewer().render(document, CANVAS, 0, without=[(2,), (1, 0)])
    np.testing.assert_array_equal(picture, _core(Document(EXTENT, document.children[:1])))


def test_levels_and_paths_that_do_not_exist_are_refused() -> None:
    viewer, document = Viewer(), _solo_document()
    for level in (-1, 99):
        with pytest.raises(InvalidRequest, match="zoom level"):
            viewer.render(document, CANVAS, level)
        with pytest.raises(InvalidRequest, match="zoom level"):
            viewer.sprite(document.at((0,)), level)
    for options in ({"only": [(7,)]}, {"without": [(0, 1)]}):
        with pytest.raises(InvalidDocument, match="no layer"):
            viewer.render(document, CANVAS, 0, **options)


def test_a_sprite_is_the_node_alone_with_its_mask() -> None:
    bounds = Bounds(-3, 2, 11, 7)
    mask = Mask(Bounds(0, 0, 5, 5), np.full((5, 5), 128, np.uint8))
    layer = _layer(1, bounds, opacity=0.2, visible=False, clipped=True, mask=mask)
    group = Group("group", (layer, _layer(2, Bounds(4, 4, 9, 2))), opacity=0.1)
    for node in (layer, replace(layer, blend=BlendMode.MULTIPLY, opacity=0.9)):
        picture, covered = Viewer().sprite(node, 0)
        assert covered == bounds
        alpha = np.zeros((7, 11), int)
        alpha[:3, 3:8] = np.rint(layer.pixels[:3, 3:8, 3] * (128 / 255))
        np.testing.assert_allclose(picture[..., 3], alpha, atol=1)
        shown = alpha > 1
        np.testing.assert_array_equal(picture[shown][:, :3], layer.pixels[shown][:, :3])
    picture, covered = Viewer().sprite(group, 0)
    assert covered == Bounds(-3, 2, 16, 7)  # the hidden layer counts for the bounds
    np.testing.assert_array_equal(picture[2:4, 7:, 3], _noise(2, 9, 2)[..., 3])
    assert not picture[4:].any()
    picture, covered = Viewer().sprite(layer, 2)
    assert covered == Bounds(-4, 0, 12, 12)
    assert picture.shape == (3, 3, 4)


def test_thumbnails_fit_the_canvas_shape_and_are_not_enlarged() -> None:
    viewer, canvas = Viewer(), Extent(300, 600)
    wide = _layer(1, Bounds(-50, 0, 800, 100))
    assert viewer.thumbnail(wide, canvas).shape == (6, 48, 4)
    assert viewer.thumbnail(_layer(2, Bounds(5, 5, 11, 7)), canvas).shape == (7, 11, 4)
    tall = Layer("tall", Bounds(1, 3, 60, 900), np.full((900, 60, 4), 200, np.uint8))
    thumbnail = viewer.thumbnail(tall, canvas)
    assert thumbnail.shape == (96, 6, 4)
    np.testing.assert_allclose(thumbnail, 200, atol=1)  # no half transparent edge
    moved = Viewer().thumbnail(Group("group", (tall.moved(2, 3),)), canvas)
    np.testing.assert_array_equal(moved, thumbnail)
    empty = Layer("empty", Bounds(0, 0, 0, 0), np.zeros((0, 0, 4), np.uint8))
    assert not viewer.thumbnail(empty, canvas).any()
    assert not viewer.thumbnail(Group("group"), canvas).any()


@settings(max_examples=30, deadline=None)
@given(layers(), st.integers(-5, 5))
def test_a_key_is_of_the_picture_and_of_nothing_else(layer: Layer, shift: int) -> None:
    viewer, layer = Viewer(), replace(layer, opacity=0.9, visible=True)
    key = viewer.key(layer)
    same = replace(layer, name="other", opacity=0.3, visible=False, locked=True, clipped=True)
    assert viewer.key(same.moved(shift, -shift)) == key
    assert viewer.key(replace(layer, pixels=layer.pixels.copy())) == key
    group = Group("group", (layer, same))
    assert viewer.key(group.moved(3, shift)) == viewer.key(replace(group, name="g", opacity=0.1))
    assert viewer.key(group) != viewer.key(replace(group, children=(layer,)))
    assert viewer.key(group) != viewer.key(replace(group, children=(same, layer)))
    mask = Mask(Bounds(0, 0, 1, 1), np.zeros((1, 1), np.uint8))
    unmasked = replace(layer, mask=None)
    assert viewer.key(replace(layer, mask=mask)) != viewer.key(unmasked)
    assert viewer.key(replace(layer, mask=replace(mask, enabled=False))) == viewer.key(unmasked)
    if not layer.is_empty:
        pixels = layer.pixels.copy()
        pixels[0, 0, 3] ^= 1
        assert viewer.key(replace(layer, pixels=pixels)) != key


def test_memory_stays_bounded_and_pixels_are_let_go() -> None:
    canvas = Bounds(0, 0, 300, 260)
    viewer = Viewer(memory_bytes=2**20)
    for seed in range(40):
        document = Document(canvas.extent, (_layer(seed, canvas), _layer(seed + 1, canvas)))
        for level in (0, 1):
            picture, _ = viewer.render(document, canvas, level)
        viewer.thumbnail(document.at((0,)), canvas.extent)
        assert viewer.memory_bytes <= 2**20
        picture, _ = viewer.render(document, canvas, 0)
        np.testing.assert_array_equal(picture, _core(document))


def test_new_pixels_at_an_old_address_are_not_taken_for_the_old_ones() -> None:
    canvas = Bounds(0, 0, 40, 30)
    viewer = Viewer()
    for value in range(60):
        pixels = np.full((30, 40, 4), value + 100, np.uint8)
        document = Document(canvas.extent, (Layer("plain", canvas, pixels),))
        assert (viewer.render(document, canvas, 1)[0][..., 3] == value + 100).all()
        assert (viewer.render(document, canvas, 0)[0][..., 3] == value + 100).all()
        del pixels, document
        gc.collect(0)


def test_many_threads_see_what_one_does() -> None:
    canvas = Bounds(0, 0, 300, 200)
    base = Document(canvas.extent, tuple(_layer(seed, canvas, opacity=0.8) for seed in range(5)))
    looks = []
    for index, level in itertools.product(range(5), (0, 1, 3)):
        node = replace(base.at((index,)), opacity=0.1 + 0.1 * index)
        looks.append((base.replaced((index,), node), level))
    expected = [Viewer().render(document, canvas, level)[0] for document, level in looks]
    viewer = Viewer(memory_bytes=2**21)
    with ThreadPoolExecutor(8) as pool:
        pictures = pool.map(lambda look: viewer.render(look[0], canvas, look[1])[0], looks * 4)
        for picture, wanted in zip(pictures, expected * 4, strict=True):
            np.testing.assert_array_equal(picture, wanted)


def test_png_bytes_are_lossless_for_any_reader() -> None:
    pixels = _noise(1, 37, 23)
    read = cv2.imdecode(np.frombuffer(png_bytes(pixels), np.uint8), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(read[..., [2, 1, 0, 3]], pixels)
    gray = pixels[..., 0].copy()
    read = cv2.imdecode(np.frombuffer(png_bytes(gray), np.uint8), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(read, gray)
