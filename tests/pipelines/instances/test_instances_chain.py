"""Everything after finding, on scenes whose layers are known: no network, real algorithms."""

import argparse

import numpy as np
import pytest

from benchmarks.instances import Scores, on_canvas, score, take_apart
from benchmarks.photograph_scenes import scene
from layerstudio.geometry import Extent


@pytest.fixture(scope="module", params=[1024, 160], ids=["at its size", "worked small"])
def taken(request):
    made = scene(3, Extent(321, 243), 3, split="dev")
    options = argparse.Namespace(
        working_side=request.param, complete="flat-fill", matte="guided",
        foreground="pyramid-colours",
    )  # fmt: skip
    scores = Scores()
    apart = take_apart(made, options, scores)
    score(made, apart, scores)
    return made, apart, {name: float(np.mean(of)) for name, of in scores.values.items()}


def test_the_stack_recomposes(taken):
    assert taken[2]["recomposition, exact: largest error in levels"] <= 1


def test_far_to_near_as_it_is(taken):
    assert taken[2]["order: pairs right"] == 1


def test_edges_are_near_the_truth(taken):
    assert taken[2]["alpha: error around what is visible"] < 0.08


def test_hidden_parts_are_nearer_to_the_truth_than_none(taken):
    measured = taken[2]
    if "hidden parts: overlap with the whole" in measured:
        better = measured["hidden parts: overlap with the whole"]
        assert better > measured["hidden parts: the same without any"] - 0.01


def test_below_an_object_lies_the_ground_and_not_the_object(taken):
    made, apart, _ = taken
    plate = on_canvas(apart.layers[0], made.extent)[..., :3]
    for index, thing in enumerate(made.things):
        inner = made.visible[index] & (thing.alpha > 0.99)
        to_ground = np.abs(plate - made.plate)[inner].mean()
        assert to_ground < 0.6 * np.abs(thing.colour - made.plate)[inner].mean()


def test_the_same_twice(taken):
    made, apart, _ = taken
    side = max(apart.completed.plate.shape[:2])
    options = argparse.Namespace(
        working_side=side, complete="flat-fill", matte="guided", foreground="pyramid-colours"
    )
    again = take_apart(made, options, Scores())
    for one, other in zip(apart.layers, again.layers, strict=True):
        assert one.bounds == other.bounds and np.array_equal(one.pixels, other.pixels)
