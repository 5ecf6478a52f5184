"""Geometry of edits: what is exact is exact, and what is resampled has no fringe."""

import math
from dataclasses import replace

import numpy as np
import pytest
from document_strategies import documents
from edit_documents import any_path, flat, nested, noise, same_picture
from hypothesis import given, settings
from hypothesis import strategies as st

from layerstudio import edits
from layerstudio.composite import composite
from layerstudio.document import Document, Layer, Mask, TextContent
from layerstudio.errors import InvalidRequest
from layerstudio.geometry import Bounds, Extent

ALL = [(0,), (1,), (2,)]


def turned(degrees: float, scale: float = 1.0, about: tuple[float, float] = (0, 0)) -> list[float]:
    """A rotation clockwise on the screen, and a scale, about a point."""
    c, s = scale * math.cos(math.radians(degrees)), scale * math.sin(math.radians(degrees))
    x, y = about
    return [c, s, -s, c, x - c * x + s * y, y - s * x - c * y]


def inverse(m: list[float]) -> list[float]:
    full = np.array([[m[0], m[2], m[4]], [m[1], m[3], m[5]], [0, 0, 1]])
    i = np.linalg.inv(full)
    return [float(v) for v in (i[0, 0], i[1, 0], i[0, 1], i[1, 1], i[0, 2], i[1, 2])]


def equal(a: Document, b: Document) -> bool:
    """Whether both trees have the same layers and masks at the same places, bit for bit."""
    first, second = list(a.walk()), list(b.walk())
    return len(first) == len(second) and all(
        p == q and _equal_nodes(m, n) for (p, m), (q, n) in zip(first, second, strict=True)
    )


def _equal_nodes(a, b) -> bool:
    same = a.name == b.name and a.bounds == b.bounds and (a.mask is None) == (b.mask is None)
    if same and isinstance(a, Layer):
        same = np.array_equal(a.pixels, b.pixels)
    if same and a.mask is not None:
        same = a.mask.bounds == b.mask.bounds and np.array_equal(a.mask.pixels, b.mask.pixels)
    return same


@given(st.data(), documents())
@settings(max_examples=60, deadline=None)
def test_flips_and_turns_undo_themselves(data, document):
    paths = [data.draw(any_path(document)), data.draw(any_path(document))]
    for axis in ("horizontal", "vertical"):
        once = edits.flip(document, paths, axis).document
        assert equal(edits.flip(once, paths, axis).document, document)
    state = document
    for _ in range(4):
        state = edits.rotate90(state, paths, 1).document
    assert equal(state, document)
    back = edits.rotate90(edits.rotate90(document, paths, 1).document, paths, 3).document
    assert equal(back, document)


def test_a_quarter_turn_is_clockwise_and_flips_mirror():
    layer = noise("l", Bounds(2, 1, 5, 3))
    document = Document(Extent(12, 9), (layer,))
    turned_layer = edits.rotate90(document, [(0,)], 1).document.at((0,))
    assert turned_layer.bounds == Bounds(3, 0, 3, 5)
    assert np.array_equal(turned_layer.pixels, np.rot90(layer.pixels, -1))
    flipped = edits.flip(document, [(0,)], "horizontal").document.at((0,))
    assert flipped.bounds == layer.bounds
    assert np.array_equal(flipped.pixels, layer.pixels[:, ::-1])


def test_several_nodes_turn_about_their_common_middle():
    document = nested()
    flipped = edits.flip(document, ALL, "horizontal").document
    whole = Bounds.around(node.bounds for node in document.children)
    assert Bounds.around(node.bounds for node in flipped.children) == whole
    leaf = document.at((1, 1, 0)).bounds
    assert flipped.at((1, 1, 0)).bounds.right == whole.x + whole.right - leaf.x


@given(documents(), st.integers(-9, 9), st.integers(-9, 9), st.data())
@settings(max_examples=60, deadline=None)
def test_a_whole_shift_is_a_move_that_shares_the_pixels(document, dx, dy, data):
    path = data.draw(any_path(document))
    moved = edits.move(document, [path], dx, dy).document
    shifted = edits.transform(document, [path], [1, 0, 0, 1, dx, dy]).document
    assert equal(moved, shifted)
    for a, b in zip(document.layers, shifted.layers, strict=True):
        assert np.shares_memory(a.pixels, b.pixels) or a.is_empty


