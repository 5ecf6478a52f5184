from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from document_strategies import EXTENT, documents, masks, nodes
from hypothesis import given, settings
from hypothesis import strategies as st

from layerstudio.composite import composite
from layerstudio.document import BlendMode, Document, Group, Layer, Mask, Node
from layerstudio.geometry import Bounds, Extent
from layerstudio.viewing import changed_bounds


def _assert_sound(before: Document, after: Document) -> None:
    changes = changed_bounds(before, after)
    same = (composite(before) == composite(after)).all(axis=2)
    inside = changes.clamped(before.extent)
    if not inside.is_empty:
        same[inside.slices] = True
    assert same.all(), changes


@settings(max_examples=150, deadline=None)
@given(documents(), st.data())
def test_nothing_changes_outside_after_one_edit(document: Document, data: st.DataObject) -> None:
    path, node = data.draw(st.sampled_from(list(document.walk())))
    changed: Node = data.draw(
        st.sampled_from(
            (
                node.moved(data.draw(st.integers(-3, 3)), data.draw(st.integers(-3, 3))),
                replace(node, opacity=0.7),
                replace(node, visible=not node.visible),
                replace(node, clipped=not node.clipped),
                replace(node, mask=data.draw(masks())),
                replace(node, blend=BlendMode.DIFFERENCE),
                data.draw(nodes()),
            )
        )
    )
    after = document.replaced(path, changed)
    _assert_sound(document, after)
    _assert_sound(after, document)
    _assert_sound(document, document.removed(path))


@settings(max_examples=60, deadline=None)
@given(documents(), documents(), st.randoms())
def test_nothing_changes_outside_between_any_two_documents(
    one: Document, other: Document, random
) -> None:
    _assert_sound(one, other)
    shuffled = list(one.children)
    random.shuffle(shuffled)
    _assert_sound(one, replace(one, children=tuple(shuffled)))
    _assert_sound(one, replace(one, children=(Group("group", one.children),)))


def _plain(bounds: Bounds, value: int = 200, **options) -> Layer:
    return Layer("plain", bounds, np.full((*bounds.extent.shape, 4), value, np.uint8), **options)


CANVAS = Extent(100, 80)
BACK = _plain(Bounds(0, 0, 100, 80), 90)
BOX = Bounds(10, 20, 30, 15)
TOP = _plain(Bounds(50, 5, 20, 20), 120)
NOTHING = Bounds(0, 0, 0, 0)


def _changes(before: Node, after: Node) -> Bounds:
    stack = Document(CANVAS, (BACK, before, TOP))
    return changed_bounds(stack, replace(stack, children=(BACK, after, TOP)))


def test_a_moved_layer_changes_where_it_was_and_is() -> None:
    layer = _plain(BOX)
    assert _changes(layer, layer.moved(3, -4)) == BOX.union(BOX.moved(3, -4))
    assert _changes(layer, layer.moved(200, 0)) == BOX
    inside = Group("group", (layer, TOP), opacity=0.5)
    moved = replace(inside, children=(layer.moved(3, -4), TOP))
    assert _changes(inside, moved) == BOX.union(BOX.moved(3, -4))


def test_what_does_not_show_changes_nothing() -> None:
    layer = _plain(BOX)
    hidden = replace(layer, opacity=0.0)
    assert _changes(hidden, replace(hidden, visible=False)) == NOTHING
    assert _changes(hidden, hidden.moved(5, 5)) == NOTHING
    assert _changes(layer, replace(layer, name="other", locked=True)) == NOTHING
    assert _changes(layer, replace(layer, pixels=layer.pixels.copy())) == NOTHING
    assert _changes(layer.moved(500, 0), layer.moved(0, 500)) == NOTHING
    group = Group("group", (layer,), visible=False)
    assert _changes(group, replace(group, children=(hidden, TOP))) == NOTHING
    assert _changes(layer, Group("group", (layer,))) == NOTHING


def test_visibility_opacity_and_mode_change_where_the_layer_is() -> None:
    layer = _plain(BOX)
    for after in (
        replace(layer, visible=False),
        replace(layer, opacity=0.5),
        replace(layer, blend=BlendMode.SCREEN),
    ):
        assert _changes(layer, after) == BOX


def test_a_stroke_changes_where_it_went() -> None:
    layer = _plain(BOX)
    pixels = layer.pixels.copy()
    pixels[3:6, 10:14, 3] = 7
    assert _changes(layer, replace(layer, pixels=pixels)) == Bounds(20, 23, 4, 3)
    values = np.full((15, 30), 255, np.uint8)
    whole = Mask(BOX, values)
    assert _changes(layer, replace(layer, mask=whole)) == NOTHING
    values = values.copy()
    values[0, 29] = 254
    painted = replace(layer, mask=Mask(BOX, values))
    assert _changes(replace(layer, mask=whole), painted) == Bounds(39, 20, 1, 1)
    assert _changes(layer, painted) == Bounds(39, 20, 1, 1)


def test_a_reordered_layer_changes_no_more_than_its_place() -> None:
    layer = _plain(BOX)
    before = Document(CANVAS, (BACK, layer, TOP, _plain(Bounds(0, 0, 100, 80), 1)))
    raised = (BACK, TOP, before.at((3,)), layer)
    assert changed_bounds(before, replace(before, children=raised)) == BOX


def test_several_moved_layers_change_where_they_were_and_are() -> None:
    stack = Document(CANVAS, (BACK, _plain(BOX), _plain(Bounds(0, 0, 5, 5)), TOP))
    moved = (BACK, *(node.moved(2, 1) for node in stack.children[1:3]), TOP)
    expected = BOX.union(BOX.moved(2, 1)).union(Bounds(0, 0, 7, 6))
    assert changed_bounds(stack, replace(stack, children=moved)) == expected


@pytest.mark.parametrize("extent", [Extent(120, 80), Extent(100, 3)])
def test_another_canvas_changes_all_of_it(extent: Extent) -> None:
    stack = Document(CANVAS, (BACK,))
    whole = Bounds.full(CANVAS).union(Bounds.full(extent))
    assert changed_bounds(stack, replace(stack, extent=extent)) == whole


def test_metadata_changes_nothing() -> None:
    stack = Document(EXTENT, (BACK, TOP))
    other = replace(stack, dpi=300.0, metadata={"title": "x"}, notes=("a",))
    assert changed_bounds(stack, other) == NOTHING
