"""Brush strokes, masks and shadows: even, reversible, as large as they need to be."""

import math
from itertools import pairwise

import numpy as np
import pytest
from edit_documents import difference, flat, nested, noise, same_picture
from hypothesis import given, settings
from hypothesis import strategies as st

from layerstudio import edits
from layerstudio.composite import composite
from layerstudio.document import BlendMode, Document, Group, Layer, Mask, Role
from layerstudio.edits.stroke import Stroke
from layerstudio.errors import InvalidRequest
from layerstudio.geometry import Bounds, Extent

CANVAS = Extent(64, 48)
WHOLE = Bounds(0, 0, 64, 48)


def canvas(*layers, extent: Extent = CANVAS) -> Document:
    return Document(extent, layers)


def alpha(document: Document) -> np.ndarray:
    return composite(document)[..., 3]


def densified(points: list[list[float]], times: int) -> list[list[float]]:
    """The same path through ``times`` as many points."""
    dense = [points[0]]
    for a, b in pairwise(points):
        dense += [
            [x + (y - x) * n / times for x, y in zip(a, b, strict=True)]
            for n in range(1, times + 1)
        ]
    return dense


points = st.lists(st.lists(st.floats(-10, 70), min_size=2, max_size=2), min_size=1, max_size=6)


@given(points, st.floats(0.5, 30), st.floats(0, 1), st.integers(2, 9))
@settings(max_examples=40, deadline=None)
def test_a_stroke_does_not_depend_on_how_many_points_it_has(path, radius, hardness, times):
    once = Stroke.through(path, radius, hardness).at(WHOLE)
    dense = Stroke.through(densified(path, times), radius, hardness).at(WHOLE)
    assert np.abs(once - dense).max() < 0.05
    assert np.abs(once - dense).mean() < 0.002


def test_a_straight_stroke_is_even_along_its_way():
    path = [[8.0 + n, 24.5] for n in range(48)]
    values = Stroke.through(path, 9.0, 0.3).at(WHOLE)
    assert np.abs(values[:, 12:52] - values[:, 20:21]).max() < 1e-5
    assert values[24, 30] == 1
    assert values[24 - 10, 30] == 0 == values[24 + 11, 30]


def test_hardness_and_radius_say_where_it_falls():
    at = Stroke.through([[20.5, 20.5]], 10.0, 0.5).at(WHOLE)[20]
    assert (at[20:26] == 1).all()
    assert np.all(np.diff(at[25:32]) <= 0)
    assert at[31] == 0 and 0.4 < at[28] < 0.7
    hard = Stroke.through([[20.0, 20.0]], 10.0, 1.0).at(WHOLE)
    assert hard.sum() == pytest.approx(math.pi * 100, rel=0.01)


def test_wide_soft_strokes_are_drawn_smaller_and_look_the_same():
    stroke = Stroke.through([[100, 100], [300, 180]], 200.0, 0.2)
    place = Bounds(-300, -200, 900, 700)
    wide = stroke.at(place)
    for x, y in ((-60, 100), (100, 100), (250, 300), (420, 260), (200, 20), (330, 330)):
        axis = np.array([200.0, 80.0])
        centre = np.array([x + 0.5 - 100, y + 0.5 - 100])
        along = np.clip(centre @ axis / (axis @ axis), 0, 1)
        share = np.clip((200.5 - np.linalg.norm(centre - along * axis)) / 160, 0, 1)
        assert wide[y + 200, x + 300] == pytest.approx(share**2 * (3 - 2 * share), abs=0.01)


def test_pressure_scales_the_radius():
    thin = Stroke.through([[5, 24, 0.5], [60, 24, 0.5]], 12.0, 1.0).at(WHOLE)
    assert np.abs(thin - Stroke.through([[5, 24], [60, 24]], 6.0, 1.0).at(WHOLE)).max() < 1e-5
    growing = Stroke.through([[5, 24, 0.0], [60, 24, 1.0]], 12.0, 1.0).at(WHOLE)
    widths = growing.sum(axis=0)[10:55]
    assert np.all(np.diff(widths) > -0.01) and widths[-1] > 3 * widths[0]
    assert not Stroke.through([[20, 20, 0]], 12.0, 0.5).at(WHOLE).any()


@given(
    points,
    st.floats(0.5, 20),
    st.floats(0, 1),
    st.floats(0, 1),
    st.sampled_from((np.uint8, np.uint16)),
)
@settings(max_examples=40, deadline=None)
def test_erasing_and_restoring_the_same_stroke_changes_nothing(
    path, radius, hardness, strength, dtype
):
    document = canvas(noise("l", Bounds(3, 2, 41, 37), dtype))
    options = {"radius": radius, "hardness": hardness, "strength": strength}
    erased = edits.brush(document, [(0,)], path, mode="erase", **options).document
    restored = edits.brush(erased, [(0,)], path, mode="restore", **options).document
    same_picture(document, restored)
    assert np.all(alpha(erased) <= alpha(document) + 1e-6)
    assert np.shares_memory(restored.at((0,)).pixels, document.at((0,)).pixels)  # type: ignore


