"""Grouping, ungrouping and merging: the tree changes and the picture does not."""

import numpy as np
import pytest
from edit_documents import difference, documents_and_runs, flat, nested, noise, same_picture
from hypothesis import assume, given, settings

from layerstudio import edits
from layerstudio.document import BlendMode, Document, Group, Layer, Mask
from layerstudio.edits.rendering import bare, shown_bounds
from layerstudio.errors import InvalidRequest
from layerstudio.geometry import Bounds, Extent

CANVAS = Extent(11, 7)
LEFT, RIGHT = Bounds(-1, 0, 8, 6), Bounds(4, 2, 9, 7)
# Ten times what rounding to 8 bits was seen to do in 500 random documents.
ROUNDING = 6 / 255


@given(documents_and_runs())
@settings(max_examples=80, deadline=None)
def test_a_group_of_neighbours_looks_as_before_and_ungrouped_is_as_before(case):
    document, paths = case
    grouped = edits.group(document, paths)
    (path,) = grouped.selection
    assert isinstance(grouped.document.at(path), Group)
    same_picture(document, grouped.document)
    ungrouped = edits.ungroup(grouped.document, grouped.selection)
    assert list(ungrouped.selection) == paths
    same_picture(document, ungrouped.document)
    before = [node.name for _, node in document.walk()]
    assert [node.name for _, node in ungrouped.document.walk()] == before


def test_nodes_clipped_to_one_base_become_a_clipped_group():
    base = noise("base", LEFT, seed=1)
    above = [
        noise(f"c{n}", RIGHT, seed=n, clipped=True, blend=BlendMode.MULTIPLY) for n in (2, 3, 4)
    ]
    document = Document(CANVAS, (base, *above))
    grouped = edits.group(document, [(1,), (2,)], "shade")
    made = grouped.document.at((1,))
    assert made.clipped and made.name == "shade"
    same_picture(document, grouped.document)
    same_picture(document, edits.ungroup(grouped.document, [(1,)]).document)


def test_grouping_a_base_takes_along_what_is_clipped_to_it():
    document = nested()
    grouped = edits.group(document, [(1,)])
    assert grouped.selection == ((1,),)
    names = [node.name for node in grouped.document.at((1,)).children]  # type: ignore
    assert names == ["outer", "clipped"]
    same_picture(document, grouped.document)


def test_nodes_of_several_parents_meet_at_the_topmost():
    document = nested()
    grouped = edits.group(document, [(0,), (1, 1, 0)])
    assert grouped.selection == ((0, 1, 0),)
    names = [node.name for node in grouped.document.at((0, 1, 0)).children]  # type: ignore
    assert names == ["background", "leaf"]


@pytest.mark.parametrize("blend", [BlendMode.PASS_THROUGH, BlendMode.MULTIPLY, BlendMode.SCREEN])
def test_a_lone_child_takes_over_what_its_group_did(blend):
    mask = Mask(Bounds(2, 1, 4, 4), np.full((4, 4), 90, np.uint8), outside=1)
    own = Mask(Bounds(3, 0, 6, 5), np.full((5, 6), 200, np.uint8), outside=0)
    child = noise("child", RIGHT, seed=2, opacity=0.7, mask=own)
    parent = Group("group", (child,), 0.5, blend, mask=mask)
    document = Document(CANVAS, (noise("below", LEFT), parent))
    ungrouped = edits.ungroup(document, [(1,)]).document
    assert ungrouped.at((1,)).blend is (child.blend if blend is BlendMode.PASS_THROUGH else blend)
    same_picture(document, ungrouped, 1.5 / 255)


def test_what_is_clipped_in_a_faded_group_fades_with_its_base():
    mask = Mask(Bounds(0, 0, 9, 5), np.full((5, 9), 150, np.uint8), outside=0)
    run = (noise("base", LEFT, seed=5), noise("on it", RIGHT, seed=6, clipped=True))
    document = Document(CANVAS, (noise("below", LEFT), Group("g", run, 0.6, mask=mask)))
    ungrouped = edits.ungroup(document, [(1,)]).document
    assert ungrouped.at((2,)).opacity == 1.0
    same_picture(document, ungrouped, 1.5 / 255)


def test_a_hidden_group_leaves_hidden_children():
    document = edits.set_visible(nested(), [(1,)], False).document
    ungrouped = edits.ungroup(document, [(1,)])
    assert not any(ungrouped.document.at(path).visible for path in ungrouped.selection)


