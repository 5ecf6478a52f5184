from __future__ import annotations

from dataclasses import replace

import numpy as np
from document_strategies import EXTENT, documents, nodes
from hypothesis import given, settings
from hypothesis import strategies as st

from layerstudio.composite import composite
from layerstudio.document import BlendMode, Document, Group, Layer, Mask
from layerstudio.geometry import Bounds
from layerstudio.viewing import topmost_at


def _without_dissolve(document: Document) -> Document:
    """Dissolve shows or not by its noise; normal shows wherever there is alpha."""
    for path, node in list(document.walk()):
        if node.blend is BlendMode.DISSOLVE:
            node = replace(document.at(path), blend=BlendMode.NORMAL)
            document = document.replaced(path, node)
    return document


@settings(max_examples=60, deadline=None)
@given(documents(), st.integers(-2, 14), st.integers(-2, 10))
def test_something_is_hit_exactly_where_the_picture_is_not_empty(
    document: Document, x: int, y: int
) -> None:
    document = _without_dissolve(document)
    hit = topmost_at(document, x, y)
    inside = 0 <= x < EXTENT.width and 0 <= y < EXTENT.height
    shown = inside and composite(document)[y, x, 3] > 0
    assert (hit is not None) == shown
    if hit is not None:
        assert isinstance(document.at(hit), Layer)


@settings(max_examples=40, deadline=None)
@given(st.lists(nodes(), min_size=2, max_size=5), st.integers(0, 12), st.integers(0, 8))
def test_stepping_down_meets_every_layer_that_shows_once(stack, x: int, y: int) -> None:
    document = _without_dissolve(Document(EXTENT, tuple(replace(n, clipped=False) for n in stack)))
    steps = []
    hit = topmost_at(document, x, y)
    while hit is not None:
        steps.append(hit)
        hit = topmost_at(document, x, y, below=hit)
    assert steps == sorted(steps, reverse=True)
    for index, node in enumerate(document.children):
        alone = composite(replace(document, children=(node,)))[y, x, 3] > 0
        assert alone == any(step[0] == index for step in steps)


CANVAS = Bounds.full(EXTENT)


def _plain(bounds: Bounds, **options) -> Layer:
    return Layer("plain", bounds, np.full((*bounds.extent.shape, 4), 255, np.uint8), **options)


def test_clipped_layers_are_hit_where_their_base_shows() -> None:
    base, above = _plain(Bounds(0, 0, 5, 9)), _plain(CANVAS, clipped=True)
    document = Document(EXTENT, (_plain(CANVAS), base, above))
    assert topmost_at(document, 2, 2) == (2,)
    assert topmost_at(document, 9, 2) == (0,)
    hidden = document.replaced((1,), replace(base, visible=False))
    assert topmost_at(hidden, 2, 2) == (0,)


def test_masks_and_groups_hide_what_is_in_them() -> None:
    mask = Mask(Bounds(0, 0, 4, 4), np.zeros((4, 4), np.uint8), outside=1)
    group = Group("group", (_plain(CANVAS), _plain(Bounds(0, 0, 8, 8))), mask=mask)
    document = Document(EXTENT, (_plain(CANVAS), group))
    assert topmost_at(document, 1, 1) == (0,)
    assert topmost_at(document, 6, 6) == (1, 1)
    assert topmost_at(document, 6, 6, below=(1, 1)) == (1, 0)
    assert topmost_at(document, 6, 6, below=(1,)) == (0,)
    assert topmost_at(document, 6, 6, below=(0,)) is None
    faded = document.replaced((1,), replace(group, opacity=0.0))
    assert topmost_at(faded, 6, 6) == (0,)