def test_the_mask_covers_the_stroke_on_the_layer_and_no_more():
    document = canvas(flat("l", Bounds(10, 10, 30, 20), (9, 9, 9, 255)))
    path = [[12, 20], [20, 20]]
    once = edits.brush(document, [(0,)], path, mode="erase", radius=4, hardness=1).document
    mask = once.at((0,)).mask
    assert mask is not None and mask.outside == 1
    assert Bounds(10, 15, 16, 10).contains(mask.bounds)
    assert alpha(once)[20, 15] == 0 and alpha(once)[20, 35] == 1
    far = edits.brush(once, [(0,)], [[38, 28]], mode="erase", radius=3, hardness=1).document
    assert alpha(far)[20, 15] == 0 and alpha(far)[28, 37] == 0 and alpha(far)[12, 38] == 1
    beside = edits.brush(document, [(0,)], [[60, 40]], mode="erase", radius=4)
    assert beside.document is document


@pytest.mark.parametrize("outside", [0, 1])
def test_strokes_beyond_a_small_mask(outside):
    mask = Mask(Bounds(20, 20, 4, 4), np.full((4, 4), 128, np.uint8), outside)
    document = canvas(flat("l", WHOLE, (9, 9, 9, 255), mask=mask))
    for mode, value in (("erase", 0.0), ("restore", 1.0)):
        painted = edits.brush(document, [(0,)], [[40, 30]], mode=mode, radius=5, hardness=1)
        after = alpha(painted.document)
        assert after[30, 40] == value
        assert after[2, 2] == outside
        assert after[21, 21] == pytest.approx(128 / 255)


def test_groups_have_brushes_too_and_strength_adds_up_over_strokes():
    document = canvas(Group("g", (flat("a", WHOLE, (9, 9, 9, 255)), noise("b", WHOLE))))
    for expected in (0.7, 0.4, 0.1, 0.0):
        document = edits.brush(
            document, [(0,)], [[30, 20], [31, 20]], mode="erase", radius=6, strength=0.3
        ).document
        assert alpha(document)[20, 30] == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize(
    "bad",
    [
        {"points": []},
        {"points": [[1]]},
        {"points": [[1, 2, 3]]},
        {"points": [[math.nan, 2]]},
        {"points": "line"},
        {"points": [[0, 0]] * 20_001},
        {"radius": 0},
        {"radius": 1e9},
        {"hardness": -0.1},
        {"strength": math.nan},
        {"mode": "paint"},
    ],
)
def test_bad_strokes_are_refused(bad):
    good = {"points": [[1, 2]], "mode": "erase", "radius": 4.0}
    with pytest.raises(InvalidRequest):
        edits.brush(nested(), [(0,)], **{**good, **bad})


def test_masks_are_added_inverted_switched_applied_and_removed():
    document = canvas(noise("l", Bounds(2, 2, 20, 15), np.uint16, 3))
    masked = edits.change_mask(document, [(0,)], "add").document
    same_picture(document, masked)
    erased = edits.brush(masked, [(0,)], [[10, 10]], mode="erase", radius=5).document
    applied = edits.change_mask(erased, [(0,)], "apply").document
    assert applied.at((0,)).mask is None
    same_picture(erased, applied, 1 / 65535)
    inverted = edits.change_mask(erased, [(0,)], "invert").document
    assert np.abs(alpha(erased) + alpha(inverted) - alpha(document)).max() < 1e-4
    off = edits.change_mask(erased, [(0,)], "disable").document
    same_picture(document, off)
    same_picture(erased, edits.change_mask(off, [(0,)], "enable").document)
    same_picture(document, edits.change_mask(erased, [(0,)], "remove").document)


