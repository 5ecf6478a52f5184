"""A plan carried out: failures are records, several processes agree with one, runs go on."""

import os
from dataclasses import replace

import pytest
from tiny_sets import Known, deadly, elaborate, faulty, its_truth, one_layer, poster, save_layers

from layerstudio.errors import Cancelled, InvalidRequest, MissingWeights, UnreadableFile
from layerstudio.pipelines.evaluation.contestants import (
    FolderContestant,
    MethodContestant,
    method_contestants,
)
from layerstudio.pipelines.evaluation.journal import Journal
from layerstudio.pipelines.evaluation.plan import Plan
from layerstudio.pipelines.evaluation.reading import open_dataset
from layerstudio.pipelines.evaluation.running import KILLED, run
from layerstudio.pipelines.evaluation.scores import Outcome, SampleRecord
from layerstudio.pipelines.methods import load_decomposer
from layerstudio.pipelines.runtime import Runtime
from layerstudio.progress import CancelToken
from layerstudio.requests import DecomposeRequest

QUIET = DecomposeRequest(read_text=False)


@pytest.fixture
def folder(tmp_path):
    """Three samples, the second of them not a PSD."""
    (tmp_path / "set").mkdir()
    poster().save(tmp_path / "set/a.psd")
    elaborate().save(tmp_path / "set/b.ora")
    (tmp_path / "set/c.psd").write_bytes(b"8BPS, broken")
    return tmp_path / "set"


def plan_of(folder, *contestants, **options):
    return Plan(open_dataset(folder), contestants or (Known(its_truth),), **options)


def records(plan, **options):
    return [record for batch in run(plan, **options) for record in batch]


def test_a_broken_sample_is_a_record_and_the_others_go_on(folder):
    found = records(plan_of(folder, thumb_side=40))
    samples = {r.name: r for r in found if isinstance(r, SampleRecord)}
    outcomes = [r for r in found if isinstance(r, Outcome)]
    assert [sample.error == "" for sample in samples.values()] == [True, True, False]
    assert [outcome.sample for outcome in outcomes] == ["a.psd", "b.ora"]
    assert [thumb.caption for thumb in samples["a.psd"].thumbs] == [
        "picture", "ground", "card", "badge",
    ]  # fmt: skip
    assert any("multiply" in note for note in samples["b.ora"].notes)
    assert samples["a.psd"].truth_error == 0
    assert outcomes[0].scores is not None
    assert outcomes[0].scores.seconds == 0.5


def test_a_fault_in_a_method_is_a_record_with_its_traceback(folder):
    found = records(plan_of(folder, Known(faulty, "faulty"), Known(its_truth, "good")))
    outcomes = {(r.sample, r.contestant): r for r in found if isinstance(r, Outcome)}
    assert len(outcomes) == 4
    failed = outcomes["b.ora", "faulty"]
    assert failed.scores is None
    assert failed.error == "ZeroDivisionError: a bug"
    assert "in faulty" in failed.fault
    assert all(o.scores for key, o in outcomes.items() if key != ("b.ora", "faulty"))


@pytest.mark.parametrize("error", [MissingWeights("Not here.", advice="Pull."), MemoryError()])
def test_what_a_user_can_act_on_is_a_sentence(folder, error):
    def fail(sample):
        raise error

    outcome = records(plan_of(folder, Known(fail)))[1]
    assert isinstance(outcome, Outcome)
    assert outcome.error.endswith(".")
    assert outcome.fault == ""


def test_several_processes_find_what_one_finds(folder):
    ours = MethodContestant("flat", QUIET)
    plan = plan_of(folder, ours, Known(one_layer, "one"))

    def timeless(found):
        return sorted(
            (replace(r, scores=replace(r.scores, seconds=0)) if isinstance(r, Outcome) else r
             for r in found), key=repr,
        )  # fmt: skip

    alone = records(plan)
    assert timeless(alone) == timeless(records(plan, jobs=2))
    flat = next(r for r in alone if isinstance(r, Outcome))
    assert flat.scores is not None
    assert flat.scores.recomposition.max_error <= 1 / 255 + 1e-6


def test_a_process_that_dies_is_a_record_and_the_others_go_on(tmp_path):
    for name in ("a", "b", "c"):
        poster().save(tmp_path / f"{name}.psd")
    found = records(plan_of(tmp_path, Known(deadly)), jobs=2)
    samples = {r.name: r.error for r in found if isinstance(r, SampleRecord)}
    assert samples == {"a.psd": "", "b.psd": KILLED, "c.psd": ""}
    assert sum(isinstance(r, Outcome) for r in found) == 2


