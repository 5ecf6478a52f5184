"""LayerD's protocol against the published code's values and against a plain oracle.

The fixtures hold small stacks and the numbers that LayerD's published evaluation gave for them:
stacks of 1 to 12 layers, 0 to 5 useful merges, ties, duplicates, empty layers.
"""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import naive_layerd
from layerstudio.errors import InvalidRequest
from layerstudio.metrics import layerd
from layerstudio.metrics.grouping import group_layers
from layerstudio.metrics.pairs import PairScores
from layerstudio.metrics.sheets import Sheet
from layerstudio.metrics.warping import warping_path

FIXTURES = Path(__file__).parents[1] / "fixtures" / "metrics"
PUBLISHED = json.loads((FIXTURES / "layerd.json").read_text())
STACKS = np.load(FIXTURES / "layerd.npz")


def evaluated(case: str) -> layerd.LayerDScore:
    return layerd.evaluate(STACKS[f"{case}_predicted"], STACKS[f"{case}_truth"])


@pytest.mark.parametrize("case", PUBLISHED["rows"])
def test_values_are_the_published_codes(case: str):
    rows = evaluated(case).rows
    assert [row.edits for row in rows] == list(range(len(PUBLISHED["rows"][case])))
    ours = [(row.rgb_l1, row.alpha_iou, row.cost) for row in rows]
    np.testing.assert_allclose(ours, PUBLISHED["rows"][case], rtol=0, atol=1e-6)


def test_aggregate_is_the_published_codes():
    rows = layerd.aggregate([evaluated(case) for case in PUBLISHED["rows"]])
    ours = [(r.max_edits, r.avg_edits, r.rgb_l1, r.alpha_iou, r.count) for r in rows]
    np.testing.assert_allclose(ours, PUBLISHED["aggregate"], rtol=0, atol=1e-6)
    assert layerd.aggregate([]) == ()


def soft_stack(rng: np.random.Generator, layers: int, height: int, width: int) -> list[np.ndarray]:
    """Discs, soft or not, of any alpha, over colours that are noise under alpha 0."""
    stack = []
    for _ in range(layers):
        alpha = np.zeros((height, width), np.uint8)
        centre = (int(rng.integers(width)), int(rng.integers(height)))
        radius = int(rng.integers(max(width, height)))
        cv2.circle(alpha, centre, radius, int(rng.integers(256)), cv2.FILLED)
        if rng.random() < 0.5:
            alpha = cv2.GaussianBlur(alpha, (0, 0), 1.5)
        pixels = rng.integers(0, 256, (height, width, 4), np.uint8)
        pixels[..., 3] = alpha
        stack.append(pixels)
    return stack


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    counts=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    height=st.integers(1, 29),
    width=st.integers(1, 29),
    edits=st.integers(0, 5),
)
def test_agrees_with_the_protocol_written_down_plainly(seed, counts, height, width, edits):
    rng = np.random.default_rng(seed)
    predicted, truth = (soft_stack(rng, count, height, width) for count in counts)
    ours = [row[1:] for row in layerd.evaluate(predicted, truth, edits).rows]
    np.testing.assert_allclose(ours, naive_layerd.evaluate(predicted, truth, edits), atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 9), width=st.integers(1, 40))
def test_groups_are_those_peeled_from_the_top(seed, count, width):
    stack = soft_stack(np.random.default_rng(seed), count, 17, width)
    ours, plain = group_layers(stack), naive_layerd.groups(stack)
    assert len(ours) == len(plain)
    assert all(np.array_equal(*pair) for pair in zip(ours, plain, strict=True))


def test_inputs_stay_as_they_are():
    rng = np.random.default_rng(5)
    predicted, truth = soft_stack(rng, 6, 20, 31), soft_stack(rng, 4, 20, 31)
    copies = [layer.copy() for layer in (*predicted, *truth)]
    layerd.evaluate(predicted, truth)
    assert all(np.array_equal(*pair) for pair in zip((*predicted, *truth), copies, strict=True))


def test_a_merged_prediction_is_repaired_by_merging_the_truth():
    base = STACKS["merged_truth"]
    score = evaluated("merged")
    assert len(base) == len(STACKS["merged_predicted"]) + 1
    assert score.at(0).alpha_iou < 0.9
    assert score.at(1).alpha_iou == 1
    assert score.at(1).rgb_l1 == 0
    assert score.at(5) == score.rows[-1]


def test_each_pair_is_compared_once(monkeypatch):
    from layerstudio.metrics import pairs

    compared: list[tuple[Sheet, Sheet]] = []
    original = pairs._rgb_l1
    monkeypatch.setattr(pairs, "_rgb_l1", lambda *pair: compared.append(pair) or original(*pair))
    rng = np.random.default_rng(2)
    score = layerd.evaluate(soft_stack(rng, 7, 40, 40), soft_stack(rng, 7, 40, 40))
    assert len(score.rows) > 2
    assert len(set(compared)) == len(compared)


def test_colour_counts_where_the_truth_is_visible_only():
    truth = np.zeros((4, 6, 4), np.uint8)
    truth[:2] = (100, 100, 100, 1)
    predicted = np.full((4, 6, 4), (151, 100, 100, 0), np.uint8)
    scores = PairScores()
    assert scores.rgb_l1(Sheet.of(predicted), Sheet.of(truth)) == pytest.approx(51 / 255 / 3)
    assert scores.rgb_l1(Sheet.of(truth), Sheet.of(predicted)) == 0
    assert scores.alpha_iou(Sheet.of(truth), Sheet.of(predicted)) == 0


def test_equal_costs_warp_along_the_diagonal():
    assert warping_path(np.ones((3, 3))) == [(0, 0), (1, 1), (2, 2)]
    assert warping_path(np.zeros((3, 2))) == [(0, 0), (1, 0), (2, 1)]
    assert warping_path(np.zeros((1, 3))) == [(0, 0), (0, 1), (0, 2)]


@pytest.mark.parametrize(
    ("predicted", "truth", "reason"),
    [
        ([], [np.zeros((2, 2, 4), np.uint8)], "without layers"),
        ([np.zeros((2, 2, 4), np.uint8)], [np.zeros((3, 2, 4), np.uint8)], "one size"),
        ([np.zeros((2, 2, 4), np.uint16)], [np.zeros((2, 2, 4), np.uint8)], "uint8"),
        ([np.zeros((2, 2, 3), np.uint8)], [np.zeros((2, 2, 3), np.uint8)], "uint8"),
    ],
)
def test_stacks_that_cannot_be_scored_are_refused(predicted, truth, reason):
    with pytest.raises(InvalidRequest, match=reason):
        layerd.evaluate(predicted, truth)