@given(documents_and_runs())
@settings(max_examples=50, deadline=None)
def test_merged_neighbours_look_as_before(case):
    document, paths = case
    nodes = [document.at(path) for path in paths]
    assume(not shown_bounds([bare(node) for node in nodes if _shows(node)]).is_empty)
    assume(not shown_bounds(nodes).is_empty)
    merged = edits.merge(document, paths)
    (path,) = merged.selection
    assert isinstance(merged.document.at(path), Layer)
    same_picture(document, merged.document, ROUNDING)


@pytest.mark.parametrize("mode", [BlendMode.NORMAL, BlendMode.MULTIPLY, BlendMode.SCREEN])
def test_layers_of_one_mode_keep_it_and_follow_what_lies_beneath(mode):
    low = noise("low", LEFT, np.uint16, 1, blend=mode)
    high = noise("high", RIGHT, np.uint16, 2, blend=mode, opacity=0.6)
    for seed in (3, 4):
        below = noise("below", Bounds(0, 0, 9, 7), np.uint16, seed)
        document = Document(CANVAS, (below, low, high))
        merged = edits.merge(document, [(1,), (2,)]).document
        assert merged.at((1,)).blend is mode
        moved = edits.move(merged, [(0,)], 2, -1).document
        same_picture(edits.move(document, [(0,)], 2, -1).document, moved, 4 / 65535)


def test_other_modes_are_worked_into_the_colours():
    document = Document(
        CANVAS,
        (
            noise("below", Bounds(0, 0, 11, 7), seed=1),
            noise("low", LEFT, seed=2, blend=BlendMode.DIFFERENCE),
            noise("high", RIGHT, seed=3, blend=BlendMode.OVERLAY),
        ),
    )
    merged = edits.merge(document, [(1,), (2,)])
    assert merged.document.at((1,)).blend is BlendMode.NORMAL
    same_picture(document, merged.document, ROUNDING)
    naive = edits.set_blend(document, [(1,), (2,)], "normal").document
    assert difference(document, naive) > 0.2


def test_a_merged_group_keeps_its_mode_opacity_and_mask():
    mask = Mask(Bounds(1, 1, 5, 3), np.full((3, 5), 77, np.uint8), outside=0)
    parent = Group("group", (noise("a", LEFT), noise("b", RIGHT)), 0.4, "multiply", mask=mask)  # type: ignore
    document = Document(CANVAS, (flat("below", Bounds(0, 0, 11, 7), (90, 150, 20, 255)), parent))
    merged = edits.merge(document, [(1,)], "one")
    layer = merged.document.at((1,))
    assert (layer.name, layer.blend, layer.opacity) == ("one", BlendMode.MULTIPLY, 0.4)
    assert layer.mask is mask
    same_picture(document, merged.document, ROUNDING)


def test_layers_clipped_to_a_base_that_stays_are_merged_clipped():
    base = noise("base", LEFT, seed=1)
    above = [
        noise("a", RIGHT, seed=2, clipped=True, blend=BlendMode.OVERLAY),
        noise("b", LEFT, seed=3, clipped=True, blend=BlendMode.DIFFERENCE),
    ]
    document = Document(CANVAS, (flat("below", LEFT, (9, 99, 199, 255)), base, *above))
    merged = edits.merge(document, [(2,), (3,)])
    assert merged.document.at((2,)).clipped
    same_picture(document, merged.document, ROUNDING)


def test_merging_keeps_sixteen_bits_and_what_lies_off_the_canvas():
    document = nested()
    merged = edits.merge(document, [(1,)]).document.at((1,))
    assert isinstance(merged, Layer) and merged.pixels.dtype == np.uint16
    assert merged.bounds.x == -2


def test_hidden_selections_and_locked_members_are_refused():
    document = edits.set_visible(nested(), [(0,), (1,)], False).document
    with pytest.raises(InvalidRequest, match="visible"):
        edits.merge(document, [(0,), (1,)])
    locked = edits.set_locked(nested(), [(1, 1, 0)], True).document
    for edit in (edits.merge, edits.group):
        with pytest.raises(InvalidRequest, match="'leaf' is locked"):
            edit(locked, [(0,), (1,)])
    with pytest.raises(InvalidRequest, match="Only a group"):
        edits.ungroup(document, [(0,)])


def _shows(node) -> bool:
    return node.visible and node.opacity > 0
