"""The generated designs as a benchmark: perfect for the truth, poor for one flat layer."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.design_samples import Designs
from benchmarks.designs import save_sheet, table
from layerstudio.document import Document, Layer
from layerstudio.geometry import Bounds
from layerstudio.pipelines.evaluation.contestants import Answer
from layerstudio.pipelines.evaluation.plan import Plan
from layerstudio.pipelines.evaluation.report import Report, report_of
from layerstudio.pipelines.evaluation.running import run
from training.designs import BACKGROUNDS, Design

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "designs.py"


class Kept(Designs):
    """Each design is drawn once for all tests."""

    def design(self, name: str) -> Design:
        return drawn(name)


DESIGNS = Kept(range(6), "dev", "pack")


@cache
def drawn(name: str) -> Design:
    return Designs(range(6), "dev", "pack").design(name)


class Fixed:
    """A contestant that gives a known answer."""

    label, uses_boxes = "fixed", False

    def __init__(self, make):
        self._make = make

    def facts(self):
        return {}

    def hints(self):
        return ()

    def answer(self, sample, *, progress, cancel):
        return Answer(self._make(sample), 0.25)


def one_layer(sample) -> Document:
    layer = Layer("all", Bounds.full(sample.picture.extent), sample.picture.pixels)
    return Document(sample.picture.extent, (layer,))


def plan_of(make) -> Plan:
    return Plan(DESIGNS, (Fixed(make),), short_side=256)


def report(make) -> Report:
    plan = plan_of(make)
    return report_of(plan, [record for batch in run(plan) for record in batch])


@pytest.fixture(scope="module")
def of_truth() -> Report:
    return report(lambda sample: sample.truth)


def test_the_truth_scores_perfectly(of_truth):
    assert [o.sample for o in of_truth.outcomes] == [f"design {seed}" for seed in range(6)]
    for seed, outcome in enumerate(of_truth.outcomes):
        scores = outcome.scores
        assert scores is not None
        assert outcome.tags[0] == BACKGROUNDS[seed % 3] == DESIGNS.design(outcome.sample).background
        first = scores.layerd.at(0)
        assert first.rgb_l1 == 0 and first.alpha_iou == 1
        assert scores.layers == scores.true_layers >= 3
        assert ("JPEG" in outcome.tags) == (scores.recomposition.max_error > 0)


def test_one_flat_layer_is_exact_and_scores_poorly():
    for outcome in report(one_layer).outcomes:
        assert outcome.scores is not None
        assert outcome.scores.recomposition.max_error == 0 and outcome.scores.layers == 1
        assert outcome.scores.layerd.at(0).alpha_iou < 0.8


def test_the_table_has_a_row_for_each_kind(of_truth):
    rows = [line.split(" | ") for line in table(of_truth).split("\n")[2:]]
    counts = {row[0].removeprefix("| "): int(row[1]) for row in rows}
    assert counts["all"] == 6 and counts["plain and gradient"] == 4
    assert [counts[kind] for kind in BACKGROUNDS] == [2, 2, 2]
    assert counts["PNG"] + counts.get("JPEG", 0) == 6
    assert rows[0][2:4] == ["1.0000", "0.0000"]


def test_a_sheet_shows_truth_and_answer(tmp_path):
    save_sheet(plan_of(one_layer), "design 0", tmp_path / "new" / "sheet.png")
    with Image.open(tmp_path / "new" / "sheet.png") as sheet:
        width, height = sheet.size
    assert height == 2 * 304 and width >= 3 * 304 and width % 304 == 0


@pytest.mark.parametrize("bad", [["--seeds", "5:5"], ["--seeds", "x"], ["--method", "none"]])
def test_bad_options_end_in_one_sentence(bad):
    done = subprocess.run([sys.executable, SCRIPT, *bad], capture_output=True, text=True)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr and "error:" in done.stderr