def test_mask_actions_that_cannot_be_are_refused():
    document = nested()
    for action in ("remove", "apply", "invert", "enable", "disable"):
        with pytest.raises(InvalidRequest, match="has no mask"):
            edits.change_mask(document, [(0,)], action)
    grouped = edits.change_mask(document, [(1,)], "add").document
    with pytest.raises(InvalidRequest, match="already"):
        edits.change_mask(grouped, [(1,)], "add")
    with pytest.raises(InvalidRequest, match="group"):
        edits.change_mask(grouped, [(1,)], "apply")
    with pytest.raises(InvalidRequest, match="action"):
        edits.change_mask(document, [(0,)], "feather")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_shadow_lies_right_below_and_has_the_shape(dtype):
    layer = noise("star", Bounds(10, 10, 21, 15), dtype, 5, opacity=0.5)
    document = canvas(flat("below", WHOLE, (255, 255, 255, 255)), layer)
    edited = edits.add_shadow(document, [(1,)], dx=4, dy=-3, blur=0, color="#204060", opacity=0.6)
    shadow = edited.document.at((1,))
    assert isinstance(shadow, Layer) and edited.selection == ((1,),)
    assert edited.document.at((2,)) is layer
    assert (shadow.role, shadow.blend, shadow.opacity) == (Role.SHADOW, BlendMode.MULTIPLY, 0.6)
    assert shadow.pixels.dtype == dtype
    assert shadow.bounds == layer.bounds.moved(4, -3)
    scale = np.iinfo(dtype).max
    difference_ = shadow.pixels[..., 3] / scale - 0.5 * layer.pixels[..., 3] / scale
    assert np.abs(difference_).max() <= 0.51 / scale + 1e-6
    assert list(shadow.pixels[0, 0, :3] // (scale // 255)) == [0x20, 0x40, 0x60]


@pytest.mark.parametrize("blur", [1.5, 8, 40])
def test_blur_keeps_the_sum_and_spreads_by_its_deviation(blur):
    extent = Extent(400, 400)
    document = canvas(
        flat("dot", Bounds(190, 195, 21, 11), (0, 0, 0, 255), np.uint16), extent=extent
    )
    edited = edits.add_shadow(document, [(0,)], dx=0, dy=0, blur=blur)
    shadow = edited.document.at((0,))
    assert isinstance(shadow, Layer)
    weight = shadow.pixels[..., 3] / 65535
    assert weight.sum() == pytest.approx(21 * 11, rel=0.02)
    xs = np.arange(shadow.bounds.x, shadow.bounds.right) + 0.5
    variance = float((weight.sum(axis=0) * (xs - 200.5) ** 2).sum() / weight.sum())
    assert variance == pytest.approx((21**2 - 1) / 12 + (blur / 2) ** 2, rel=0.08)


def test_groups_cast_one_shadow_off_the_canvas_too():
    group = Group(
        "g",
        (
            flat("a", Bounds(-20, 5, 15, 9), (1, 1, 1, 255)),
            flat("b", Bounds(2, 5, 9, 9), (1, 1, 1, 128)),
        ),
    )
    edited = edits.add_shadow(canvas(group), [(0,)], dx=0, dy=0, blur=0)
    shadow = edited.document.at((0,))
    assert isinstance(shadow, Layer)
    assert shadow.bounds == Bounds(-20, 5, 31, 9)
    assert set(np.unique(shadow.pixels[..., 3])) == {0, 128, 255}


def test_shadows_of_clipped_and_hidden_nodes():
    document = canvas(
        flat("base", Bounds(0, 0, 30, 30), (90, 90, 90, 255)),
        flat("on it", Bounds(5, 5, 10, 10), (200, 9, 9, 255), clipped=True, visible=False),
    )
    edited = edits.add_shadow(document, [(1,)], dx=2, dy=2, blur=3).document
    assert [(node.clipped, node.visible) for node in edited.children] == [
        (False, True),
        (True, False),
        (True, False),
    ]
    with pytest.raises(InvalidRequest, match="no shadow"):
        edits.add_shadow(canvas(noise("e", Bounds(0, 0, 0, 0))), [(0,)], dx=1, dy=1, blur=1)


def test_the_canvas_is_resized_around_its_layers():
    document = nested()
    edited = edits.resize_canvas(document, 20, 15, -3, -2).document
    before, after = composite(document), composite(edited)
    assert np.array_equal(after[2 : 2 + 9, 3 : 3 + 13], before)
    back = edits.resize_canvas(edited, 13, 9, 3, 2).document
    assert difference(document, back) == 0
    assert edits.resize_canvas(document, 13, 9).document is document
    for bad in ((0, 5), (300_001, 1), (300_000, 300_000), (5, math.nan)):
        with pytest.raises(InvalidRequest):
            edits.resize_canvas(document, *bad)


def test_trimming_cuts_to_what_is_visible():
    document = canvas(
        noise("l", Bounds(-3, 5, 20, 11)), flat("h", WHOLE, (1, 1, 1, 255), visible=False)
    )
    trimmed = edits.trim(document).document
    assert trimmed.extent == Extent(17, 11)
    assert np.array_equal(composite(trimmed), composite(document)[5:16, :17])
    assert edits.trim(trimmed).document is trimmed
    with pytest.raises(InvalidRequest, match="Nothing is visible"):
        edits.trim(edits.set_visible(document, [(0,)], False).document)
