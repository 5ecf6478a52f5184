"""What becomes works: folders, patterns, lists of requests, recipes."""

import json

import pytest
from batches import asked_for, files_in, run, write_pictures

import layerstudio
from layerstudio.errors import InvalidRequest, MissingWeights
from layerstudio.pipelines.batch.planning import planned
from layerstudio.requests import DecomposeRequest


@pytest.fixture
def pictures(tmp_path):
    return write_pictures(tmp_path / "in", 3)


def sources(plan):
    return [work.source.rpartition("/")[2] for work in plan.works]


def test_folders_patterns_and_files(tmp_path, pictures):
    deep = write_pictures(tmp_path / "in/deeper", 1)
    (tmp_path / "in/notes.txt.bak").write_text("no picture")
    (tmp_path / "in/.hidden.png").write_bytes(b"")
    out = tmp_path / "out"
    assert len(planned(asked_for(tmp_path / "in", out=out)).works) == 3
    every = planned(asked_for(tmp_path / "in", out=out, recursive=True, template="{folder}/{stem}"))
    targets = {work.targets[0].removeprefix(str(out)) for work in every.works}
    assert targets == {f"/picture {n}.psd" for n in range(3)} | {"/deeper/picture 0.psd"}
    assert sources(planned(asked_for(tmp_path / "in/*[12].png", out=out))) == [
        "picture 1.png",
        "picture 2.png",
    ]
    assert sources(planned(asked_for(deep[0], pictures[2], out=out))) == [
        "picture 0.png",
        "picture 2.png",
    ]


def test_what_is_given_twice_is_done_once(tmp_path, pictures):
    rows = tmp_path / "rows.jsonl"
    rows.write_text(f"{pictures[0]}\n{pictures[0]}\n")
    plan = planned(asked_for(rows, out=tmp_path, template="{hash}"))
    assert len(plan.works) == 2  # two names: the second is numbered
    named = planned(asked_for(pictures[0], pictures[0], out=tmp_path))
    assert len({work.targets for work in named.works}) == len(named.works)


def test_rows_of_every_kind(tmp_path, pictures):
    made = layerstudio.decompose(pictures[0], layers=1, read_text=False).save(tmp_path / "made.psd")
    rows = [
        {"source": str(pictures[0]), "layers": 2, "name": "two"},
        {"task": "convert", "source": str(made)},
        {"task": "again", "source": str(made), "layers": 3},
        {"source": str(pictures[1]), "layers": "many"},
        {"source": str(tmp_path / "gone.png")},
        {"source": str(pictures[1]), "method": "flatt"},
        {"source": str(pictures[1]), "colour": "red"},
        {"task": "paint", "source": "x"},
        {"task": "decompose"},
        {"source": str(pictures[1]), "settings": {"depth": 3}},
    ]
    table = tmp_path / "rows.jsonl"
    lines = [json.dumps(row) for row in rows] + ["", "{broken", str(pictures[2])]
    table.write_text("\n".join(lines))
    plan = planned(asked_for(table, out=tmp_path / "out", template="{name}-{method}"))
    assert [work.task for work in plan.works] == ["decompose", "convert", "decompose", "decompose"]
    assert plan.works[0].targets[0].endswith("two-auto.psd")
    again = plan.works[2].request
    assert isinstance(again, DecomposeRequest)
    assert again.layers == 3 and again.source_sha256
    why = {one.origin.rpartition(" ")[2]: one.message for one in plan.refused}
    assert why["4"].startswith("The layer count") and "does not exist" in why["5"]
    assert "flatt" in why["6"] and "colour" in why["7"] and "paint" in why["8"]
    assert "needs a source" in why["9"] and "no setting 'depth'" in why["10"]
    assert "not JSON" in why["12"]
    assert len(plan.refused) == 8


def test_csv(tmp_path, pictures):
    table = tmp_path / "rows.csv"
    table.write_text(
        "source,layers,boxes,name\n"
        f'{pictures[0]},2,"[[1, 2, 3, 4]]",first\n'
        f"{pictures[1]},,,\n"
        f"{pictures[2]},2\n",
        encoding="utf-8-sig",
    )
    plan = planned(asked_for(table, out=tmp_path / "out", defaults={}))
    first, second = (work.request for work in plan.works)
    assert isinstance(first, DecomposeRequest) and isinstance(second, DecomposeRequest)
    assert first.layers == 2 and first.boxes == ((1, 2, 3, 4),) and second.layers == "auto"
    assert plan.refused[0].origin == "rows.csv, row 4"


def test_generations_get_seeds_that_follow_from_the_request(tmp_path, monkeypatch):
    monkeypatch.setattr("layerstudio.pipelines.batch.planning.require", lambda *_: None)
    table = tmp_path / "rows.jsonl"
    rows = [{"prompt": "a cat", "count": 2}, {"prompt": "a dog"}, {"prompt": "a cat", "seed": 5}]
    table.write_text("\n".join(map(json.dumps, rows)))
    first, again = (planned(asked_for(table, out=tmp_path / "out")) for _ in range(2))
    assert first == again
    seeds = [work.request.seed for work in first.works if work.request]
    assert seeds[1] == seeds[0] + 1 and seeds[3] == 5 and len(set(seeds)) == 4
    assert len({work.targets for work in first.works}) == 4


def test_missing_weights_are_said_before_anything_runs(tmp_path, monkeypatch, pictures):
    monkeypatch.setenv("LAYERSTUDIO_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(MissingWeights, match="models pull"):
        planned(asked_for(pictures[0], out=tmp_path, defaults={"method": "cld"}))


def test_nothing_to_do_is_said(tmp_path, pictures):
    for given in (tmp_path / "in/*.jpg", tmp_path):
        with pytest.raises(InvalidRequest):
            planned(asked_for(given, out=tmp_path))
    assert "exist" in planned(asked_for(tmp_path / "no.png", out=tmp_path)).refused[0].message


def test_conversion_of_a_folder(tmp_path, pictures):
    made = tmp_path / "made"
    run(asked_for(*pictures, out=made))
    summary, _ = run(asked_for(made, out=tmp_path / "ora", task="convert", formats=(".ora",)))
    assert summary.tally.done == 3
    again, _ = run(asked_for(made, out=tmp_path / "again", task="again", defaults={}))
    assert again.tally.done == 3
    assert files_in(tmp_path / "again") == files_in(made)
