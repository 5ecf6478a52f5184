"""The scorer of ``make bench``: perfect for the truth, poor for one flat layer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.scoring import Score, design_of, scored, table
from benchmarks.sheets import save_sheet
from layerstudio.document import Document, Layer
from layerstudio.geometry import Bounds
from layerstudio.picture import Picture
from training.assets import Assets
from training.designs import BACKGROUNDS, Design

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "designs.py"


@pytest.fixture(scope="module")
def designs() -> list[Design]:
    assets = Assets.bundled()
    return [design_of(seed, "dev", assets) for seed in range(6)]


def one_layer(picture: Picture) -> Document:
    layer = Layer("all", Bounds.full(picture.extent), picture.pixels)
    return Document(picture.extent, (layer,))


def score_truth(seed: int, design: Design) -> Score:
    return scored(seed, design, lambda _: design.document)


def test_the_truth_scores_perfectly(designs):
    for seed, design in enumerate(designs):
        score = score_truth(seed, design)
        assert score.background == BACKGROUNDS[seed % 3] == design.background
        first = score.layerd.at(0)
        assert first.rgb_l1 == 0 and first.alpha_iou == 1
        assert score.layers == score.true_layers == len(design.document.children)
        assert score.jpeg == (score.max_error > 0)


def test_one_flat_layer_is_exact_and_scores_poorly(designs):
    for seed, design in enumerate(designs):
        score = scored(seed, design, one_layer)
        assert score.max_error == 0 and score.layers == 1
        assert score.layerd.at(0).alpha_iou < 0.8


def test_the_table_has_a_row_for_each_kind(designs):
    scores = [score_truth(seed, design) for seed, design in enumerate(designs)]
    rows = [line.split(" | ") for line in table(scores).split("\n")[2:]]
    counts = {row[0].removeprefix("| "): int(row[1]) for row in rows}
    assert counts["all"] == 6 and counts["plain and gradient"] == 4
    assert [counts[kind] for kind in BACKGROUNDS] == [2, 2, 2]
    assert counts["PNG"] + counts.get("JPEG", 0) == 6
    assert rows[0][2:4] == ["1.0000", "0.0000"]


def test_a_sheet_shows_truth_and_answer(designs, tmp_path):
    save_sheet(tmp_path / "new" / "sheet.png", designs[0], one_layer(designs[0].picture))
    with Image.open(tmp_path / "new" / "sheet.png") as sheet:
        width, height = sheet.size
    assert height == 2 * 304 and width >= 3 * 304 and width % 304 == 0


@pytest.mark.parametrize("bad", [["--seeds", "5:5"], ["--seeds", "x"], ["--method", "none"]])
def test_bad_options_end_in_one_sentence(bad):
    done = subprocess.run([sys.executable, SCRIPT, *bad], capture_output=True, text=True)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr and "error:" in done.stderr
