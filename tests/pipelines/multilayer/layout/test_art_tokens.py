"""The published planner's language, in both directions."""

import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layerstudio.errors import InvalidRequest
from layerstudio.geometry import Bounds, Extent
from layerstudio.pipelines.multilayer.layout.art_tokens import (
    completion_of,
    plan_of,
    prompt_of,
    share_of,
    token_of,
)
from layerstudio.pipelines.multilayer.layout.plan import LayerPlan, LayerRole, LayoutPlan

CANVAS = Extent(1024, 768)


@given(st.floats(-0.5, 1.5))
def test_numbers_are_digitised_as_published(share):
    bins = np.linspace(0, 1, 257)
    index = np.digitize(np.clip(share, 0, 1), bins) - 1
    assert token_of(share, "pos") == f"<pos-{index}>"
    assert share_of(f"<size-{index}>") == bins[index]


def test_every_token_comes_back():
    assert [token_of(share_of(f"<size-{k}>"), "size") for k in range(257)] == [
        f"<size-{k}>" for k in range(257)
    ]


@pytest.mark.parametrize("token", ["<pos-257>", "<pos--1>", "<color-3>", "pos-3", ""])
def test_other_words_are_no_numbers(token):
    with pytest.raises(InvalidRequest, match="no number of the layout planner"):
        share_of(token)


@given(st.text(max_size=60))
def test_any_caption_is_quoted_so_that_it_reads_back(caption):
    prompt = prompt_of(caption)
    whole = json.loads(prompt + "0}]}")
    assert whole["layout"] == [{"layer": 0}]
    kept = re.sub(r"\.\s*", ". ", re.sub(r"[\n\r\\]", "", caption))
    assert whole["wholecaption"] == kept


def test_the_prompt_is_the_published_one():
    assert prompt_of('A "big"\nsale.Now\\') == (
        r'{"wholecaption":"A \"big\"sale. Now","layout":[{"layer":'
    )


cells = st.integers(0, 256)
boxes = st.lists(
    st.tuples(cells, cells, st.integers(8, 128), st.integers(8, 128)), min_size=1, max_size=50,
    unique=True,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(boxes)
def test_layouts_on_the_planners_grid_round_trip(corners):
    """Centres on a 256th need even sizes; such boxes come back to the pixel."""
    step = (CANVAS.width // 256, CANVAS.height // 256)
    placed = [
        Bounds(min(x, 256 - 2 * w) * step[0] if 2 * w <= 256 else 0,
               min(y, 256 - 2 * h) * step[1] if 2 * h <= 256 else 0,
               2 * w * step[0], 2 * h * step[1])
        for x, y, w, h in corners
    ]  # fmt: skip
    placed = [box for box in dict.fromkeys(placed) if box != Bounds.full(CANVAS)]
    if placed:
        plan = planned(placed)
        assert plan_of(completion_of(plan), CANVAS).boxes == plan.boxes


def planned(placed) -> LayoutPlan:
    full = LayerPlan(z=0, box=Bounds.full(CANVAS), role=LayerRole.BACKGROUND)
    layers = [
        LayerPlan(z=z, box=box, role=LayerRole.IMAGE) for z, box in enumerate(placed, 1)
    ]  # fmt: skip
    return LayoutPlan(extent=CANVAS, layers=(full, *layers))


PUBLISHED = (
    '0,"x":<pos-128>,"y":<pos-128>,"width":<size-256>,"height":<size-256>},'
    '{"layer":1,"x":<pos-64>,"y":<pos-128>,"width":<size-64>,"height":<size-32>},'
    '{"layer":2,"x":<pos-250>,"y":<pos-10>,"width":<size-40>,"height":<size-40>}]}<|end|>}]}'
)


def test_centres_become_corners_and_the_rest_is_cut():
    plan = plan_of(PUBLISHED, CANVAS, prompt="sky")
    assert plan.background.prompt == "sky"
    assert plan.boxes == (Bounds(128, 336, 256, 96), Bounds(920, 0, 104, 90))
    assert "reached over the edge" in plan.repairs[0] and len(plan.repairs) == 2


@pytest.mark.parametrize(
    ("completion", "message"),
    [
        ("", "no end"),
        (PUBLISHED.split("}]}")[0], "no end"),
        ("nonsense}]}", "not JSON"),
        ('0,"x":<pos-999>}]}', "no number"),
        ('0,"x":<pos-1>}]}', "without its four numbers"),
        ('0,"x":"a","y":1,"width":1,"height":1}]}', "without its four numbers"),
        (PUBLISHED.split(",{")[0] + "]}", "no layer on its background"),
    ],
)
def test_what_is_no_layout_is_refused(completion, message):
    with pytest.raises(InvalidRequest, match=message):
        plan_of(completion, CANVAS)
