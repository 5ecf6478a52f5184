"""``layerstudio segment``: masks in a folder, cut-outs in a layered file, refusals."""

import json

import numpy as np
import pytest
from PIL import Image
from tiny_registry import write_row
from typer.testing import CliRunner

import layerstudio
from layerstudio.ui.cli.main import app
from layerstudio.weights import registry


def run(*arguments):
    return CliRunner().invoke(app, ["segment", *(str(argument) for argument in arguments)])


@pytest.fixture(scope="module")
def written(tmp_path_factory, one_thread):
    folder = tmp_path_factory.mktemp("weights")
    write_row("sam2-tiny", folder / registry.checkpoint("sam2-tiny").repository)
    return folder


@pytest.fixture
def picture(written, tmp_path, monkeypatch):
    monkeypatch.setenv("LAYERSTUDIO_WEIGHTS", str(written))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "no-cache"))
    pixels = np.random.default_rng(0).integers(0, 255, (37, 61, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "p.png")
    return tmp_path / "p.png"


CPU = ("--device", "cpu")


def test_masks_go_to_a_folder_one_for_each_object(picture, tmp_path):
    done = run(picture, "-o", tmp_path / "masks", "--box", "5,6,20,17", "--json", *CPU)
    assert done.exit_code == 0, done.stderr
    (row,) = json.loads(done.stdout)["objects"]
    mask = np.asarray(Image.open(row["output"]))
    assert mask.shape == (37, 61)
    assert set(np.unique(mask)) <= {0, 255}
    assert (mask > 0).sum() == row["area"]
    refused = run(picture, "-o", tmp_path / "masks", "--box", "5,6,20,17", *CPU)
    assert refused.exit_code == 2
    assert "--overwrite" in refused.stderr


def test_cut_outs_go_to_a_layered_file(picture, tmp_path):
    done = run(picture, "-o", tmp_path / "o.psd", "--point", "20,10", "--prompt", "a cat", *CPU)
    assert done.exit_code == 0, done.stderr
    assert "a cat" in done.stdout
    ground, cat = layerstudio.open(tmp_path / "o.psd").layers
    assert (ground.visible, cat.name) == (False, "a cat")


def test_what_is_missing_or_makes_no_sense_is_a_sentence(picture, tmp_path):
    lost = run(picture, "-o", tmp_path / "m", "--prompt", "cat", *CPU)
    assert lost.exit_code == 2
    assert "models pull grounding-dino-tiny" in lost.stderr
    outside = run(picture, "-o", tmp_path / "m", "--point", "99,1", *CPU)
    assert outside.exit_code == 2
    assert "not on a 61 x 37 picture" in outside.stderr
    nowhere = run(picture, "-o", tmp_path / "no/such/masks", *CPU)
    assert nowhere.exit_code == 2
    assert not (tmp_path / "m").exists()
