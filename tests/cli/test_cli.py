"""The command line through Typer's runner: what is written, what is said, how it ends."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from typer.testing import CliRunner

import layerstudio
from layerstudio import Bounds, DecomposeRequest, Document, Extent, Group, Layer, Limits
from layerstudio.ui.cli.main import app


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def folder(tmp_path) -> Path:
    """Two pictures, a text file named like one, and a file that is none."""
    image = Image.new("RGB", (96, 70), (250, 240, 220))
    draw = ImageDraw.Draw(image)
    draw.rectangle((10, 10, 50, 40), fill=(40, 90, 160))
    draw.ellipse((55, 25, 85, 60), fill=(220, 80, 60))
    image.save(tmp_path / "poster.png")
    image.save(tmp_path / "poster.jpg", quality=92)
    (tmp_path / "broken.png").write_text("hello\n")
    (tmp_path / "notes.txt").write_text("not looked at")
    return tmp_path


@pytest.fixture
def layered(tmp_path) -> Path:
    """A background and a group of one two-coloured layer, saved in our own format."""
    paint = np.full((20, 30, 4), 255, np.uint8)
    badge = np.zeros((10, 12, 4), np.uint8)
    badge[:, :6], badge[:, 6:] = (200, 0, 0, 255), (0, 0, 200, 255)
    nodes = (
        Layer("paper", Bounds(0, 0, 30, 20), paint),
        Group("front", (Layer("badge\n[red]", Bounds(4, 5, 12, 10), badge, opacity=0.5),)),
    )
    return Document(Extent(30, 20), nodes).save(tmp_path / "layered.zip")


class TestDecompose:
    def test_a_folder_with_a_bad_file(self, folder):
        done = run("decompose", folder, "--json")
        assert done.exit_code == 2
        results = {Path(r["source"]).name: r for r in json.loads(done.stdout)["results"]}
        assert set(results) == {"broken.png", "poster.jpg", "poster.png"}
        assert "text file" in results["broken.png"]["error"]
        assert results["poster.png"]["recomposition_max_error"] <= 1 / 255
        written = sorted(path.name for path in folder.glob("*.psd"))
        assert written == ["poster-jpg.psd", "poster-png.psd"]
        assert not list(folder.glob(".*"))

    def test_several_formats_into_a_folder(self, folder):
        (folder / "out").mkdir()
        done = run(
            "decompose", folder / "poster.png", "-o", folder / "out", "--format", "psd,ora,png"
        )
        assert done.exit_code == 0, done.output
        names = {path.name for path in (folder / "out").iterdir()}
        assert names == {"poster.psd", "poster.ora", "poster.png"}
        assert "poster.png" in done.stdout
        assert "Traceback" not in done.output

    def test_options_reach_the_request(self, folder):
        options = ("--layers", "2", "--seed", "4", "--no-exact", "--box", "10,10,40,30")
        done = run("decompose", folder / "poster.png", "--json", "--no-read-text", *options)
        request = json.loads(done.stdout)["results"][0]["request"]
        assert request["layers"] == 2
        assert request["seed"] == 4
        assert request["exact"] is False
        assert request["boxes"] == [[10, 10, 40, 30]]
        assert request["read_text"] is False
        assert layerstudio.open(folder / "poster.psd").request == request

    def test_nothing_is_overwritten_unasked(self, folder):
        target = folder / "poster.psd"
        target.write_bytes(b"hours of work")
        done = run("decompose", folder / "poster.png")
        assert done.exit_code == 2
        assert "--overwrite" in done.stderr
        assert target.read_bytes() == b"hours of work"
        assert run("decompose", folder / "poster.png", "--overwrite").exit_code == 0
        assert target.read_bytes()[:4] == b"8BPS"

    def test_a_picture_never_replaces_itself(self, folder):
        before = (folder / "poster.png").read_bytes()
        assert run("decompose", folder / "poster.png", "--format", "png", "-f").exit_code == 0
        assert (folder / "poster.png").read_bytes() == before
        assert (folder / "poster-layers.png").exists()

    def test_several_processes(self, folder):
        done = run("decompose", folder, "--jobs", "2", "--json")
        assert done.exit_code == 2
        results = json.loads(done.stdout)["results"]
        assert [bool(result["error"]) for result in results] == [True, False, False]

    @pytest.mark.parametrize(
        ("arguments", "expected"),
        [
            (["missing.png"], "does not exist"),
            (["poster.png", "-o", "nowhere"], "does not exist"),
            (["poster.png", "-o", "nowhere/x.psd"], "does not exist"),
            (["poster.png", "--format", "bmp"], "no format"),
            (["poster.png", "poster.jpg", "-o", "one.psd"], "writes several"),
            (["poster.png", "--method", "magic"], "no method"),
            (["poster.png", "--layers", "0"], "layer count"),
            (["poster.png", "--layers", "many"], "layer count"),
            (["poster.png", "--box", "1,2,3"], "whole numbers"),
            (["poster.png", "--box", "500,500,9,9"], "holds no pixel"),
            (["poster.png", "--max-pixels", "100"], "--max-pixels"),
            (["https://example.org/a.png"], "address"),
            (["empty"], "no pictures"),
        ],
    )
    def test_mistakes_end_in_one_sentence(self, folder, monkeypatch, arguments, expected):
        (folder / "empty").mkdir()
        monkeypatch.chdir(folder)
        before = sorted(folder.iterdir())
        done = run("decompose", *arguments)
        assert done.exit_code == 2
        assert expected in done.stderr
        assert "Traceback" not in done.output
        assert sorted(folder.iterdir()) == before


def _die(job):
    os._exit(9)


def test_a_process_that_dies_is_reported(folder, monkeypatch):
    """As when the system ends one for lack of memory: no traceback, no waiting forever."""
    from layerstudio.ui.cli import decompose_jobs

    monkeypatch.setattr(decompose_jobs, "run_job", _die)
    jobs = [
        decompose_jobs.Job(folder / name, (), DecomposeRequest(), Limits())
        for name in ("poster.png", "poster.jpg")
    ]
    outcomes = list(decompose_jobs.run_jobs(jobs, 2))
    assert [outcome.exit_code for outcome in outcomes] == [2, 2]
    assert "memory" in outcomes[0].error


class TestOtherCommands:
    def test_split_nests_a_group(self, layered, tmp_path):
        out = tmp_path / "more.zip"
        done = run("split", layered, "--layer", "1.0", "-o", out, "--no-read-text")
        assert done.exit_code == 0, done.output
        group = layerstudio.open(out).at((1, 0))
        assert isinstance(group, Group)
        assert group.opacity == 0.5
        assert run("split", layered, "--layer", "nobody", "-o", tmp_path / "x.zip").exit_code == 2

    def test_pages_are_called_like_the_file(self, layered, tmp_path):
        named = layered.rename(layered.with_name("Summer fair.zip"))
        run("export", named, "-o", tmp_path / "other.html")
        assert "<title>Summer fair</title>" in (tmp_path / "other.html").read_text("utf-8")

    def test_export_writes_every_format_and_says_what_is_lost(self, layered, tmp_path):
        outs = [tmp_path / f"copy.{suffix}" for suffix in ("psd", "ora", "png", "svg", "html")]
        done = run("export", layered, *(word for out in outs for word in ("-o", out)), "--json")
        assert done.exit_code == 0, done.output
        assert set(json.loads(done.stdout)["outputs"]) == {str(out) for out in outs}
        assert all(out.stat().st_size for out in outs)
        assert run("export", layered, "-o", outs[0]).exit_code == 2

    def test_inspect_prints_the_tree_on_safe_lines(self, layered):
        done = run("inspect", layered)
        lines = done.stdout.splitlines()
        assert "30 x 20" in lines[0]
        assert any("1.0" in line and "[red]" in line and "50%" in line for line in lines)
        assert len(lines) == 4

    def test_inspect_as_json(self, layered):
        data = json.loads(run("inspect", layered, "--json").stdout)
        assert data["extent"] == [30, 20]
        badge = data["children"][1]["children"][0]
        assert (badge["path"], badge["bounds"], badge["opacity"]) == ("1.0", [4, 5, 12, 10], 0.5)

    def test_sheet_shows_every_layer(self, layered, tmp_path):
        sheet = tmp_path / "sheet.png"
        assert run("inspect", layered, "--sheet", sheet).exit_code == 0
        pixels = np.asarray(Image.open(sheet)).astype(int)
        red = (pixels[..., 0] > 150) & (pixels[..., 1:].max(axis=-1) < 60)
        assert red.sum() == 10 * 6  # the layer alone is shown opaque, the composite at half
        assert run("inspect", layered, "--sheet", tmp_path / "sheet.jpg").exit_code == 2

    def test_methods_and_doctor(self):
        cards = json.loads(run("methods", "--json").stdout)["methods"]
        assert "flat" in {card["id"] for card in cards}
        report = json.loads(run("doctor", "--json").stdout)
        assert report["packages"]["numpy"] == np.__version__
        assert report["methods"]["flat"] == "ready"
        for command in ("methods", "doctor"):
            assert "flat" in run(command).stdout

    def test_bench_outside_a_checkout(self, monkeypatch, tmp_path):
        from layerstudio.ui.cli import bench

        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(bench, "__file__", str(tmp_path / "a/b/c/bench.py"))
        done = run("bench")
        assert done.exit_code == 2
        assert "checkout" in done.stderr

    def test_version_and_completion(self):
        assert run("--version").stdout.startswith("layerstudio ")
        assert "--show-completion" in run("--help").stdout


class TestVerify:
    """The readers' own tests are elsewhere; here a stand-in reader says what is wanted."""

    @pytest.fixture(params=["same", "differs", "failed", "missing"])
    def status(self, request, monkeypatch):
        from layerstudio.io import verify

        error = 3 / 255 if request.param == "differs" else None
        result = verify.Verification("Reader", verify.Status(request.param), error, error, "Note.")
        monkeypatch.setattr(verify, "verify", lambda path, expected=None: (result,))
        return request.param

    def test_exit_code_and_table(self, status, layered):
        done = run("verify", layered)
        assert done.exit_code == (2 if status in ("differs", "failed") else 0)
        assert status in done.stdout
        assert ("3/255" in done.stdout) == (status == "differs")
        data = json.loads(run("verify", layered, "--json").stdout)
        assert data["results"][0]["status"] == status

    def test_a_missing_file(self, tmp_path):
        done = run("verify", tmp_path / "missing.psd")
        assert done.exit_code == 2
        assert "does not exist" in done.stderr


class TestFaultsOfOurs:
    def test_are_logged_not_shown(self, folder, monkeypatch):
        from layerstudio.ui.cli import decompose_jobs

        def fail(*_, **__):
            raise ZeroDivisionError("a bug")

        monkeypatch.setenv("XDG_STATE_HOME", str(folder / "state"))
        monkeypatch.setattr(decompose_jobs, "decompose", fail)
        done = run("decompose", folder / "poster.png")
        assert done.exit_code == 1
        assert "our fault" in done.stderr
        log = folder / "state/layerstudio/layerstudio-error.log"
        assert "ZeroDivisionError: a bug" in log.read_text()
