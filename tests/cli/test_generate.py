"""``layerstudio generate`` through Typer's runner: what is written, what is said, how it ends."""

import json
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import layerstudio
from layerstudio import Limits
from layerstudio.composite import composite_pixels
from layerstudio.pipelines import methods
from layerstudio.ui.cli.main import app


def run(*arguments):
    return CliRunner().invoke(app, ["generate", *map(str, arguments)])


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """The current folder; ``noise`` is a method that needs no weights."""
    monkeypatch.setitem(methods._METHODS, "noise", "tiny_generator:NoiseMethod")
    monkeypatch.setitem(methods._METHODS, "grain", "tiny_generator:GrainMethod")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(folder):
    return sorted(path.name for path in folder.iterdir())


class TestFiles:
    def test_a_file_named_by_the_prompt(self, folder):
        done = run("a glass cup", "--method", "noise", "--seed", "5", "--size", "40x30")
        assert done.exit_code == 0, done.output
        assert written(folder) == ["a glass cup.psd"]
        assert "40 x 30" in done.stdout and "a glass cup.psd" in done.stdout
        assert "made of noise" in done.stderr

    def test_several_are_numbered(self, folder):
        options = ("--method", "noise", "--count", "3", "--seed", "5", "--format", "psd,ora")
        done = run("a cup", *options, "--json")
        results = json.loads(done.stdout)["results"]
        assert [result["seed"] for result in results] == [5, 6, 7]
        assert [result["outputs"] for result in results] == [
            [f"a cup-{n}.psd", f"a cup-{n}.ora"] for n in (1, 2, 3)
        ]
        assert len(written(folder)) == 6

    def test_numbers_go_on_and_nothing_is_overwritten(self, folder):
        for _ in range(3):
            assert run("a cup", "--method", "noise").exit_code == 0
        assert written(folder) == ["a cup-2.psd", "a cup-3.psd", "a cup.psd"]
        done = run("a cup", "--method", "noise", "-o", "a cup.psd")
        assert (done.exit_code, "--overwrite" in done.stderr) == (2, True)
        assert run("a cup", "--method", "noise", "-o", "a cup.psd", "-f").exit_code == 0

    def test_one_name_for_several(self, folder):
        run("a cup", "--method", "noise", "-o", "mug.ora", "--count", "2")
        assert written(folder) == ["mug-1.ora", "mug-2.ora"]

    def test_a_prompt_from_a_file(self, folder):
        Path("prompt.txt").write_text("\ufeffein Glas für\nTee\n", "utf-8")
        done = run("--prompt-file", "prompt.txt", "--method", "noise", "--json")
        assert json.loads(done.stdout)["results"][0]["request"]["prompt"] == "ein Glas für\nTee"
        piped = CliRunner().invoke(
            app, ["generate", "--prompt-file", "-", "--method", "noise", "--json"], input="a cup\n"
        )
        assert json.loads(piped.stdout)["results"][0]["request"]["prompt"] == "a cup"

    def test_options_reach_the_request(self, folder):
        Image.new("RGB", (40, 30), "red").save("red.png")
        options = (
            "--mode", "m", "--negative", "", "--foreground", "cup", "--foreground", "spoon",
            "--background", "table", "--box", "0,0,20,20", "--boxes", "9,9,20,20", "--size", "64",
            "--steps", "7", "--guidance", "2.5", "--strength", "0.4", "--ending-step", "0.6",
            "--scheduler", "euler a", "--image", "red.png", "--base", "b", "--lora", "x.pt",
            "--lora", "C:\\y.safetensors:0.5", "--controlnet", "c:2", "--ip-adapter", "i",
            "--variant", "v", "--patch-strength", "0.9", "--augment", "2", "--parity", "cli",
        )  # fmt: skip
        done = run("a scene", "--method", "noise", "--json", *options)
        assert done.exit_code == 0, done.output
        request = json.loads(done.stdout)["results"][0]["request"]
        assert request["inputs"][0]["role"] == "image"
        expected = {
            "prompt": "a scene", "mode": "m", "negative_prompt": "",
            "foregrounds": ["cup", "spoon"], "background": "table",
            "boxes": [[0, 0, 20, 20], [9, 9, 20, 20]], "extent": [64, 64],
            "steps": 7, "guidance": 2.5, "strength": 0.4, "ending_step": 0.6, "base": "b",
            "scheduler": "euler a", "controlnet": {"source": "c", "weight": 2.0},
            "loras": [{"source": "x.pt", "weight": 1.0},
                      {"source": "C:\\y.safetensors", "weight": 0.5}],
            "ip_adapter": {"source": "i", "weight": 1.0}, "variant": "v", "patch_strength": 0.9,
            "augment": 2, "parity": "cli",
        }  # fmt: skip
        assert {key: request[key] for key in expected} == expected
        assert layerstudio.open("a scene.psd").request == request