@pytest.mark.parametrize("jobs", [1, 2])
def test_cancelling_ends_the_run(folder, jobs):
    cancel = CancelToken()
    running = run(plan_of(folder), jobs=jobs, cancel=cancel)
    next(running)
    cancel.cancel()
    with pytest.raises(Cancelled):
        list(running)


def test_progress_goes_from_nothing_to_all(folder):
    seen = []
    list(run(plan_of(folder, MethodContestant("flat", QUIET)), progress=seen.append))
    fractions = [report.fraction for report in seen]
    assert fractions[0] == 0
    assert max(fractions) <= 1
    assert any(report.stage.startswith("b.ora: ") for report in seen)


class TestContestants:
    def test_a_method_is_told_of_the_truth_where_asked(self, folder, monkeypatch):
        given = []

        class Watched:
            card = load_decomposer("cld").card

            def run(self, request, picture, **_):
                given.append(request)
                return poster()

        monkeypatch.setattr(
            "layerstudio.pipelines.evaluation.contestants.load_decomposer", lambda id: Watched()
        )
        told = MethodContestant("cld", QUIET, layers_from_truth=True, boxes_from_truth=True)
        assert told.uses_boxes
        assert len(told.hints()) == 2
        list(run(plan_of(folder, told), ["a.psd"]))
        assert given[0].layers == 3
        assert given[0].boxes == tuple(layer.bounds for layer in poster().layers[1:])

    def test_what_a_method_does_not_take_is_refused_before_anything_runs(self):
        with pytest.raises(InvalidRequest, match="no method"):
            MethodContestant("magic", QUIET)
        with pytest.raises(InvalidRequest, match="no setting 'size'"):
            MethodContestant("palette", replace(QUIET, settings={"size": 1}))
        with pytest.raises(InvalidRequest, match="takes no boxes"):
            MethodContestant("palette", QUIET, boxes_from_truth=True)

    def test_settings_go_to_all_or_to_one(self):
        settings = {"palette.order": "light-to-dark"}
        made = method_contestants(["palette", "flat", "flat"], QUIET, settings, Runtime())
        assert [contestant.label for contestant in made] == ["palette", "flat"]
        assert dict(made[0].request.settings) == {"order": "light-to-dark"}
        assert dict(made[1].request.settings) == {}
        with pytest.raises(InvalidRequest, match="does not take part"):
            method_contestants(["flat"], QUIET, settings, Runtime())

    def test_another_programs_results(self, folder, tmp_path):
        results = tmp_path / "results"
        save_layers(results / "a", poster())
        poster().save(results / "b.psd")
        found = records(plan_of(folder, FolderContestant("other", results)))
        a, b = (r for r in found if isinstance(r, Outcome))
        assert a.scores is not None and a.scores.layerd.at(0).alpha_iou == 1
        assert b.scores is not None and b.scores.layerd.at(0).alpha_iou < 1
        assert a.scores.seconds == 0
        (results / "b.psd").unlink()
        missing = records(plan_of(folder, FolderContestant("other", results)))[3]
        assert isinstance(missing, Outcome)
        assert "no result" in missing.error
        with pytest.raises(UnreadableFile, match="not a folder"):
            FolderContestant("other", tmp_path / "nowhere")

    def test_two_of_one_name_are_refused(self, folder):
        with pytest.raises(InvalidRequest, match="names of their own"):
            plan_of(folder, Known(its_truth), Known(one_layer))


class TestJournal:
    def test_what_was_measured_is_read_back_and_a_cut_line_is_dropped(self, folder, tmp_path):
        plan = plan_of(folder, thumb_side=30)
        journal = Journal(tmp_path / "journal.jsonl", plan.facts())
        journal.start()
        batches = list(run(plan))
        for batch in batches:
            journal.add(batch)
        whole = journal.path.read_text()
        assert journal.resume() == [record for batch in batches for record in batch]
        journal.path.write_text(whole[:-40])
        assert journal.resume() == [record for batch in batches[:-1] for record in batch]
        journal.add(batches[-1])
        assert journal.path.read_text() == whole

    def test_another_runs_journal_is_refused(self, folder, tmp_path):
        path = tmp_path / "journal.jsonl"
        Journal(path, plan_of(folder).facts()).start()
        with pytest.raises(InvalidRequest, match="another run"):
            Journal(path, plan_of(folder, edits=2).facts()).resume()
        path.write_text("hello\n")
        with pytest.raises(UnreadableFile, match="not the journal"):
            Journal(path, plan_of(folder).facts()).resume()
        os.unlink(path)
        with pytest.raises(UnreadableFile, match="nothing to go on with"):
            Journal(path, plan_of(folder).facts()).resume()
