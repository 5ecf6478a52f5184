"""Order, place and attributes: nothing is lost, nothing is copied, locks hold."""

import math

import numpy as np
import pytest
from document_strategies import documents
from edit_documents import any_path, flat, nested, noise, same_picture
from hypothesis import given, settings
from hypothesis import strategies as st

from layerstudio import edits
from layerstudio.document import BlendMode, Document, Group, Role
from layerstudio.edits.paths import normalised
from layerstudio.errors import InvalidRequest
from layerstudio.geometry import Bounds, Extent

STEPS = (edits.bring_forward, edits.send_backward, edits.bring_to_front, edits.send_to_back)


def labelled(document: Document) -> Document:
    """Every node under a name of its own."""
    for number, (path, _) in enumerate(document.walk()):
        document = edits.rename(document, [path], f"n{number}").document
    return document


def names(document: Document) -> list[str]:
    return [node.name for _, node in document.walk()]


def top(*labels: str, **groups: list[str]) -> Document:
    """A document of tiny layers; keywords are groups, put where their name is listed."""

    def node(label: str):
        if label in groups:
            return Group(label, tuple(map(node, groups[label])))
        return noise(label, Bounds(0, 0, 2, 1))

    return Document(Extent(5, 3), tuple(map(node, labels)))


def shape(document: Document) -> str:
    def text(node) -> str:
        inner = f"({' '.join(map(text, node.children))})" if isinstance(node, Group) else ""
        return node.name + inner

    return " ".join(map(text, document.children))


@pytest.mark.parametrize("text", ["2.0", "0", "17.3.1", ""])
def test_paths_read_as_written(text):
    assert edits.dotted(edits.parse_path(text)) == text


@pytest.mark.parametrize("text", ["2.", ".1", "a", "-1", "1..2", "1 ", "٣", "9" * 12, None, 3])
def test_other_texts_are_no_paths(text):
    with pytest.raises(InvalidRequest, match="not the path"):
        edits.parse_path(text)


def test_children_of_chosen_groups_go_along_once():
    assert normalised(nested(), [(1, 1, 0), (1,), (0,), (1,)]) == ((0,), (1,))


@given(st.data(), documents())
@settings(max_examples=60, deadline=None)
def test_reordering_keeps_every_node_and_follows_the_selection(data, document):
    document = labelled(document)
    paths = [data.draw(any_path(document)) for _ in range(data.draw(st.integers(1, 3)))]
    moved = normalised(document, paths)
    parents = [(), *(path for path, node in document.walk() if isinstance(node, Group))]
    parent = data.draw(st.sampled_from(parents))
    siblings = document.at(parent).children if parent else document.children  # type: ignore
    index = data.draw(st.integers(0, len(siblings)))
    if any(parent[: len(path)] == path for path in moved):
        with pytest.raises(InvalidRequest, match="into itself"):
            edits.reorder(document, paths, parent, index)
        return
    edited = edits.reorder(document, paths, parent, index)
    assert sorted(names(edited.document)) == sorted(names(document))
    assert [edited.document.at(path) for path in edited.selection] == [
        document.at(path) for path in moved
    ]
    rest = [node for at, node in enumerate(siblings) if (*parent, at) not in moved]
    (*home, _) = edited.selection[0]
    now = edited.document.at(tuple(home)).children if home else edited.document.children  # type: ignore
    # Nodes on the way down may be rebuilt, so siblings are compared by name.
    kept = [node.name for node in now if node.name not in {document.at(p).name for p in moved}]
    assert kept == [node.name for node in rest]


@given(st.data(), documents())
@settings(max_examples=60, deadline=None)
def test_steps_keep_every_node(data, document):
    document = labelled(document)
    paths = [data.draw(any_path(document)) for _ in range(2)]
    for step in STEPS:
        edited = step(document, paths)
        assert sorted(names(edited.document)) == sorted(names(document))
        chosen = {document.at(path).name for path in normalised(document, paths)}
        assert {edited.document.at(path).name for path in edited.selection} == chosen


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        ([(0,)], ("b a g(x y) c", "a b g(x y) c", "b g(x y) c a", "a b g(x y) c")),
        ([(2, 1)], ("a b g(x) y c", "a b g(y x) c", "a b g(x y) c", "a b g(y x) c")),
        ([(2, 0)], ("a b g(y x) c", "a b x g(y) c", "a b g(y x) c", "a b g(x y) c")),
        ([(0,), (1,)], ("g(x y) a b c", "a b g(x y) c", "g(x y) c a b", "a b g(x y) c")),
        ([(1,), (3,)], ("a g(x y) b c", "b a c g(x y)", "a g(x y) b c", "b c a g(x y)")),
    ],
)
def test_forward_backward_front_and_back(paths, expected):
    document = top("a", "b", "g", "c", g=["x", "y"])
    assert tuple(shape(step(document, paths).document) for step in STEPS) == expected