@given(documents(), st.data())
@settings(max_examples=40, deadline=None)
def test_a_grid_map_of_everything_maps_the_picture(document, data):
    """All children turned about the canvas's middle: the composite is turned, masks included."""
    mode_free = all(node.blend != "dissolve" for _, node in document.walk())
    if not mode_free:
        return
    square = replace(document, extent=Extent(13, 13))
    paths = [(index,) for index in range(len(square.children))]
    matrix, turn = data.draw(
        st.sampled_from(
            [
                ([0, 1, -1, 0, 13, 0], lambda picture: np.rot90(picture, -1)),
                ([-1, 0, 0, 1, 13, 0], lambda picture: picture[:, ::-1]),
                ([0, 1, 1, 0, 0, 0], lambda picture: picture.swapaxes(0, 1)),
            ]
        )
    )
    after = edits.transform(square, paths, matrix).document
    assert np.array_equal(composite(after), turn(composite(square)))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(
    "matrix",
    [
        turned(17),
        turned(200, 1.7),
        turned(-31, 0.4),
        [0.3, 0, 0, 1.9, 0.25, 0],
        [1, 0.2, 0.5, 1, 0, 0],
    ],
)
def test_one_colour_stays_one_colour_to_the_edge(matrix, dtype):
    rng = np.random.default_rng(5)
    pixels = np.zeros((31, 43, 4), dtype)
    scale = np.iinfo(dtype).max // 255
    pixels[..., :3] = np.array([250, 40, 7], dtype) * dtype(scale)
    pixels[..., 3] = rng.integers(0, np.iinfo(dtype).max, (31, 43))
    pixels[:9, :, :3] = 0
    pixels[:9, :, 3] = 0
    document = Document(Extent(60, 60), (Layer("l", Bounds(4, 3, 43, 31), pixels),))
    result = edits.transform(document, [(0,)], matrix).document.at((0,)).pixels
    seen = result[result[..., 3] > 8 * scale].astype(float) / scale
    assert len(seen) > 20
    assert np.abs(seen[:, :3] - (250, 40, 7)).max() <= 1.01


def test_an_opaque_layer_scaled_to_whole_edges_has_sharp_edges():
    document = Document(Extent(40, 40), (flat("l", Bounds(2, 2, 10, 6), (9, 200, 70, 255)),))
    for sx, sy in ((1.5, 2.5), (0.5, 0.5), (3.0, 0.5)):
        matrix = [sx, 0, 0, sy, 2 - 2 * sx, 2 - 2 * sy]
        layer = edits.transform(document, [(0,)], matrix).document.at((0,))
        assert layer.bounds == Bounds(2, 2, round(10 * sx), round(6 * sy))
        assert (layer.pixels == (9, 200, 70, 255)).all()


def test_area_is_kept_at_fractions_of_pixels():
    document = Document(Extent(40, 40), (flat("l", Bounds(5, 5, 20, 12), (9, 200, 70, 255)),))
    for matrix in (turned(33, 0.8), [0.331, 0, 0, 0.77, 0.4, 0.9], turned(80, 1.3)):
        layer = edits.transform(document, [(0,)], matrix).document.at((0,))
        determinant = matrix[0] * matrix[3] - matrix[1] * matrix[2]
        area = layer.pixels[..., 3].sum() / 255
        assert area == pytest.approx(240 * abs(determinant), rel=0.01)


@pytest.mark.parametrize(
    "matrix", [[0.1, 0, 0, 0.1, 0, 0], turned(45, 0.1), [0.5, 0.05, -0.5, 0.05, 0, 0]]
)
def test_shrinking_averages_over_the_area(matrix):
    """A checkerboard becomes even grey, also where a scale follows a turn."""
    board = np.indices((200, 240)).sum(axis=0) % 2 * 255
    pixels = np.dstack([board] * 3 + [np.full_like(board, 255)]).astype(np.uint8)
    document = Document(Extent(9, 9), (Layer("l", Bounds(0, 0, 240, 200), pixels),))
    result = edits.transform(document, [(0,)], matrix).document.at((0,)).pixels
    inside = result[result[..., 3] == 255]
    assert len(inside) > 50
    assert np.abs(inside[:, :3].astype(float) - 127.5).max() < 8


def test_a_scale_after_a_turn_averages_along_the_canvas():
    """Diagonal stripes, two periods of which fall on one row, become even grey."""
    ys, xs = np.mgrid[:240, :240]
    stripes = np.where((xs + ys) % 10 < 5, 255, 0)
    pixels = np.dstack([stripes] * 3 + [np.full_like(stripes, 255)]).astype(np.uint8)
    document = Document(Extent(9, 9), (Layer("l", Bounds(0, 0, 240, 240), pixels),))
    layer = edits.transform(document, [(0,)], [0.5, 0.05, -0.5, 0.05, 0, 0]).document.at((0,))
    inside = layer.pixels[layer.pixels[..., 3] == 255][:, :3].astype(float)
    assert len(inside) > 500
    assert np.abs(inside - 127.5).max() < 25


@given(st.floats(-180, 180), st.floats(1.0, 1.6))
@settings(max_examples=20, deadline=None)
def test_the_inverse_comes_close_to_the_start(degrees, scale):
    ys, xs = np.mgrid[:40, :50] / 50.0
    waves = 0.5 + 0.3 * np.sin(np.dstack([6 * xs, 5 * ys, 4 * (xs + ys), 0 * xs]))
    pixels = np.rint(waves * 255).astype(np.uint8)
    pixels[..., 3] = np.rint(255 * np.clip(1.2 - 3.1 * np.hypot(xs - 0.5, ys - 0.4), 0, 1))
    document = Document(Extent(60, 60), (Layer("l", Bounds(5, 7, 50, 40), pixels),))
    matrix = turned(degrees, scale, (30, 27))
    there = edits.transform(document, [(0,)], matrix).document
    same_picture(document, edits.transform(there, [(0,)], inverse(matrix)).document, 0.04)


