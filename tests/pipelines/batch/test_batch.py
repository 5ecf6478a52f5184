"""Whole batches: continued however they ended, results as of an undisturbed one."""

import errno
import json
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
from batches import asked_for, dies_at_once, files_in, run, starts_late, write_pictures

import layerstudio
from layerstudio.errors import UnwritableFile
from layerstudio.pipelines.batch import local_engine, publishing, running
from layerstudio.pipelines.batch.batch import Options
from layerstudio.pipelines.batch.engine import CannotWork
from layerstudio.pipelines.batch.estimating import estimate
from layerstudio.pipelines.batch.journal import Journal
from layerstudio.pipelines.batch.policy import Again, Policy
from layerstudio.pipelines.batch.reporting import write_report
from layerstudio.progress import CancelToken


@pytest.fixture
def pictures(tmp_path):
    return write_pictures(tmp_path / "in", 5)


def test_results_are_those_of_the_method(tmp_path, pictures):
    (tmp_path / "in/broken.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    asked = asked_for(tmp_path / "in", out=tmp_path / "out", formats=(".psd", ".layers"))
    summary, events = run(asked, workers=2)
    assert summary.tally.done == 5 and len(summary.refused) == 1
    assert "broken.png" in summary.refused[0].origin
    for path in pictures:
        made = layerstudio.open(tmp_path / f"out/{path.stem}.psd")
        alone = layerstudio.decompose(path, layers=1, read_text=False)
        assert made.request == alone.request and len(made.layers) == 1
    done = [event for event in events if event["event"] == "done"]
    assert all(event["max_error"] == 0 and len(event["outputs"]) == 2 for event in done)
    assert not list((tmp_path / "out").glob(".layerstudio-*.part*"))


def test_a_finished_batch_does_nothing_and_says_so(tmp_path, pictures):
    asked = asked_for(tmp_path / "in", out=tmp_path / "out")
    run(asked)
    before = files_in(tmp_path / "out")
    stamps = [path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.psd")]
    summary, events = run(asked)
    assert (summary.tally.done, summary.tally.before) == (0, 5)
    assert [event["event"] for event in events] == ["planned"]
    assert files_in(tmp_path / "out") == before
    assert stamps == [path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.psd")]


def test_what_vanished_or_changed_is_done_again_and_nothing_else(tmp_path, pictures):
    asked = asked_for(tmp_path / "in", out=tmp_path / "out")
    run(asked)
    (tmp_path / "out/picture 1.psd").unlink()
    (tmp_path / "out/picture 2.psd").write_bytes(b"edited by hand")
    write_pictures(tmp_path / "other", 1, width=9)[0].rename(pictures[3])
    summary, events = run(asked, overwrite=True)
    done = {event["source"].rpartition("/")[2] for event in events if event["event"] == "done"}
    assert done == {"picture 1.png", "picture 3.png"} and summary.tally.before == 3
    assert (tmp_path / "out/picture 2.psd").read_bytes() == b"edited by hand"
    assert layerstudio.open(tmp_path / "out/picture 3.psd").extent.width == 9


def test_files_of_others_are_not_replaced_unless_asked(tmp_path, pictures):
    out = tmp_path / "out"
    out.mkdir()
    (out / "picture 0.psd").write_bytes(b"somebody's work")
    asked = asked_for(tmp_path / "in", out=out)
    summary, _ = run(asked)
    assert summary.tally.done == 4 and "exists already" in summary.refused[0].message
    assert (out / "picture 0.psd").read_bytes() == b"somebody's work"
    assert run(asked, overwrite=True)[0].tally.done == 1


def test_what_was_set_aside_stays_so_until_it_is_mended_or_asked_for(tmp_path, pictures):
    pictures[0].write_bytes(b"\x89PNG\r\n\x1a\n broken")
    asked = asked_for(tmp_path / "in", out=tmp_path / "out")
    assert run(asked)[0].tally.done == 4
    summary, events = run(asked)
    assert len(summary.refused) == 1 and [event["event"] for event in events] == ["planned"]
    assert len([e for e in run(asked, retry=True)[1] if e["event"] == "refused"]) == 1
    write_pictures(tmp_path / "in", 1)
    assert run(asked)[0].tally.done == 1


def test_a_cancelled_batch_continues(tmp_path, pictures):
    cancel = CancelToken()
    asked = asked_for(tmp_path / "in", out=tmp_path / "out")

    def stop(event):
        if event["event"] == "done":
            cancel.cancel()

    first, _ = run(asked, cancel, stop)
    assert first.tally.stopped and 1 <= first.tally.done < 5
    second, _ = run(asked)
    assert second.tally.before == first.tally.done
    assert second.tally.before + second.tally.done == 5


def test_too_many_failures_end_it(tmp_path, pictures):
    for path in pictures[:4]:
        path.write_bytes(b"\x89PNG\r\n\x1a\n broken")
    summary, _ = run(asked_for(tmp_path / "in", out=tmp_path / "out"), most_failures=2)
    assert "More than 2" in summary.tally.stopped


_COMMAND = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from batches import asked_for, run
if __name__ == "__main__":
    run(asked_for(sys.argv[2], out=Path(sys.argv[3]), formats=(".psd", ".png")), workers=2)
"""


def _started(folder, source, out):
    script = folder / "command.py"
    script.write_text(_COMMAND)
    here = os.path.dirname(__file__)
    return subprocess.Popen(
        [sys.executable, str(script), here, str(source), str(out)], start_new_session=True
    )


def _journal_length(out) -> int:
    path = out / ".layerstudio-batch/journal.jsonl"
    return path.stat().st_size if path.exists() else 0


@pytest.mark.slow
def test_killed_at_any_moment_it_loses_and_doubles_nothing(tmp_path):
    write_pictures(tmp_path / "in", 12, 300, 200)
    run(asked_for(tmp_path / "in", out=tmp_path / "calm", formats=(".psd", ".png")))
    out = tmp_path / "out"
    for kill in range(6):
        process = _started(tmp_path, tmp_path / "in", out)
        length, deadline = _journal_length(out), time.monotonic() + 60
        while _journal_length(out) < length + 60 * (kill + 1) and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.001)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert _started(tmp_path, tmp_path / "in", out).wait() == 0
    assert files_in(out) == files_in(tmp_path / "calm")
    lines = (out / ".layerstudio-batch/journal.jsonl").read_text().splitlines()
    done = [json.loads(line)["key"] for line in lines if '"event":"done"' in line]
    assert len(done) == len(set(done)) == 12
    assert not [path for path in out.iterdir() if ".part" in path.name]


def test_a_worker_that_is_killed_is_replaced_and_its_works_done(tmp_path, pictures):
    killed = []

    def kill(event):
        if event["event"] == "started" and not killed:
            worker = next(
                child
                for child in psutil.Process().children()
                if "spawn_main" in " ".join(child.cmdline())
            )
            killed.append(worker.pid)
            worker.kill()

    asked = asked_for(tmp_path / "in", out=tmp_path / "out")
    summary, events = run(asked, listener=kill, workers=1)
    assert killed and summary.tally.done == 5 and not summary.refused
    retried = [event for event in events if event["event"] == "retry"]
    assert retried and all("signal 9" in event["message"] for event in retried)


def test_workers_end_with_their_parent(tmp_path):
    write_pictures(tmp_path / "in", 40, 400, 300)
    process = _started(tmp_path, tmp_path / "in", tmp_path / "out")
    deadline = time.monotonic() + 60
    while _journal_length(tmp_path / "out") < 300:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.01)
    workers = psutil.Process(process.pid).children(recursive=True)
    assert workers
    process.kill()
    process.wait()
    _, alive = psutil.wait_procs(workers, timeout=10)
    assert not alive


def test_a_work_that_takes_too_long_is_ended(tmp_path):
    write_pictures(tmp_path / "in", 2, 900, 700)
    asked = asked_for(tmp_path / "in", out=tmp_path / "out", defaults={"read_text": False})
    summary, _ = run(asked, timeout=0.001, workers=1)
    assert len(summary.refused) == 2
    assert all("longer than 0.001 seconds" in one.message for one in summary.refused)


def test_a_full_disk_stops_it_cleanly(tmp_path, pictures, monkeypatch):
    asked = asked_for(tmp_path / "in", out=tmp_path / "out")
    real = running.publish

    def full(files):
        if "picture 2" in files[0].target:
            cause = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            raise UnwritableFile("No room.") from cause
        return real(files)

    monkeypatch.setattr(running, "publish", full)
    summary, _ = run(asked)
    assert "Make room" in summary.tally.stopped and not summary.refused
    monkeypatch.setattr(running, "publish", real)
    again, _ = run(asked)
    assert again.tally.before + again.tally.done == 5
    assert len(files_in(tmp_path / "out")) == 5


@pytest.mark.parametrize("parts_are_left", [True, False])
def test_what_is_moved_in_part_is_finished_by_the_next_run(
    tmp_path, pictures, monkeypatch, parts_are_left
):
    """The first of two formats is in its place when the disk is full: it is not somebody else's."""
    asked = asked_for(tmp_path / "in", out=tmp_path / "out", formats=(".psd", ".ora"))
    real = publishing._move

    def full(part, target):
        if target.name == "picture 1.ora":
            raise UnwritableFile("No room.") from OSError(errno.ENOSPC, "")
        real(part, target)

    monkeypatch.setattr(publishing, "_move", full)
    summary, _ = run(asked)
    assert "Make room" in summary.tally.stopped
    assert (tmp_path / "out/picture 1.psd").exists()
    monkeypatch.setattr(publishing, "_move", real)
    for part in [] if parts_are_left else list((tmp_path / "out").glob(".*.part*")):
        part.unlink()
    again, _ = run(asked)
    assert not again.refused and again.tally.before + again.tally.done == 5
    assert len(files_in(tmp_path / "out")) == 10


def test_a_journal_that_cannot_be_written_ends_the_run(tmp_path, pictures, monkeypatch):
    pictures[1].write_bytes(b"\x89PNG\r\n\x1a\n broken")
    asked = asked_for(tmp_path / "in", out=tmp_path / "out")
    real = Journal.append

    def full(journal, entries, *, sync=True):
        entries = list(entries)
        if any(one["event"] in ("refused", "end") for one in entries):
            raise UnwritableFile("The journal could not be written.")
        real(journal, entries, sync=sync)

    monkeypatch.setattr(Journal, "append", full)
    summary, _ = run(asked)
    assert "journal" in summary.tally.stopped
    monkeypatch.setattr(Journal, "append", real)
    again, _ = run(asked)
    assert len(again.refused) == 1 and again.tally.before + again.tally.done == 4


def test_workers_that_never_begin_end_the_batch_and_blame_no_item(tmp_path, pictures, monkeypatch):
    asked = asked_for(tmp_path / "in", out=tmp_path / "out")
    with monkeypatch.context() as broken:
        broken.setattr(local_engine, "serve", dies_at_once)
        with pytest.raises(CannotWork, match="3 workers in a row"):
            run(asked, workers=2)
    summary, _ = run(asked)
    assert summary.tally.done == 5 and not summary.refused


def test_the_time_for_an_item_begins_with_the_worker(tmp_path, pictures, monkeypatch):
    monkeypatch.setattr(local_engine, "serve", starts_late)
    asked = asked_for(*pictures[:2], out=tmp_path / "out")
    summary, _ = run(asked, workers=1, timeout=4.5)
    assert summary.tally.done == 2


def test_what_is_tried_again():
    policy = Policy()
    assert policy.again("input", 1) is None and policy.again("weights", 1) is None
    assert (
        policy.again("memory", 1) == Again(0.0, "own machine") and policy.again("memory", 2) is None
    )
    assert policy.again("crash", 2) == Again(0.0, "own worker") and policy.again("crash", 3) is None
    waits = [again.seconds for n in range(1, 6) if (again := policy.again("network", n))]
    assert waits == [1, 2, 4, 8, 16] and policy.again("network", 6) is None


def test_an_estimate_is_measured_and_leaves_nothing(tmp_path, pictures):
    found = estimate(asked_for(tmp_path / "in", out=tmp_path / "out"), Options(workers=1), 2)
    assert (found.todo, found.measured) == (5, 2)
    assert found.seconds and found.bytes and found.peak_bytes
    assert not (tmp_path / "out").exists()
    assert "5 to do" in found.sentences[0] and "measured on 2" in found.sentences[1]


def test_the_report_tells_of_every_run(tmp_path, pictures):
    pictures[4].write_bytes(b"\x89PNG\r\n\x1a\n <script>broken")
    pictures[0].rename(tmp_path / "in/<b>&.png")
    asked = asked_for(*sorted((tmp_path / "in").glob("*")), out=tmp_path / "out")
    run(asked_for(tmp_path / "in/<b>&.png", out=tmp_path / "out"))
    summary, _ = run(asked)
    page = write_report(summary).read_text()
    data = json.loads((tmp_path / "out/batch-report.json").read_text())
    assert len(data["items"]) == 4 and len(data["refused"]) == 1
    assert page.count("<figure>") == 4 and page.count("data:image/webp") == 4
    assert "<b>&.png" not in page and "http" not in page.split("<body>")[1]
