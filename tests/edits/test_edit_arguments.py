"""Whatever arrives as an argument, an edit answers with a document or with a sentence."""

import inspect
import math

import pytest
from edit_documents import nested
from hypothesis import given, settings
from hypothesis import strategies as st

from layerstudio import edits
from layerstudio.composite import composite
from layerstudio.errors import LayerStudioError

EDITS = [
    getattr(edits, name) for name in edits.__all__ if name not in ("Edited", "dotted", "parse_path")
]
ODD = st.one_of(
    st.sampled_from(
        [None, True, False, "", "x", "#12ab34", "normal", "erase", "auto", "horizontal", "add"]
    ),
    st.sampled_from([math.nan, math.inf, -math.inf, -1, 0, 1, 2, 1e300, -1e300, 10**400, 2**63]),
    st.floats(-50, 50),
    st.lists(st.one_of(st.floats(-2, 2), st.none()), min_size=6, max_size=6),
    st.lists(st.lists(st.floats(-9, 20), min_size=1, max_size=4), max_size=4),
    st.just({}),
    st.just((1,)),
)


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.__name__)
@given(st.data())
@settings(max_examples=30, deadline=None)
def test_odd_arguments_give_a_document_or_a_sentence(edit, data):
    parameters = list(inspect.signature(edit).parameters.values())[1:]
    arguments = {}
    for parameter in parameters:
        if parameter.name == "paths":
            arguments["paths"] = data.draw(
                st.lists(
                    st.sampled_from([(0,), (1,), (2,), (1, 1), (1, 1, 0), (5,), ()]), max_size=3
                )
            )
        elif parameter.name == "parent":
            arguments["parent"] = data.draw(st.sampled_from([(), (1,), (1, 1), (0,), (9, 9)]))
        elif parameter.default is inspect.Parameter.empty or data.draw(st.booleans()):
            arguments[parameter.name] = data.draw(ODD)
    before = nested()
    try:
        edited = edit(before, **arguments)
    except LayerStudioError:
        return
    for path in edited.selection:
        edited.document.at(path)
    composite(edited.document)
