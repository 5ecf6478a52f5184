"""``bench``, ``methods ID`` and ``stages`` on the command line."""

import json

import pytest
from tiny_sets import elaborate, poster, save_crello, save_layers
from typer.testing import CliRunner

from layerstudio.pipelines.evaluation import running
from layerstudio.settings import Setting
from layerstudio.ui.cli import bench_running
from layerstudio.ui.cli.bench import parse_seeds
from layerstudio.ui.cli.main import app
from layerstudio.ui.cli.methods import allowed


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def folder(tmp_path):
    """Two layered files and one that is none."""
    (tmp_path / "set").mkdir()
    poster().save(tmp_path / "set/a.psd")
    elaborate().save(tmp_path / "set/b.psd")
    (tmp_path / "set/c.psd").write_bytes(b"8BPS")
    return tmp_path / "set"


class TestBench:
    def test_a_folder_of_psds_with_a_report(self, folder, tmp_path):
        out = tmp_path / "report"
        done = run("bench", folder, "-o", out, "--edits", "2")
        assert done.exit_code == 0, done.output
        assert "auto" in done.stdout and "c.psd" in done.stderr
        names = {path.name for path in out.iterdir()}
        assert names == {"report.html", "report.json", "report.md", "journal.jsonl"}
        data = json.loads((out / "report.json").read_text())
        summary = data["summaries"][0]
        assert (summary["contestant"], summary["all"]["count"]) == ("auto", 2)
        assert len(summary["all"]["rows"]) == 3
        assert summary["recomposition"]["max_error"] <= 1 / 255 + 1e-6
        assert data["facts"]["contestants"]["auto"]["request"]["read_text"] is False
        assert "data:image/webp" in (out / "report.html").read_text("utf-8")

    def test_json_and_several_contestants(self, tmp_path):
        save_crello(tmp_path / "set", {"x": poster(), "y": poster()})
        for name in "xy":
            save_layers(tmp_path / "others" / name, poster())
        done = run(
            "bench", tmp_path / "set", "--method", "flat", "--method", "palette", "--limit", 1,
            "--results", f"truth={tmp_path / 'others'}", "--set", "palette.order=light-to-dark",
            "--layers", "truth", "--json",
        )  # fmt: skip
        assert done.exit_code == 0, done.output
        data = json.loads(done.stdout)
        labels = [summary["contestant"] for summary in data["summaries"]]
        assert labels == ["flat", "palette", "truth"]
        assert data["summaries"][2]["all"]["rows"][0]["alpha_iou"] == 1
        assert len(data["samples"]) == 1
        assert "flat was told how many layers" in data["hints"][0]
        settings = data["facts"]["contestants"]["palette"]["request"]["settings"]
        assert settings == {"order": "light-to-dark"}

    def test_nothing_is_replaced_unasked(self, folder, tmp_path):
        out = tmp_path / "report"
        out.mkdir()
        (out / "report.html").write_text("mine")
        done = run("bench", folder, "-o", out)
        assert done.exit_code == 2
        assert "--resume" in done.stderr
        assert (out / "report.html").read_text() == "mine"
        assert run("bench", folder, "-o", out, "--overwrite").exit_code == 0
        assert (out / "report.html").read_text("utf-8") != "mine"

    def test_a_stopped_run_leaves_a_report_and_goes_on(self, folder, tmp_path, monkeypatch):
        out = tmp_path / "report"

        def stopping(plan, names=None, **options):
            yield next(running.run(plan, names, **options))
            raise KeyboardInterrupt

        monkeypatch.setattr(bench_running, "run", stopping)
        done = run("bench", folder, "-o", out)
        assert done.exit_code == 130
        assert "Stopped after 1 of 3" in done.stderr
        data = json.loads((out / "report.json").read_text())
        assert data["is_partial"]
        assert [sample["name"] for sample in data["samples"]] == ["a.psd"]
        monkeypatch.undo()
        assert run("bench", folder, "-o", out, "--resume", "--edits", 1).exit_code == 2
        assert run("bench", folder, "-o", out, "--resume").exit_code == 0
        data = json.loads((out / "report.json").read_text())
        assert not data["is_partial"]
        assert [sample["name"] for sample in data["samples"]] == ["a.psd", "b.psd", "c.psd"]

    def test_where_nothing_could_be_scored_the_exit_code_says_so(self, folder):
        done = run("bench", folder / "c.psd")
        assert done.exit_code == 2
        assert "c.psd" in done.stderr
        done = run("bench", folder, "--method", "cld", "--boxes", "truth")
        assert done.exit_code == 2
        assert "models pull" in done.stderr
        assert "flatter" in done.stderr

    @pytest.mark.parametrize(
        ("arguments", "expected"),
        [
            (["missing"], "does not exist"),
            (["empty"], "neither layered files"),
            (["set", "--layout", "crello"], "no folder of PNG layers"),
            (["set", "--layout", "designs"], "either"),
            (["--layout", "psd"], "either"),
            (["https://example.org/x"], "address"),
            (["set", "--method", "magic"], "no method"),
            (["set", "--method", "art"], "no method that can decompose"),
            (["set", "--set", "size=1"], "no setting"),
            (["set", "--set", "cld.size=1"], "does not take part"),
            (["set", "--boxes", "truth"], "takes no boxes"),
            (["set", "--layers", "0"], "layer count"),
            (["set", "--layers", "many"], "layer count"),
            (["set", "--results", "x=nowhere"], "not a folder"),
            (["set", "--results", "x"], "NAME=VALUE"),
            (["set", "--jobs", "2", "--device", "cuda"], "--jobs 1"),
            (["set", "-o", "nowhere/report"], "cannot hold a report"),
            (["set", "-o", "set/a.psd"], "cannot hold a report"),
            (["set", "-o", "empty", "--resume"], "nothing to go on with"),
            (["--seeds", "5:5"], "no seed"),
            (["--split", "secret"], "no split"),
        ],
    )
    def test_mistakes_end_in_one_sentence(self, folder, monkeypatch, arguments, expected):
        (folder.parent / "empty").mkdir()
        monkeypatch.chdir(folder.parent)
        done = run("bench", *arguments)
        assert done.exit_code == 2, done.output
        assert expected in " ".join(done.stderr.split())
        assert "Traceback" not in done.output

    def test_designs_in_a_checkout(self):
        done = run("bench", "--seeds", "4:5", "--json")
        assert done.exit_code == 0, done.output
        data = json.loads(done.stdout)
        assert data["facts"]["layout"] == "designs"
        assert data["outcomes"][0]["tags"] == ["gradient", "PNG", "plain and gradient"]
        assert data["summaries"][0]["all"]["rows"][0]["alpha_iou"] > 0.5

    def test_seeds(self):
        assert parse_seeds("100") == range(100)
        assert parse_seeds("40:60") == range(40, 60)

    @pytest.mark.parametrize(
        ("seconds", "text"), [(12, "12 s"), (240, "4 min"), (7500, "2 h 5 min")]
    )
    def test_durations(self, seconds, text):
        assert bench_running.duration(seconds) == text


