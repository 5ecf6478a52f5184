"""Addresses as places: object storage on the loopback, through s3fs as it is."""

import json
import time
from pathlib import Path
from typing import ClassVar

import fsspec.implementations.memory
import pytest
from batches import asked_for, files_in, run, write_pictures
from s3_stand_in import KEY, SECRET, Fault, s3_stand_in

from layerstudio.errors import InvalidRequest, UnreadableFile, UnwritableFile
from layerstudio.io.limits import Limits
from layerstudio.pipelines.batch import places
from layerstudio.pipelines.batch.batch import Batch, Options
from layerstudio.pipelines.batch.estimating import estimate
from layerstudio.pipelines.batch.planning import planned
from layerstudio.pipelines.batch.reporting import write_report
from layerstudio.progress import CancelToken

s3fs = pytest.importorskip("s3fs", reason="the extra cloud is not installed")


@pytest.fixture
def store(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    s3fs.S3FileSystem.clear_instance_cache()  # clients of the last server
    monkeypatch.setattr(places, "_WAITS", (0.01, 0.01))
    monkeypatch.setattr(s3fs.S3FileSystem, "retries", 2)  # its own, before ours
    with s3_stand_in("work") as store:
        for path in write_pictures(tmp_path / "in", 5):
            store.objects["work"][f"in/{path.name}"] = path.read_bytes()
        yield store
    s3fs.S3FileSystem.clear_instance_cache()


def from_store(*inputs: str, **changes):
    inputs = inputs or ("s3://work/in",)
    return asked_for(*inputs, out="s3://work/out", **changes)  # type: ignore[arg-type]


def outputs(store) -> dict[str, bytes]:
    return {
        key.removeprefix("out/"): data
        for key, data in store.objects["work"].items()
        if key.startswith("out/")
    }


def test_from_storage_to_storage_as_on_a_disk(tmp_path, store):
    store.objects["work"]["in/.hidden.png"] = b"no"
    store.objects["work"]["in/deeper/other.png"] = store.objects["work"]["in/picture 0.png"]
    formats = (".psd", ".layers")
    run(asked_for(tmp_path / "in", out=tmp_path / "out", formats=formats))
    summary, events = run(from_store(formats=formats), workers=1)
    assert (summary.tally.done, summary.refused) == (5, ())
    local, far = files_in(tmp_path / "out"), outputs(store)
    assert set(far) == set(local) and len(far) > 10
    layers = [name for name in far if name.endswith(".png")]  # all else names the source
    assert len(layers) >= 5 and all(far[name] == local[name] for name in layers)
    assert not list(summary.home.rglob("*.part*"))
    done = next(event for event in events if event["event"] == "done")
    assert done["outputs"][0].startswith("s3://work/out/picture")
    assert (
        run(from_store(recursive=True, formats=formats, template="r/{folder}/{stem}"))[0].tally.done
        == 6
    )


def test_it_continues_and_does_nothing_twice(store):
    run(from_store())
    before = outputs(store)
    puts = store.count("PUT")
    assert run(from_store())[0].tally.before == 5 and store.count("PUT") == puts
    del store.objects["work"]["out/picture 2.psd"]
    write = store.objects["work"]["in/picture 0.png"]
    store.objects["work"]["in/picture 4.png"] = write
    summary, _ = run(from_store(), overwrite=True)
    assert (summary.tally.done, summary.tally.before) == (2, 3)
    assert outputs(store)["picture 2.psd"] == before["picture 2.psd"]
    assert outputs(store)["picture 4.psd"] != before["picture 4.psd"]


def test_what_others_put_there_stays(store):
    store.objects["work"]["out/picture 1.psd"] = b"somebody's work"
    summary, _ = run(from_store())
    assert summary.tally.done == 4 and "exists already" in summary.refused[0].message
    assert outputs(store)["picture 1.psd"] == b"somebody's work"
    assert run(from_store(), overwrite=True)[0].tally.done == 1


def test_patterns_single_objects_and_lists(tmp_path, store):
    def names(*inputs):
        return [places.name_of(work.source) for work in planned(from_store(*inputs)).works]

    assert names("s3://work/in/*[13].png") == ["picture 1.png", "picture 3.png"]
    assert names("s3://work/in/picture 2.png") == ["picture 2.png"]
    lines = "s3://work/in/picture 0.png\ns3://work/in/gone.png\n"
    store.objects["work"]["list.txt"] = lines.encode()
    plan = planned(from_store("s3://work/list.txt"))
    assert len(plan.works) == 1 and "does not exist" in plan.refused[0].message
    for nothing in ("s3://work/none/*.png", "s3://nobody/in/*.png", "nothing://x/*.png"):
        with pytest.raises((InvalidRequest, UnreadableFile)):
            planned(from_store(nothing))


def test_a_changed_folder_is_seen(tmp_path, store):
    """Listings are not kept from one look to the next."""
    cancel, seen = CancelToken(), []
    options = Options(workers=0)
    with Batch(from_store(may_be_empty=True), options, lambda event: None, cancel) as batch:
        for summary in batch.watch(0.05):
            seen.append(summary.tally.done)
            if len(seen) == 2:
                cancel.cancel()
            store.objects["work"]["in/new.png"] = (tmp_path / "in/picture 0.png").read_bytes()
    assert seen == [5, 1]


def test_a_busy_server_is_asked_again_and_nothing_is_computed_twice(store):
    started = []
    store.faults.extend([Fault("PUT", 503)] * 14)
    summary, events = run(
        from_store(),
        patience=0.01,
        listener=lambda event: started.append(event) if event["event"] == "started" else None,
    )
    assert summary.tally.done == 5 and not summary.refused
    assert summary.tally.retried >= 2 and len(started) == 5
    assert not store.faults
    assert len([event for event in events if event["event"] == "retry"]) == summary.tally.retried


def test_a_source_that_answers_later(store):
    store.faults.extend([Fault("GET", 503)] * 2)  # of the listing
    assert run(from_store(), patience=0.01)[0].tally.done == 5 and not store.faults
    store.faults.extend([Fault("GET")] * 3)  # lines that are cut
    assert run(from_store(template="cut/{stem}"), patience=0.01)[0].tally.done == 5


def test_a_server_that_never_recovers(store, monkeypatch):
    monkeypatch.setattr(s3fs.S3FileSystem, "retries", 1)
    plan = len(planned(from_store()).works)
    store.faults.extend([Fault("PUT", 503)] * 1000)
    summary, _ = run(from_store(), patience=0.001)
    assert len(summary.refused) == plan
    assert all("SlowDown" in one.message for one in summary.refused)
    assert not list(summary.home.rglob("*.part*"))
    store.faults.clear()
    assert run(from_store(), retry=True)[0].tally.done == 5


def test_no_permission_is_said_and_not_repeated(store):
    store.faults.append(Fault("PUT", 403))
    summary, _ = run(from_store(), patience=0.01)
    assert summary.tally.retried == 0 and summary.tally.done == 4
    assert "could not be written" in summary.refused[0].message


def test_a_run_killed_between_finished_and_sent_sends_only(store, tmp_path):
    summary, _ = run(from_store())
    journal = summary.home / "journal.jsonl"
    lines = journal.read_text().splitlines(keepends=True)
    cut = next(i for i, line in enumerate(lines) if '"event":"done"' in line)
    journal.write_text("".join(lines[:cut]))
    ready = json.loads(lines[cut - 1])
    for file in ready["files"]:
        Path(file["part"]).write_bytes(b"finished before the power went")
    name = places.name_of(ready["files"][0]["target"])
    for key in list(outputs(store)):
        del store.objects["work"][f"out/{key}"]
    ready["files"][0]["bytes"] = 30
    again, _ = run(from_store())
    assert again.tally.before == 1 and again.tally.done == 4
    assert outputs(store)[name] == b"finished before the power went"


def test_secrets_are_nowhere(tmp_path, store):
    """From storage with keys in the environment to a host with a password in its address."""
    fsspec.register_implementation("vault", Vault, clobber=True)
    store.objects["work"]["in/picture 3.png"] = b"\x89PNG\r\n\x1a\n broken"
    store.faults.extend([Fault("GET", 403)] * 3)
    with pytest.raises(UnreadableFile) as said:
        planned(asked_for("s3://somebody:pass%20word@work/in", out=tmp_path))
    out = "vault://somebody:pass%20word@host/results"
    asked = asked_for("s3://work/in/*", out=out)  # type: ignore[arg-type]
    store.faults.clear()
    summary, events = run(asked, patience=0.01)
    assert summary.tally.done == 3 and len(summary.refused) == 2
    told = [str(said.value), json.dumps(events), json.dumps(summary.to_dict())]
    told += [write_report(summary).read_text(), (summary.home / "batch-report.json").read_text()]
    told += [(summary.home / "journal.jsonl").read_text(), str(summary.home)]
    for text in told:
        for secret in ("pass%20word", "pass word", "somebody", SECRET, KEY):
            assert secret not in text
    changed = asked_for("s3://work/in/*", out=out.replace("pass", "other"))  # type: ignore[arg-type]
    assert run(changed)[0].tally.before == 3


class Vault(fsspec.implementations.memory.MemoryFileSystem):
    """A host whose errors give everything away."""

    protocol = "vault"
    store: ClassVar = {}
    pseudo_dirs: ClassVar = [""]

    @classmethod
    def _strip_protocol(cls, path):
        return "/" + super()._strip_protocol(path).rpartition("@")[2].lstrip("/")

    def put_file(self, lpath, rpath, **options):
        if "picture 2" in rpath:
            raise OSError("cannot reach vault://somebody:pass word@host, as somebody:pass%20word")
        super().put_file(lpath, rpath, **options)


@pytest.mark.parametrize(
    "text",
    [
        "PUT https://me:secret@host/a failed",
        "https://host/a?X-Amz-Signature=secret&x=secret",
        "cannot connect to ftp://me:secret@host/dir/a.png, 3 times",
    ],
)
def test_messages_of_others_lose_their_secrets(text):
    assert "secret" not in places.without_secrets(text)
    assert "host" in places.without_secrets(text)
    assert places.without_secrets("a?b of 3@4") == "a?b of 3@4"


def test_a_file_beyond_the_limit_is_not_read(store, tmp_path):
    with pytest.raises(UnreadableFile, match="limit"):
        places.read("s3://work/in/picture 0.png", Limits(file_bytes=10))
    with pytest.raises(UnreadableFile, match="limit"):
        places.fetch("s3://work/in/picture 0.png", tmp_path / "x", Limits(file_bytes=10))
    assert places.read("s3://work/in/picture 0.png", Limits()) == (
        (tmp_path / "in/picture 0.png").read_bytes()
    )


def test_an_estimate_writes_nothing_there(store):
    found = estimate(from_store(), Options(workers=0), 2)
    assert found.measured == 2 and found.bytes and found.free_bytes is None
    assert not outputs(store) and store.count("PUT") == 0


def test_a_server_that_is_not_there(monkeypatch, store):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(s3fs.S3FileSystem, "retries", 1)
    s3fs.S3FileSystem.clear_instance_cache()
    start = time.monotonic()
    with pytest.raises(UnreadableFile, match="could not be read"):
        planned(from_store())
    with pytest.raises(UnwritableFile, match="could not be written"):
        places.upload(Path(__file__), "s3://work/out/x.py")
    assert time.monotonic() - start < 20


@pytest.mark.slow
def test_large_files_go_in_parts(store, tmp_path):
    large = tmp_path / "large.psd"
    with large.open("wb") as file:
        file.seek(110 * 2**20)
        file.write(b"end")
    places.upload(large, "s3://work/out/large.psd")
    assert store.count("POST") == 2 and store.count("PUT") >= 2
    assert places.size_of("s3://work/out/large.psd") == 110 * 2**20 + 3
    assert store.objects["work"]["out/large.psd"].endswith(b"end")


def test_local_addresses_are_paths(tmp_path):
    write_pictures(tmp_path / "in", 2)
    asked = asked_for((tmp_path / "in").as_uri(), out=tmp_path / "out")
    assert asked.inputs == (str(tmp_path / "in"),)
    assert run(asked)[0].tally.done == 2
