from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_studio import GROUNDS, THINGS

from layerstudio.geometry import Extent
from layerstudio.pipelines.studio.model import Vocabulary
from layerstudio.pipelines.studio.placing import boxes_of
from layerstudio.pipelines.studio.reading import MOST_THINGS, Thing, read_prompt, wish_of

VOCABULARY = Vocabulary.of(THINGS, GROUNDS)


@pytest.mark.parametrize(
    ("prompt", "things", "ground"),
    [
        ("a red balloon and a dog", [("balloon", "red"), ("dog", "")], ""),
        ("Two dogs in a meadow.", [("dog", ""), ("dog", "")], "meadow"),
        ("a puppy, trees, blue dots", [("dog", ""), ("tree", "")], "dots"),
        ("an orange dog at night", [("dog", "orange")], "night"),
        ("a dog on a pink background", [("dog", "")], "plain"),
        ("a green starry sky", [], "night"),
    ],
)
def test_things_and_grounds(prompt: str, things: list[tuple[str, str]], ground: str) -> None:
    wish = read_prompt(prompt, VOCABULARY)
    assert [(thing.noun, thing.colour) for thing in wish.things] == things
    assert wish.ground == ground
    assert wish.unknown == ()


def test_colours_of_grounds_and_sizes_and_places() -> None:
    wish = read_prompt("a big balloon top left, a tiny dog on the right, pink stripes", VOCABULARY)
    balloon, dog = wish.things
    assert (balloon.across, balloon.down, dog.across, dog.down) == (0.0, 0.0, 1.0, None)
    assert balloon.size > 1 > dog.size
    assert (wish.ground, wish.ground_colour) == ("stripes", "pink")


def test_what_is_not_known_is_told_once() -> None:
    assert read_prompt("a dragon, a dog, a dragon", VOCABULARY).unknown == ("dragon",)


def test_captions_stand_for_one_layer_each() -> None:
    wish = wish_of("a dog", ("a red balloon", "a unicorn"), "at night", VOCABULARY)
    assert [thing.noun for thing in wish.things] == ["balloon", ""]
    assert (wish.ground, wish.unknown) == ("night", ("unicorn",))


@given(st.text(max_size=200))
def test_any_text_is_read(prompt: str) -> None:
    assert len(read_prompt(prompt, VOCABULARY).things) <= MOST_THINGS


@given(
    st.lists(
        st.builds(
            Thing,
            st.sampled_from(sorted(THINGS)),
            across=st.sampled_from([None, 0.0, 0.5, 1.0]),
            down=st.sampled_from([None, 0.0, 1.0]),
            size=st.sampled_from([0.6, 1.0, 1.6]),
        ),
        max_size=MOST_THINGS,
    ),
    st.integers(129, 900),
    st.integers(129, 900),
    st.integers(0, 2**32 - 1),
)
def test_boxes_are_squares_on_the_canvas(
    things: list[Thing], width: int, height: int, seed: int
) -> None:
    extent = Extent(width, height)
    boxes = boxes_of(things, extent, seed)
    assert len(boxes) == len(things)
    for box in boxes:
        assert box.width == box.height > 0
        assert box.clamped(extent) == box


def test_places_are_kept() -> None:
    things = [Thing("dog", across=0.0), Thing("tree", across=1.0, down=1.0)]
    dog, tree = boxes_of(things, Extent(301, 203), 4)
    assert dog.right < tree.x
    assert tree.bottom > 180