class TestMethods:
    def test_one_in_full(self):
        done = run("methods", "palette")
        assert done.exit_code == 0
        for word in ("SIGGRAPH", "area, light-to-dark, dark-to-light", "Apache-2.0", "--set"):
            assert word in done.stdout
        assert "models pull cld" in run("methods", "cld").stdout

    def test_one_as_json(self):
        card = json.loads(run("methods", "palette", "--json").stdout)
        assert card["id"] == "palette"
        assert {"name", "default", "choices", "least", "most", "summary"} <= set(
            card["settings"][0]
        )

    def test_an_unknown_one(self):
        done = run("methods", "magic")
        assert done.exit_code == 2
        assert "flat" in done.stderr

    @pytest.mark.parametrize(
        ("setting", "text"),
        [
            (Setting("x", 1, "", least=0, most=9), "whole number, 0 to 9"),
            (Setting("x", 0.5, "", least=0), "number, 0 or more"),
            (Setting("x", 0.5, "", most=1), "number, 1 or less"),
            (Setting("x", 3, ""), "whole number"),
            (Setting("x", True, ""), "true, false"),
            (Setting("x", "", ""), "text"),
            (Setting("x", "a", "", choices=("a", "b")), "a, b"),
        ],
    )
    def test_what_is_allowed(self, setting, text):
        assert allowed(setting) == text


class TestStages:
    def test_all_or_one_kind(self):
        every = json.loads(run("stages", "--json").stdout)["stages"]
        mattes = json.loads(run("stages", "matte", "--json").stdout)["stages"]
        assert {stage["kind"] for stage in mattes} == {"matte"}
        assert len(mattes) < len(every)
        assert all(set(stage["missing"]) <= set(stage["needs"]) for stage in every)
        assert mattes[0]["id"] in run("stages", "matte").stdout

    def test_an_unknown_kind(self):
        done = run("stages", "sing")
        assert done.exit_code == 2
        assert "complete" in done.stderr
