"""Names by which a person finds a layer."""

import numpy as np
import pytest
from drawn_elements import background, box, panel, shadow

from layerstudio.document import Role, TextContent
from layerstudio.geometry import Bounds
from layerstudio.pipelines.flat.naming import colour_name, names_for


def word(string, x=20, y=20):
    element = box(x, y, 60, 10, (20, 20, 20), Role.TEXT, "text")
    if string is not None:
        element.text = TextContent(string, "Sans", 12.0, (20, 20, 20), Bounds(x, y, 60, 10))
    return element


@pytest.mark.parametrize(
    ("rgb", "name"),
    [
        ((0, 0, 0), "black"),
        ((255, 255, 255), "white"),
        ((255, 0, 0), "red"),
        ((20, 30, 90), "navy"),
        ((255, 230, 0), "yellow"),
        ((40, 170, 60), "green"),
        ((128, 128, 128), "grey"),
        ((255, 165, 0), "orange"),
    ],
)
def test_everyday_colours(rgb, name):
    assert colour_name(rgb) == name


def test_kinds_of_layers():
    elements = [
        background((25, 35, 95), "linear"),
        panel(10, 10, 80, 50),
        word("Summer Sale\nall week"),
        word(None, y=40),
        box(120, 10, 30, 30, (215, 40, 40)),
    ]
    assert names_for(elements) == [
        "Background, navy gradient",
        "Rectangle, white",
        "Text: Summer Sale all week",
        "Text, black",
        "Drawing, red",
    ]
    assert names_for([background(shape="photograph")]) == ["Background, photograph"]
    assert names_for([background((250, 215, 50))]) == ["Background, yellow"]


def test_a_long_text_is_cut_at_forty_characters():
    (name,) = names_for([word("never " * 20)])
    assert name.endswith("…")
    assert len(name) <= len("Text: ") + 40


def test_two_colours_are_both_named():
    flag = box(0, 0, 30, 30, (215, 40, 40))
    flag.colour[:14] = (45, 105, 215)
    assert names_for([flag]) == ["Drawing, red and blue"]


def test_names_are_unique_even_beside_text_that_looks_like_one():
    elements = [box(0, 0, 9, 9), box(20, 0, 9, 9), word("A 1"), word("A"), word("A"), word("A 2")]
    names = names_for(elements)
    assert names[:2] == ["Drawing, red 1", "Drawing, red 2"]
    assert len(set(names)) == len(names)


def test_a_shadow_has_the_name_of_what_stands_on_it():
    elements = [
        background(),
        shadow(14, 14, 80, 60),
        panel(10, 10, 80, 60),
        word("Sale", 20, 20),
        shadow(122, 12, 30, 30),
        box(120, 10, 30, 30, (215, 40, 40)),
        shadow(170, 100, 9, 9),
    ]
    names = names_for(elements)
    assert names[1] == "Shadow of rectangle, white"
    assert names[4] == "Shadow of drawing, red"
    assert names[6] == "Shadow"


def test_nothing_visible_is_called_empty():
    nothing = box(0, 0, 5, 5, role=Role.BACKGROUND)
    nothing.alpha = np.zeros_like(nothing.alpha)
    assert names_for([nothing]) == ["Empty"]
