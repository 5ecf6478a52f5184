"""``layerstudio matte`` and ``inpaint`` through Typer's runner: what is written and said."""

import json

import cv2
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import layerstudio
from layerstudio.ui.cli.main import app


def run(*arguments):
    return CliRunner().invoke(app, [str(one) for one in arguments])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A disc on a ground, as files; no weights on the machine."""
    monkeypatch.setenv("LAYERSTUDIO_WEIGHTS", str(tmp_path / "none"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "no-cache"))
    (tmp_path / "none").mkdir()
    monkeypatch.chdir(tmp_path)
    rgb = np.full((61, 83, 3), (20, 110, 190), np.uint8)
    cv2.circle(rgb, (40, 30), 15, (220, 80, 30), -1, cv2.LINE_AA)
    Image.fromarray(rgb).save("disc.png")
    mask = np.zeros((61, 83), np.uint8)
    cv2.circle(mask, (40, 30), 15, 255, -1)
    Image.fromarray(mask).save("mask.png")
    Image.fromarray(mask * 0).save("nothing.png")
    return tmp_path


def test_matte_writes_layers_that_recompose(folder):
    done = run("matte", "disc.png", "--mask", "mask.png", "--background", "-o", "out.psd", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert [node["name"] for node in told["children"]] == ["Background", "Foreground"]
    assert float(told["metadata"]["recomposition_max_error"]) <= 1.01 / 255
    assert len(layerstudio.open("out.psd").layers) == 2
    again = run("matte", "disc.png", "--mask", "mask.png", "-o", "out.psd")
    assert again.exit_code == 2 and "--overwrite" in again.stderr
    boxed = run("matte", "disc.png", "--box", "20,10,42,42", "-o", "out.psd", "-f")
    assert boxed.exit_code == 0 and "Foreground" in boxed.stdout


def test_matte_says_what_is_missing_or_wrong(folder):
    for arguments, sentence in [
        (("--mask", "nothing.png"), "mask of nothing"),
        ((), "models pull birefnet-lite"),
        (("--mask", "none.png"), "does not exist"),
        (("--box", "1,2"), "four whole numbers"),
    ]:
        done = run("matte", "disc.png", *arguments, "-o", "out.psd")
        assert done.exit_code == 2 and sentence in done.stderr, done.stderr
    assert not (folder / "out.psd").exists()


def test_inpaint_writes_a_picture(folder):
    done = run("inpaint", "disc.png", "mask.png", "-o", "out.png", "--prompt", "grass")
    assert done.exit_code == 0, done.output
    assert "was not used" in done.stderr
    made, was = (np.asarray(Image.open(name).convert("RGB")) for name in ("out.png", "disc.png"))
    outside = np.asarray(Image.open("mask.png")) == 0
    assert np.array_equal(made[outside], was[outside])
    assert np.abs(made[30, 40].astype(int) - (20, 110, 190)).max() < 40
    for name, sentence in [
        ("out.png", "--overwrite"),
        ("out.jpg", ".png"),
        ("no/out.png", "folder"),
    ]:
        done = run("inpaint", "disc.png", "mask.png", "-o", name)
        assert done.exit_code == 2 and sentence in done.stderr
    done = run("inpaint", "disc.png", "nothing.png", "-o", "other.png")
    assert done.exit_code == 2 and "mask of nothing" in done.stderr