def test_reordering_into_and_out_of_groups():
    document = top("a", "g", "b", g=["x", "y"])
    into = edits.reorder(document, [(2,), (0,)], (1,), 1)
    assert shape(into.document) == "g(x a b y)"
    assert into.selection == ((0, 1), (0, 2))
    out = edits.reorder(document, [(1, 0)], (), 3)
    assert shape(out.document) == "a g(y) b x"
    for parent, index in (((0,), 0), ((), 4), ((), -1), ((9,), 0)):
        with pytest.raises(InvalidRequest):
            edits.reorder(document, [(2,)], parent, index)


def test_copies_share_pixels_lie_above_and_are_unlocked():
    document = edits.set_locked(top("a", "b", "c"), [(0,)], True).document
    edited = edits.duplicate(document, [(0,), (1,)])
    assert shape(edited.document) == "a b a copy b copy c"
    assert edited.selection == ((2,), (3,))
    copy = edited.document.at((2,))
    assert not copy.locked
    assert np.shares_memory(copy.pixels, document.at((0,)).pixels)  # type: ignore


def test_the_copy_of_a_base_leaves_what_is_clipped_where_it_is():
    document = nested()
    edited = edits.duplicate(document, [(1,)])
    assert [node.name for node in edited.document.children][-2:] == ["clipped", "outer copy"]


def test_after_deleting_the_layer_below_is_selected():
    document = top("a", "b", "g", g=["x"])
    assert edits.delete(document, [(1,)]).selection == ((0,),)
    assert edits.delete(document, [(0,)]).selection == ((0,),)
    assert edits.delete(document, [(2, 0)]).selection == ((2,),)
    assert edits.delete(document, [(0,), (1,), (2,)]).selection == ()
    assert shape(edits.delete(document, [(0,), (2, 0)]).document) == "b g()"


def test_new_layers_lie_above_the_selection_and_break_no_clipping():
    document = nested()
    edited = edits.add_layer(document, [(1,)], "new")
    made = edited.document.at((2,))
    assert edited.selection == ((2,),)
    assert (made.name, made.clipped, made.bounds.is_empty) == ("new", True, True)
    assert made.pixels.dtype == np.uint16  # type: ignore
    same_picture(document, edited.document)
    assert edits.add_layer(document, []).selection == ((3,),)
    assert edits.add_layer(document, [(1, 0)]).selection == ((1, 1),)
    assert edits.add_layer(Document(Extent(3, 2)), []).selection == ((0,),)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_background_of_one_colour(dtype):
    document = Document(Extent(5, 3), (noise("l", Bounds(1, 1, 3, 2), dtype, clipped=True),))
    edited = edits.fill_colour(document, "#Ff8001")
    background = edited.document.at((0,))
    assert background.role is Role.BACKGROUND and background.pixels.dtype == dtype  # type: ignore
    scale = np.iinfo(dtype).max // 255
    assert (background.pixels == np.array([255, 128, 1, 255]) * scale).all()  # type: ignore
    assert not edited.document.at((1,)).clipped
    for colour in ("red", "#12345", "#1234567", "#12345g", None, 7):
        with pytest.raises(InvalidRequest, match="not a colour"):
            edits.fill_colour(document, colour)  # type: ignore


def test_colours_are_converted_to_the_documents_profile():
    from PIL import ImageCms

    wide = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for profile, expected in ((wide, (200, 30, 90)), (b"not a profile", (200, 30, 90))):
        document = Document(Extent(2, 2), (), icc_profile=profile)
        layer = edits.fill_colour(document, "#c81e5a").document.at((0,))
        assert np.abs(layer.pixels[0, 0, :3].astype(int) - expected).max() <= 1  # type: ignore


@given(documents(), st.data())
@settings(max_examples=40, deadline=None)
def test_cropping_keeps_the_picture(document, data):
    path = data.draw(any_path(document))
    edited = edits.crop_to_content(document, [path])
    same_picture(document, edited.document)
    again = edits.crop_to_content(edited.document, [path])
    assert again.document is edited.document


