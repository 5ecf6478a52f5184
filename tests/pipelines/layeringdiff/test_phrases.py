"""What of a prompt becomes a layer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerstudio.generate_request import GenerateRequest
from layerstudio.pipelines.layeringdiff.phrases import distinct, marked, unmarked, whole_prompt


@pytest.mark.parametrize(
    ("prompt", "plain", "phrases"),
    [
        ("a [cat] and a [red lamp]", "a cat and a red lamp", ("cat", "red lamp")),
        ("[Cat], [cat], [a   dog]", "Cat, cat, a   dog", ("Cat", "a dog")),
        (r"an array \[3\] of [cups]", "an array [3] of cups", ("cups",)),
        ("a [cat", "a [cat", ()),
        ("cat] [] [ ]", "cat] []  ", ()),
        ("[a [b] c]", "[a b c]", ("b",)),
    ],
)
def test_marks(prompt, plain, phrases):
    assert (unmarked(prompt), marked(prompt)) == (plain, phrases)


@given(st.text(alphabet="ab[]\\ ", max_size=30))
def test_marks_take_nothing_but_themselves(prompt):
    letters = "ab "
    assert [c for c in unmarked(prompt) if c in letters] == [c for c in prompt if c in letters]
    assert all(phrase in " ".join(unmarked(prompt).split()) for phrase in marked(prompt))


def test_the_whole_prompt_names_what_it_leaves_out():
    request = GenerateRequest(
        prompt="a room with a [cat]", foregrounds=("a cat", "a lamp"), background="A room"
    )
    assert whole_prompt(request) == "a room with a cat, a lamp"
    only_parts = GenerateRequest(foregrounds=("a  cup",), background="a table")
    assert whole_prompt(only_parts) == "a cup, a table"
    assert distinct(["", " ", "Cup", "cup "]) == ("Cup",)