def test_nearest_makes_no_new_colours():
    document = Document(Extent(30, 30), (noise("l", Bounds(3, 4, 7, 5), np.uint16),))
    layer = document.at((0,))
    doubled = edits.transform(document, [(0,)], [2, 0, 0, 2, 0, 0], "nearest").document.at((0,))
    assert np.array_equal(doubled.pixels, layer.pixels.repeat(2, 0).repeat(2, 1))
    any_turn = edits.transform(document, [(0,)], turned(20), "nearest").document.at((0,))
    known = {tuple(pixel) for pixel in layer.pixels.reshape(-1, 4)} | {(0, 0, 0, 0)}
    assert {tuple(pixel) for pixel in any_turn.pixels.reshape(-1, 4)} <= known


@pytest.mark.parametrize("outside", [0, 1])
@pytest.mark.parametrize("resample", ["auto", "nearest"])
def test_masks_go_along(outside, resample):
    """A mask of halves scaled with its layer hides the same half."""
    values = np.full((12, 8), 255 * (1 - outside), np.uint8)
    mask = Mask(Bounds(2, 2, 8, 12), values, outside)
    layer = flat("l", Bounds(2, 2, 16, 12), (50, 60, 70, 255), mask=mask)
    document = Document(Extent(60, 60), (layer,))
    large = edits.transform(document, [(0,)], [2, 0, 0, 1.5, -2, -1], resample).document
    alpha = composite(large)[..., 3]
    left = Bounds(2, 2, 16, 18)
    shown = left if outside == 0 else left.moved(16, 0)
    assert alpha[shown.slices].min() == 1
    assert alpha.sum() == pytest.approx(shown.area, rel=1e-5)


def test_live_text_follows_even_scales_and_ends_at_turns():
    text = TextContent("Hi", "Sans", 10.0, (0, 0, 0), Bounds(4, 4, 8, 6), baseline=9.0)
    document = Document(Extent(40, 40), (flat("t", Bounds(4, 4, 8, 6), (0, 0, 0, 255), text=text),))

    def after(matrix):
        return edits.transform(document, [(0,)], matrix).document.at((0,)).text

    double = after([2, 0, 0, 2, 1, -3])
    assert (double.size, double.box, double.baseline) == (20.0, Bounds(9, 5, 16, 12), 15.0)
    assert after([1, 0, 0, 1, 3, 2]).box == Bounds(7, 6, 8, 6)
    assert after([2, 0, 0, 1, 0, 0]) is None
    assert after(turned(30)) is None
    assert edits.flip(document, [(0,)], "vertical").document.at((0,)).text is None


@pytest.mark.parametrize("bounds", [Bounds(0, 0, 0, 0), Bounds(3, 4, 0, 7), Bounds(-900, 40, 1, 1)])
def test_empty_and_single_pixels(bounds):
    document = Document(Extent(9, 9), (noise("l", bounds),))
    for matrix in (turned(20), [0.1, 0, 0, 0.1, 0, 0], [3, 0, 0, 3, 0.5, 0.5]):
        layer = edits.transform(document, [(0,)], matrix).document.at((0,))
        assert layer.bounds.is_empty == bounds.is_empty


@pytest.mark.parametrize(
    "matrix",
    [
        [1, 0, 0, 1, 0],
        [math.nan, 0, 0, 1, 0, 0],
        [1, 0, 0, math.inf, 0, 0],
        [1, 1, 1, 1, 0, 0],
        [0, 0, 0, 0, 0, 0],
        [1e9, 0, 0, 1, 0, 0],
        [9000, 0, 0, 9000, 0, 0],
        [1.5, 0, 0, 1.5, 1e7, 0],
        ["2", 0, 0, 1, 0, 0],
    ],
)
def test_impossible_transforms_are_refused(matrix):
    with pytest.raises(InvalidRequest):
        edits.transform(nested(), [(0,)], matrix)


def test_bad_choices_and_locks_are_refused():
    document = edits.set_locked(nested(), [(1, 1)], True).document
    with pytest.raises(InvalidRequest, match="'inner' is locked"):
        edits.transform(document, [(1,)], turned(5))
    with pytest.raises(InvalidRequest, match="'inner' is locked"):
        edits.flip(document, [(1, 1, 0)], "horizontal")
    with pytest.raises(InvalidRequest, match="horizontal, vertical"):
        edits.flip(document, [(0,)], "diagonal")
    with pytest.raises(InvalidRequest, match="quarters"):
        edits.rotate90(document, [(0,)], 4)
    with pytest.raises(InvalidRequest, match="auto, nearest"):
        edits.transform(document, [(0,)], turned(5), "lanczos")
