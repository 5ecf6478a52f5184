"""Baking keeps the picture, whatever the tree holds, and says what it changed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from document_strategies import documents
from hypothesis import given, settings

from layerstudio.color import to_depth
from layerstudio.composite import composite
from layerstudio.document import BlendMode, Document, Group, Layer, Mask, Node, TextContent
from layerstudio.geometry import Bounds, Extent
from layerstudio.ops.bake import CSS_MODES, bake_unsupported

ONLY_NORMAL = frozenset({BlendMode.NORMAL})
EXTENT = Extent(23, 17)
# With 16 bits, 1,500 trees were off by 1.4e-5 at most.
TOLERANCE = 1.5e-4


def deep(node: Node) -> Node:
    """The node with 16-bit pixels, so that rounding does not hide mistakes."""
    if isinstance(node, Group):
        return replace(node, children=tuple(map(deep, node.children)))
    return replace(node, pixels=to_depth(node.pixels, np.uint16))


def premultiplied(document: Document) -> np.ndarray:
    picture = composite(document)
    return np.dstack([picture[..., :3] * picture[..., 3:], picture[..., 3]])


def error(a: Document, b: Document) -> float:
    return float(np.abs(premultiplied(a) - premultiplied(b)).max())


def noise(bounds: Bounds, seed: int, alpha: tuple[int, int] = (0, 256)) -> np.ndarray:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (*bounds.extent.shape, 4), dtype=np.uint8)
    pixels[..., 3] = rng.integers(*alpha, pixels.shape[:2])
    return pixels


def layer(name: str, seed: int, bounds: Bounds | None = None, **fields) -> Layer:
    bounds = Bounds.full(EXTENT) if bounds is None else bounds
    return Layer(name, bounds, noise(bounds, seed), **fields)


def shape_of(nodes: tuple[Node, ...]) -> list:
    return [shape_of(n.children) if isinstance(n, Group) else n.name for n in nodes]


@pytest.mark.parametrize("keep_masks", [False, True])
@pytest.mark.parametrize("keep_groups", [False, True])
@pytest.mark.parametrize("supported", [ONLY_NORMAL, CSS_MODES], ids=["normal", "css"])
@given(document=documents())
@settings(max_examples=40, deadline=None)
def test_random_trees_keep_their_picture(document, supported, keep_groups, keep_masks):
    document = replace(document, children=tuple(map(deep, document.children)))
    baked, _ = bake_unsupported(document, supported, keep_masks=keep_masks, keep_groups=keep_groups)
    assert error(document, baked) < TOLERANCE
    for _, node in baked.walk():
        assert not node.clipped
        assert node.mask is None or keep_masks
        if isinstance(node, Layer):
            assert node.blend in supported
        elif keep_groups:
            assert node.blend in {*supported, BlendMode.PASS_THROUGH}
        else:
            assert (node.blend, node.opacity) == (BlendMode.PASS_THROUGH, 1.0)


@pytest.mark.parametrize("mode", sorted(set(BlendMode) - {BlendMode.PASS_THROUGH}))
def test_every_mode_over_a_translucent_backdrop(mode):
    document = Document(EXTENT, (layer("under", 1), layer("over", 2, blend=mode, opacity=0.7)))
    baked, notes = bake_unsupported(document, ONLY_NORMAL)
    assert error(document, baked) <= 1.5 / 255
    assert len(notes) == (mode is not BlendMode.NORMAL)
    over = baked.layers[1]
    if mode is not BlendMode.DISSOLVE:
        assert np.array_equal(over.pixels[..., 3], document.layers[1].pixels[..., 3])
        assert over.opacity == 0.7


def test_what_is_supported_is_left_alone_bit_for_bit():
    group = Group("g", (layer("a", 1, blend=BlendMode.SCREEN),), opacity=0.4)
    group = replace(group, blend=BlendMode.NORMAL)
    document = Document(EXTENT, (layer("under", 3), group))
    baked, notes = bake_unsupported(document, CSS_MODES, keep_masks=True, keep_groups=True)
    assert notes == ()
    assert np.shares_memory(baked.layers[1].pixels, document.layers[1].pixels)
    assert baked.children[1].opacity == 0.4


def test_a_faded_group_keeps_its_layers_apart():
    inner = tuple(layer(f"l{i}", i, Bounds(2 * i, i, 12, 11)) for i in range(4))
    group = Group("half", inner, opacity=0.5, mask=Mask(Bounds(3, 3, 9, 9), noise_mask(9), 1))
    document = Document(EXTENT, (layer("under", 9), group))
    baked, notes = bake_unsupported(document, ONLY_NORMAL)
    assert shape_of(baked.children) == shape_of(document.children)
    assert error(document, baked) < 4 / 255
    assert any("'half'" in note for note in notes)


def noise_mask(side: int) -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, (side, side), dtype=np.uint8)


def test_layers_that_do_not_overlap_keep_pixels_and_text_in_a_faded_group():
    text = TextContent("Hi", "DejaVu Sans", 8, (0, 0, 0), Bounds(0, 0, 6, 6))
    left = replace(layer("left", 1, Bounds(0, 0, 6, 6)), text=text)
    right = layer("right", 2, Bounds(10, 4, 7, 9))
    group = Group("half", (left, right), opacity=0.5, blend=BlendMode.NORMAL)
    baked, _ = bake_unsupported(Document(EXTENT, (group,)), ONLY_NORMAL)
    assert [node.opacity for node in baked.layers] == [0.5, 0.5]
    assert baked.layers[0].text is text


def test_clipped_layers_stay_layers_and_lose_their_text():
    text = TextContent("Hi", "DejaVu Sans", 8, (0, 0, 0), Bounds(0, 0, 6, 6))
    base = layer("base", 1, Bounds(4, 3, 13, 9), opacity=0.8)
    over = layer("over", 2, clipped=True, blend=BlendMode.MULTIPLY, text=text)
    document = Document(EXTENT, (layer("under", 3), base, over))
    baked, _ = bake_unsupported(document, CSS_MODES)
    assert shape_of(baked.children) == ["under", "base", "over"]
    assert baked.layers[2].text is None
    assert baked.layers[2].bounds == base.bounds
    assert error(document, baked) < 3 / 255


def test_hidden_layers_stay_hidden_and_editable():
    hidden = layer("hidden", 2, blend=BlendMode.VIVID_LIGHT, visible=False)
    document = Document(EXTENT, (layer("under", 1), hidden))
    baked, _ = bake_unsupported(document, CSS_MODES)
    assert not baked.layers[1].visible
    shown = document.replaced((1,), replace(hidden, visible=True))
    shown_baked = baked.replaced((1,), replace(baked.layers[1], visible=True))
    assert error(shown, shown_baked) < 1.5 / 255