class TestFrom:
    def test_the_same_again(self, folder):
        run("a cup", "--method", "noise", "--seed", "5", "-o", "cup.psd")
        done = run("--from", "cup.psd", "-o", "again.psd")
        assert done.exit_code == 0, done.output
        first, second = layerstudio.open("cup.psd"), layerstudio.open("again.psd")
        assert first.request == second.request
        assert np.array_equal(composite_pixels(first), composite_pixels(second))

    def test_settings_by_name(self, folder):
        done = run("a cup", "--method", "grain", "--set", "size=4", "-o", "a.psd")
        assert done.exit_code == 0, done.output
        assert layerstudio.open("a.psd").layers[0].name == "red 4"
        assert run("--from", "a.psd", "--set", "colour=blue", "-o", "b.psd").exit_code == 0
        assert layerstudio.open("b.psd").layers[0].name == "blue 4"
        wrong = run("a cup", "--method", "grain", "--set", "size=0")
        assert (wrong.exit_code, "size" in wrong.stderr) == (2, True)

    def test_options_change_it(self, folder):
        run("a cup", "--method", "noise", "--seed", "5", "-o", "cup.psd")
        done = run("a mug", "--from", "cup.psd", "--count", "2", "--json")
        requests = [result["request"] for result in json.loads(done.stdout)["results"]]
        assert [(one["prompt"], one["seed"]) for one in requests] == [("a mug", 5), ("a mug", 6)]

    def test_a_picture_that_changed(self, folder):
        Image.new("RGB", (40, 30), "red").save("red.png")
        run("a cup", "--method", "noise", "--image", "red.png", "-o", "cup.psd")
        Image.new("RGB", (40, 30), "blue").save("red.png")
        done = run("--from", "cup.psd")
        assert (done.exit_code, "pixels differ" in done.stderr) == (2, True)
        assert run("--from", "cup.psd", "--image", "red.png").exit_code == 0

    def test_a_decomposition(self, folder):
        Image.new("RGB", (40, 30), "red").save("red.png")
        layerstudio.decompose("red.png", limits=Limits()).save("parts.psd")
        done = run("--from", "parts.psd", "-o", "again.psd")
        assert done.exit_code == 0, done.output
        assert layerstudio.open("again.psd").request["task"] == "decompose"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["a", "--method", "magic"], "no method"),
        (["a", "--method", "flat"], "no method that can generate"),
        (["a", "--size", "0"], "width and height"),
        (["a", "--size", "100000x64"], "width and height"),
        (["a", "--size", "wide"], "not a size"),
        (["a", "--count", "0"], "count"),
        (["a", "--steps", "0"], "steps"),
        (["a", "--strength", "2"], "strength"),
        (["a", "--augment", "3"], "8 passes"),
        (["a", "--parity", "exact"], "'cli'"),
        (["a", "--dtype", "int8"], "float16"),
        (["a", "--lora", "x:1000"], "adapter's weight"),
        (["a", "--box", "1,2,3,4", "--foreground", "b", "--foreground", "c"], "boxes"),
        (["a", "--image", "missing.png"], "does not exist"),
        (["a", "--prompt-file", "x.txt"], "either"),
        (["--prompt-file", "missing.txt"], "does not exist"),
        (["--from", "missing.psd"], "does not exist"),
        (["--from", "a.bmp"], "not a layered file"),
        (["a", "-o", "nowhere/x.psd"], "does not exist"),
        (["a", "-o", "nowhere"], "does not exist"),
        (["a", "--format", "bmp"], "no format"),
        (["a", "-o", "x.psd", "--format", "ora"], "one format"),
    ],
)
def test_mistakes_end_in_one_sentence(folder, arguments, expected):
    chosen = [] if "--method" in arguments else ["--method", "noise"]
    done = run(*arguments, *chosen)
    assert done.exit_code == 2, done.output
    assert expected in done.stderr
    assert "Traceback" not in done.output
    assert written(folder) == []


def test_stopped_in_the_middle(folder, monkeypatch):
    from layerstudio.ui.cli import output

    def interrupt(progress):
        raise KeyboardInterrupt

    @contextmanager
    def bar(title, quiet=False):
        yield interrupt

    monkeypatch.setattr(output, "progress_bar", bar)
    done = run("a cup", "--method", "noise")
    assert (done.exit_code, done.stderr) == (130, "Stopped.\n")
    assert written(folder) == []


class TestMethods:
    def test_modes_and_what_is_missing(self, monkeypatch, tmp_path):
        monkeypatch.setenv("LAYERSTUDIO_WEIGHTS", str(tmp_path))
        monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
        done = CliRunner().invoke(app, ["methods"])
        assert "fg+bg" in done.stdout and "missing: realvisxl-v4" in done.stdout
        cards = json.loads(CliRunner().invoke(app, ["methods", "--json"]).stdout)["methods"]
        (card,) = [card for card in cards if card["id"] == "layerdiffuse-sd15"]
        assert card["modes"] == ["fg", "joint", "fg2bg", "bg2fg"]
        assert card["missing"] == card["needs"]

    def test_missing_weights_name_the_command(self, folder, monkeypatch):
        monkeypatch.setenv("LAYERSTUDIO_WEIGHTS", str(folder))
        monkeypatch.setenv("HF_HUB_CACHE", str(folder))
        done = run("a cup", "--background", "a table", "--method", "layerdiffuse-sd15")
        assert done.exit_code == 2
        expected = "layerstudio models pull sd15-base layerdiffuse-sd15-joint"
        assert expected in done.stderr and "layerdiffuse-sd15-attn" not in done.stderr
