import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layered import assert_same, documents

from layerstudio.document import Document, Layer, Role, TextContent
from layerstudio.geometry import Bounds, Extent
from layerstudio.io import recipe

quick = settings(deadline=None, max_examples=40)


def bare(document):
    """The document as a format gives it back that knows pixels and names only."""

    def stripped(node):
        if isinstance(node, Layer):
            return Layer(
                node.name, node.bounds, node.pixels, node.opacity, node.blend, node.visible,
                clipped=node.clipped, mask=node.mask,
            )  # fmt: skip
        return replace(node, locked=False, children=tuple(map(stripped, node.children)))

    children = tuple(map(stripped, document.children))
    return Document(document.extent, children, document.icc_profile, document.dpi)


@quick
@given(documents())
def test_a_recipe_survives_json_and_xmp(document):
    text, packet = recipe.to_json(document), recipe.to_xmp(document)
    assert recipe.from_json(text) == recipe.from_xmp(packet) == recipe.of(document)
    assert text.isascii() and text.isprintable() and not set(text) & set("<>&")
    ElementTree.fromstring(packet)


@quick
@given(documents())
def test_a_recipe_completes_what_a_format_lost(document):
    restored = recipe.apply(recipe.from_xmp(recipe.to_xmp(document)), bare(document))
    assert_same(restored, document)


def test_nothing_is_put_on_a_layer_of_another_name():
    document = layered("mine", locked=True)
    other = layered("yours")
    assert not recipe.apply(recipe.of(document), other).layers[0].locked
    assert recipe.apply(recipe.of(document), layered("mine")).layers[0].locked


def test_text_stays_off_pixels_that_another_program_changed():
    pixels = np.zeros((5, 9, 4), np.uint8)
    pixels[1:4, 2:7] = 200
    words = TextContent("words", "Lato", 9.0, (200, 200, 200), Bounds(2, 1, 5, 3))
    layer = Layer("words", Bounds(3, 4, 9, 5), pixels, role=Role.TEXT, text=words)
    found = Document(Extent(30, 20), (replace(layer, text=None, role=Role.OBJECT),))

    def restored(change):
        known = recipe.of(Document(found.extent, (layer,)))
        (result,) = recipe.apply(known, found.replaced((0,), change(found.layers[0]))).layers
        return result

    painted = pixels.copy()
    painted[2, 3, 3] = 0
    assert restored(lambda same: same.cropped_to_content()).text == words
    assert restored(lambda other: other.moved(0, 1)).text is None
    assert restored(lambda other: replace(other, pixels=painted)).text is None
    assert restored(lambda other: other.moved(0, 1)).role is Role.TEXT


def test_a_name_that_was_cut_is_whole_again():
    long = "x" * 400
    found = recipe.apply(recipe.of(layered(long, locked=True)), layered(long[:255]))
    assert (found.layers[0].name, found.layers[0].locked) == (long, True)


def test_notes_of_the_reader_come_after_those_of_the_recipe():
    document = replace(layered("a"), notes=("old", "both"))
    read = replace(layered("a"), notes=("both", "new"))
    assert recipe.apply(recipe.of(document), read).notes == ("old", "both", "new")


def layered(name, **options):

    layer = Layer(name, Bounds(0, 0, 1, 1), np.zeros((1, 1, 4), np.uint8), **options)
    return Document(Extent(2, 3), (layer,))


@pytest.mark.parametrize("change", [("1", "2"), ('"nodes":[', '"nodes":[5,'), ("[0]", '["x"]')])
def test_a_damaged_recipe_is_none(change):
    text = recipe.to_json(layered("a"))
    assert recipe.from_json(text) is not None
    assert recipe.from_json(text.replace(*change)) is None


@given(st.text() | st.just("[" * 100_000))
def test_garbage_is_no_recipe(text):
    assert recipe.from_json(text) is None
    assert recipe.from_xmp(text.encode(errors="replace")) is None