def test_attributes_change_what_they_name_and_share_the_rest():
    document = nested()
    assert edits.rename(document, [(0,)], "  sky ").document.at((0,)).name == "sky"
    assert not edits.set_visible(document, [(1, 0)], False).document.at((1, 0)).visible
    faded = edits.set_opacity(document, [(1,), (1, 1)], 0.25).document
    assert faded.at((1,)).opacity == faded.at((1, 1)).opacity == 0.25
    assert faded.at((0,)) is document.at((0,))
    assert faded.at((1, 1, 0)) is document.at((1, 1, 0))
    assert edits.set_blend(document, [(1,)], "screen").document.at((1,)).blend is BlendMode.SCREEN
    assert edits.set_clipped(document, [(1, 1)], True).document.at((1, 1)).clipped
    same = edits.set_opacity(document, [(0,)], 1.0)
    assert same.document is document


@pytest.mark.parametrize(
    "edit",
    [
        lambda d: edits.set_opacity(d, [(0,)], math.nan),
        lambda d: edits.set_opacity(d, [(0,)], 1.01),
        lambda d: edits.set_opacity(d, [(0,)], True),
        lambda d: edits.set_opacity(d, [(0,)], "1"),
        lambda d: edits.set_blend(d, [(0,)], "sparkle"),
        lambda d: edits.set_blend(d, [(0,)], "pass-through"),
        lambda d: edits.set_blend(d, [(0,)], ["normal"]),
        lambda d: edits.set_clipped(d, [(0,)], True),
        lambda d: edits.set_visible(d, [(0,)], 1),
        lambda d: edits.rename(d, [(0,)], " "),
        lambda d: edits.rename(d, [(0,)], "a\nb"),
        lambda d: edits.rename(d, [(0,)], "a\u202eb"),
        lambda d: edits.rename(d, [(0,)], None),
        lambda d: edits.rename(d, [], "x"),
        lambda d: edits.rename(d, [()], "x"),
        lambda d: edits.rename(d, [(7,)], "x"),
        lambda d: edits.rename(d, [(0, 0)], "x"),
        lambda d: edits.move(d, [(0,)], math.inf, 0),
        lambda d: edits.move(d, [(0,)], 10**400, 0),
        lambda d: edits.move(edits.move(d, [(0,)], 10**6, 0).document, [(0,)], 10**6, 0),
        lambda d: edits.delete(d, [(1, 5)]),
    ],
)
def test_bad_arguments_are_refused_in_a_sentence(edit):
    with pytest.raises(InvalidRequest, match=r"\.$"):
        edit(nested())


@pytest.mark.parametrize("place", [(1,), (1, 1), (1, 1, 0)])
@pytest.mark.parametrize(
    "edit",
    [
        lambda d: edits.move(d, [(1, 1)], 1, 1),
        lambda d: edits.delete(d, [(1, 1)]),
        lambda d: edits.reorder(d, [(1, 1)], (), 0),
        lambda d: edits.bring_forward(d, [(1, 1)]),
        lambda d: edits.set_opacity(d, [(1, 1)], 0.5),
        lambda d: edits.crop_to_content(d, [(1, 1)]),
        lambda d: edits.recolour(d, [(1, 1)], "#123456"),
        lambda d: edits.adjust(d, [(1, 1)], invert=True),
        lambda d: edits.change_mask(d, [(1, 1)], "add"),
        lambda d: edits.brush(d, [(1, 1)], [[3, 3]], mode="erase", radius=2),
    ],
)
def test_locks_on_around_and_inside_a_node_hold(place, edit):
    document = edits.set_locked(nested(), [place], True).document
    with pytest.raises(InvalidRequest, match="is locked"):
        edit(document)


def test_what_locks_allow():
    document = edits.set_locked(nested(), [(1,)], True).document
    assert not edits.set_visible(document, [(1, 0)], False).document.at((1, 0)).visible
    assert edits.rename(document, [(1,)], "x").document.at((1,)).name == "x"
    assert not edits.set_locked(document, [(1,)], False).document.at((1,)).locked
    with pytest.raises(InvalidRequest, match="'outer' is locked"):
        edits.reorder(document, [(0,)], (1,), 0)
    with pytest.raises(InvalidRequest, match="'outer' is locked"):
        edits.add_layer(document, [(1, 0)])


def test_moves_are_rounded_and_take_masks_along():
    layer = flat("l", Bounds(0, 0, 4, 3), (1, 2, 3, 255))
    document = edits.change_mask(Document(Extent(9, 9), (layer,)), [(0,)], "add").document
    moved = edits.move(document, [(0,)], 1.6, -2.2).document.at((0,))
    assert moved.bounds == moved.mask.bounds == Bounds(2, -2, 4, 3)  # type: ignore


@pytest.mark.parametrize("name", ["👨‍👩‍👧", "می‌خواهم", "レイヤー 1", "é", "<script>"])
def test_names_of_all_scripts(name):
    document = top("old")
    assert edits.rename(document, [(0,)], name).document.at((0,)).name == name
