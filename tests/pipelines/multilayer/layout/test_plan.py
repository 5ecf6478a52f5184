"""The schema of layouts, and answers of planners that need mending."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layerstudio.errors import InvalidRequest
from layerstudio.geometry import Bounds, Extent
from layerstudio.pipelines.multilayer.layout.plan import LayerPlan, LayerRole, LayoutPlan
from layerstudio.pipelines.multilayer.layout.repair import repaired_plan

CANVAS = Extent(200, 100)
BACKGROUND = {"z": 0, "box": [0, 0, 200, 100], "role": "background", "prompt": "paper"}
CAT = {"z": 1, "box": [10, 20, 50, 60], "role": "image", "prompt": "a cat", "text": None}
TITLE = {"z": 2, "box": [70, 20, 100, 30], "role": "text", "prompt": "title", "text": "Cats"}


def mended(*layers) -> LayoutPlan:
    return repaired_plan({"layers": list(layers)}, CANVAS, prompt="all of it")


def test_a_good_answer_is_taken_as_it_is():
    plan = mended(BACKGROUND, CAT, TITLE)
    assert plan.repairs == ()
    assert plan.boxes == (Bounds(10, 20, 50, 60), Bounds(70, 20, 100, 30))
    assert plan.foregrounds[1] == LayerPlan(
        z=2, box=Bounds(70, 20, 100, 30), role=LayerRole.TEXT, prompt="title", text="Cats"
    )


@pytest.mark.parametrize(
    ("change", "box", "said"),
    [
        ({"box": [150, 50, 100, 100]}, (150, 50, 50, 50), "reached over the edge"),
        ({"box": [-20, -20, 1000, 1000]}, (0, 0, 200, 100), "reached over the edge"),
        ({"box": [100, 50, 2, 40]}, (93, 50, 16, 40), "too small"),
        ({"box": [10, 10, 0, 0]}, (3, 3, 16, 16), "too small"),
        ({"box": [60, 80, -50, -60]}, (10, 20, 50, 60), "inverted"),
        ({"box": [0.1, 0.2, 0.5, 0.5]}, (20, 20, 100, 50), "shares of the canvas"),
        ({"box": {"x": 1, "y": 2, "width": 30, "height": 40}}, (1, 2, 30, 40), None),
        ({"box": ["10", "20", "50", "60"]}, (10, 20, 50, 60), None),
    ],
)
def test_boxes_are_mended_and_it_is_told(change, box, said):
    plan = mended(BACKGROUND, CAT | change)
    assert plan.boxes == (Bounds(*box),)
    assert len(plan.repairs) == (0 if said is None else 1)
    assert said is None or said in plan.repairs[0]
    assert all("Layer 2" in repair for repair in plan.repairs)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("a dog", "not an object"),
        (CAT | {"box": [500, 0, 10, 10]}, "outside"),
        (CAT | {"box": [1, 2, 3]}, "not [x, y, width, height]"),
        (CAT | {"box": [1, 2, 3, None]}, "not [x, y, width, height]"),
        (CAT | {"box": [1, 2, float("nan"), 4]}, "not [x, y, width, height]"),
        (CAT | {"role": "text", "prompt": " ", "text": ""}, "needs its words"),
        (CAT | {"z": 7}, "again"),
    ],
)
def test_what_cannot_be_used_is_dropped_and_told(entry, said):
    plan = mended(BACKGROUND, CAT, entry)
    assert [layer.prompt for layer in plan.layers] == ["paper", "a cat"]
    assert said in plan.repairs[0] and "Layer 3 was dropped" in plan.repairs[0]


def test_roles_backgrounds_and_order_are_mended():
    plan = mended(
        CAT | {"z": 5, "role": "hero"},
        TITLE | {"z": 3, "role": "Headline"},
        CAT | {"z": 9, "role": "background", "box": [0, 0, 9, 9]},
        CAT | {"z": 8, "role": "background", "prompt": "sky"},
        CAT | {"z": "top", "role": "decoration", "text": "hm"},
    )
    roles = [(layer.z, layer.role.value, layer.prompt) for layer in plan.layers]
    assert roles == [
        (0, "background", "sky"),
        (1, "text", "title"),
        (2, "image", "a cat"),
        (3, "embellishment", "a cat"),
        (4, "image", "a cat"),
    ]
    told = " ".join(plan.repairs)
    for words in ("unknown role 'hero'", "second background", "numbered anew", "'hm' are not set"):
        assert words in told


def test_a_missing_background_shows_the_prompt():
    plan = mended(CAT)
    assert plan.background.prompt == "all of it"
    assert "There was no background: one was added." in plan.repairs


def test_at_most_fifty_layers_stay():
    many = [CAT | {"z": z, "prompt": f"cat {z}"} for z in range(1, 61)]
    plan = mended(BACKGROUND, *many)
    assert len(plan.foregrounds) == 50 and plan.foregrounds[-1].prompt == "cat 50"
    assert plan.repairs == ("10 layers were dropped from the top: 50 are the most.",)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("hello", 'no list of "layers"'),
        ({"layers": "none"}, 'no list of "layers"'),
        ({"layers": []}, "is empty"),
        ({"layers": [BACKGROUND]}, "no layer on its background"),
        ([3, 4], "no layer on its background.*Layer 1 was dropped: 3 is not an object"),
    ],
)
def test_hopeless_answers_are_refused_with_the_reason(answer, message):
    with pytest.raises(InvalidRequest, match=message):
        repaired_plan(answer, CANVAS)


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
numbers = st.one_of(st.integers(-300, 400), st.floats(-1, 1.5), st.text(max_size=2))
entries = st.fixed_dictionaries(
    {},
    optional={
        "z": numbers,
        "box": st.lists(numbers, min_size=4, max_size=4) | json_values,
        "role": st.sampled_from([*LayerRole, "title", "hero"]) | json_values,
        "prompt": st.text(max_size=5) | json_values,
        "text": st.none() | st.text(max_size=5),
    },
)


@settings(max_examples=80, deadline=None)
@given(st.lists(entries | json_values, max_size=8) | json_values)
def test_any_json_gives_a_layout_that_holds_or_a_reason(layers):
    try:
        plan = repaired_plan({"layers": layers}, CANVAS)
    except InvalidRequest:
        return
    assert LayoutPlan.from_json(plan.to_json()) == plan  # which checks it
    assert repaired_plan(json.loads(plan.to_json()), CANVAS).repairs == ()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layers": [CAT]}, "starts with its background"),
        ({"layers": [BACKGROUND | {"box": [0, 0, 10, 10], "text": None}]}, "fills the canvas"),
        ({"layers": [BACKGROUND | {"text": None}, CAT | {"z": 4}]}, "has z 4"),
        ({"layers": [BACKGROUND | {"text": None}, CAT | {"box": [190, 0, 20, 9]}]}, "not on the"),
        ({"layers": [BACKGROUND | {"text": None}, CAT | {"role": "text"}]}, "without words"),
        ({"layers": [CAT | {"role": "hero"}]}, "not a layout: 'hero'"),
        ({"layers": [{}]}, "not a layout"),
        ({}, "not a layout"),
    ],
)
def test_reading_a_stored_layout_is_strict(change, message):
    with pytest.raises(InvalidRequest, match=message):
        LayoutPlan.from_json(json.dumps({"extent": list(CANVAS)} | change))


def test_reading_what_is_no_json_is_refused():
    with pytest.raises(InvalidRequest, match="not a layout"):
        LayoutPlan.from_json("{")
