"""The queue: order and fairness, places and estimates, progress, cancelling, errors, bounds."""

import logging
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layerstudio.errors import InvalidRequest, MissingWeights
from layerstudio.io.picture import read_picture
from layerstudio.progress import Progress
from layerstudio.ui.web.errors_json import NotFound
from layerstudio.ui.web.events import Events
from layerstudio.ui.web.jobs.estimates import Measure, Timings, remaining
from layerstudio.ui.web.jobs.job import JobFile, JobResult, small
from layerstudio.ui.web.jobs.queue import JobQueue, QueueFull

PATIENCE = 10.0  # seconds


@dataclass
class Visitor:
    """A session as the queue sees it."""

    id: str
    events: Events = field(default_factory=Events)
    jobs: Any = None


@pytest.fixture
def queue():
    made = JobQueue()
    yield made
    made.close()


@pytest.fixture
def visitors():
    return [Visitor(name) for name in ("anna", "bela", "chen")]


class Gate:
    """Work that begins when it begins, and ends when it is let."""

    def __init__(self, log=None, name=""):
        self.begun, self.open = threading.Event(), threading.Event()
        self.log, self.name = log, name

    def __call__(self, progress, cancel):
        self.begun.set()
        progress(Progress("waiting", 0.5))
        while not self.open.is_set():
            cancel.check()
            time.sleep(0.002)
        if self.log is not None:
            self.log.append(self.name)
        return JobResult()


def quick(log, name):
    def work(progress, cancel):
        log.append(name)
        return JobResult()

    return work


def wait(*jobs):
    for job in jobs:
        assert job.finished.wait(PATIENCE), job.view()


def test_sessions_take_turns(queue, visitors):
    anna, bela, chen = visitors
    log, gate = [], Gate()
    first = queue.submit(anna, "decompose", "held", gate)
    assert gate.begun.wait(PATIENCE)
    jobs = [queue.submit(anna, "decompose", f"a{i}", quick(log, f"a{i}")) for i in range(3)]
    jobs += [queue.submit(bela, "decompose", f"b{i}", quick(log, f"b{i}")) for i in range(2)]
    jobs += [queue.submit(chen, "decompose", "c0", quick(log, "c0"))]
    places = {job.title: queue.view(job)["position"] for job in jobs}
    gate.open.set()
    wait(first, *jobs)
    assert log == ["b0", "c0", "a0", "b1", "a1", "a2"]
    assert sorted(places, key=places.__getitem__) == log
    assert sorted(places.values()) == [1, 2, 3, 4, 5, 6]


def test_what_is_light_does_not_wait_for_what_computes(queue, visitors):
    anna, _, _ = visitors
    gate, log = Gate(), []
    held = queue.submit(anna, "decompose", "held", gate)
    assert gate.begun.wait(PATIENCE)
    wait(queue.submit(anna, "export", "light", quick(log, "light"), lane="light"))
    assert log == ["light"] and held.state == "running"
    gate.open.set()
    wait(held)


def test_a_running_job_is_cancelled_and_the_next_one_runs(queue, visitors):
    anna, _, _ = visitors
    gate, log = Gate(), []
    held = queue.submit(anna, "decompose", "held", gate)
    assert gate.begun.wait(PATIENCE)
    following = queue.submit(anna, "decompose", "next", quick(log, "next"))
    queue.cancel(anna, held.id)
    wait(held, following)
    assert (held.state, following.state, log) == ("cancelled", "done", ["next"])
    assert held.view()["error"] is None


def test_a_waiting_job_is_cancelled_without_touching_the_running_one(queue, visitors):
    anna, bela, _ = visitors
    gate, log = Gate(), []
    held = queue.submit(anna, "decompose", "held", gate)
    assert gate.begun.wait(PATIENCE)
    waiting = queue.submit(bela, "decompose", "waiting", quick(log, "waiting"))
    last = queue.submit(bela, "decompose", "last", quick(log, "last"))
    assert queue.view(last)["position"] == 2
    queue.cancel(bela, waiting.id)
    assert (waiting.state, held.state) == ("cancelled", "running")
    assert queue.view(last)["position"] == 1
    gate.open.set()
    wait(held, last)
    assert log == ["last"]


def test_reporting_progress_is_a_step_at_which_a_job_stops(queue, visitors):
    """A method that only reports and never looks at the token stops all the same."""
    begun = threading.Event()

    def stubborn(progress, cancel):
        for step in range(100_000):
            begun.set()
            progress(Progress("step", step / 100_000))
            time.sleep(0.001)
        return JobResult()

    job = queue.submit(visitors[0], "generate", "stubborn", stubborn)
    assert begun.wait(PATIENCE)
    queue.cancel(visitors[0], job.id)
    wait(job)
    assert job.state == "cancelled"


def test_errors_are_sentences_and_the_worker_lives_on(queue, visitors, caplog):
    def lacking(progress, cancel):
        raise MissingWeights("Nothing is here.", advice="Get it.")

    def faulty(progress, cancel):
        raise ZeroDivisionError("secret path /home/anna")

    def hungry(progress, cancel):
        raise MemoryError

    with caplog.at_level(logging.ERROR):
        jobs = [queue.submit(visitors[0], "x", "x", work) for work in (lacking, faulty, hungry)]
        wait(*jobs)
    errors = [job.view()["error"] for job in jobs]
    assert errors[0] == {
        "kind": "MissingWeights", "message": "Nothing is here.", "advice": "Get it.",
    }  # fmt: skip
    assert errors[1]["kind"] == "OurFault" and "secret" not in str(errors[1])
    assert "secret path" in caplog.text
    assert errors[2]["kind"] == "OutOfMemory"
    log = []
    wait(queue.submit(visitors[0], "x", "after", quick(log, "after")))
    assert log == ["after"]


def test_jobs_of_a_session_are_nobody_elses(queue, visitors):
    anna, bela, _ = visitors
    seen = []
    bela.events.subscribe(lambda name, data: seen.append((name, data)))
    queue.of(bela)
    job = queue.submit(anna, "x", "private", quick([], "x"))
    wait(job)
    for call in (queue.cancel, queue.dismiss):
        with pytest.raises(NotFound):
            call(bela, job.id)
    assert queue.of(bela).views() == [] and seen == []
    assert [view["id"] for view in queue.of(anna).views()] == [job.id]
    assert anna.jobs is queue.of(anna)


def test_who_waits_is_told_when_its_place_changes(queue, visitors):
    anna, bela, _ = visitors
    gate, seen = Gate(), []
    held = queue.submit(anna, "x", "held", gate)
    assert gate.begun.wait(PATIENCE)
    bela.events.subscribe(lambda name, data: seen.append(data))
    waiting = queue.submit(bela, "x", "waiting", quick([], "x"))
    gate.open.set()
    wait(held, waiting)
    deadline = time.monotonic() + PATIENCE
    while seen[-1]["state"] != "done" and time.monotonic() < deadline:
        time.sleep(0.005)
    steps = [(view["state"], view["position"]) for view in seen]
    assert steps[0] == ("queued", 1) and ("running", 0) in steps and steps[-1] == ("done", 0)


def test_finished_jobs_are_few_and_their_files_go_with_them(queue, visitors, tmp_path):
    anna, _, _ = visitors
    jobs = []
    for number in range(25):
        folder = tmp_path / f"job{number}"

        def write(progress, cancel, folder=folder):
            folder.mkdir()
            (folder / "a.png").write_bytes(b"x" * 7)
            return JobResult(files=(JobFile(folder / "a.png", ("a note",)),))

        jobs.append(queue.submit(anna, "export", "x", write, lane="light"))
        wait(jobs[-1])
    assert len(queue.of(anna).all()) == 21  # twenty that were over, and the last
    assert not (tmp_path / "job0").exists() and (tmp_path / "job24").exists()
    (file,) = jobs[-1].view()["result"]["files"]
    assert file["bytes"] == 7 and file["notes"] == ["a note"]
    queue.dismiss(anna, jobs[-1].id)
    assert not (tmp_path / "job24").exists()


def test_a_session_cannot_flood_the_queue(queue, visitors):
    gate = Gate()
    queue.submit(visitors[0], "x", "held", gate)
    assert gate.begun.wait(PATIENCE)
    for _ in range(20):
        queue.submit(visitors[0], "x", "x", quick([], "x"))
    with pytest.raises(QueueFull):
        queue.submit(visitors[0], "x", "one too many", quick([], "x"))
    log = []
    other = queue.submit(visitors[1], "x", "other", quick(log, "other"))
    assert queue.view(other)["position"] == 1
    queue.forget(visitors[0].id)
    wait(other)
    assert log == ["other"]


def test_a_session_that_ends_takes_its_jobs_along(queue, visitors):
    gate, log = Gate(), []
    held = queue.submit(visitors[0], "x", "held", gate)
    waiting = queue.submit(visitors[0], "x", "waiting", quick(log, "waiting"))
    assert queue.of(visitors[0]).is_busy
    queue.forget(visitors[0].id)
    wait(held, waiting)
    assert held.state == waiting.state == "cancelled" and log == []


def test_closing_stops_what_runs(visitors):
    queue, gate = JobQueue(), Gate()
    held = queue.submit(visitors[0], "x", "held", gate)
    waiting = queue.submit(visitors[0], "x", "waiting", quick([], "x"))
    assert gate.begun.wait(PATIENCE)
    queue.close()
    assert held.state == waiting.state == "cancelled"
    with pytest.raises(InvalidRequest):
        queue.submit(visitors[0], "x", "late", quick([], "x"))


def test_waiting_jobs_have_estimates_once_runs_are_known(visitors):
    timings, gate = Timings(), Gate()
    measure = Measure("decompose/flat", 2.0)
    timings.add(measure, 10.0)
    queue = JobQueue(timings)
    held = queue.submit(visitors[0], "x", "held", gate, measure=measure)
    assert gate.begun.wait(PATIENCE)
    same = queue.submit(visitors[0], "x", "same", quick([], "x"), measure=measure)
    half = queue.submit(
        visitors[0], "x", "half", quick([], "x"), measure=Measure("decompose/flat", 1.0)
    )
    unknown = queue.submit(visitors[0], "x", "?", quick([], "x"), measure=Measure("other", 1.0))
    etas = [queue.view(job)["eta_s"] for job in (held, same, half, unknown)]
    assert 0 < etas[0] <= 10
    assert etas[1] == pytest.approx(etas[0] + 10, abs=0.5)
    assert etas[2] == pytest.approx(etas[1] + 5, abs=0.5)
    assert etas[3] is None
    queue.close()


@given(st.floats(1, 1e4), st.floats(0.05, 0.99))
def test_a_steady_job_is_estimated_right_without_earlier_runs(total, fraction):
    assert remaining(total * fraction, fraction, None) == pytest.approx(total * (1 - fraction))


@given(st.floats(0.1, 1e4), st.floats(0, 1e4), st.floats(0, 1), st.floats(0.1, 1e4))
def test_an_estimate_is_never_negative_and_ends_at_nothing(size, elapsed, fraction, expected):
    timings = Timings()
    timings.add(Measure("k", size), expected)
    assert timings.seconds(Measure("k", size)) == pytest.approx(expected)
    assert timings.seconds(Measure("k", 3 * size)) == pytest.approx(3 * expected)
    left = remaining(elapsed, fraction, expected)
    assert left is not None and left >= 0
    assert remaining(elapsed, 1.0, expected) == pytest.approx(0)


def test_timings_outlive_the_program_and_survive_a_broken_file(tmp_path):
    path = tmp_path / "state" / "timings.json"
    Timings(path).add(Measure("decompose/flat", 4.0), 8.0)
    assert Timings(path).seconds(Measure("decompose/flat", 1.0)) == pytest.approx(2.0)
    for damage in ("{", "[1, 2]", '{"decompose/flat": [[0, 1], ["x", 2]]}', '{"a": 3}'):
        path.write_text(damage)
        assert Timings(path).seconds(Measure("decompose/flat", 1.0)) is None


@settings(max_examples=25)
@given(st.integers(1, 1500), st.integers(1, 900), st.sampled_from([3, 4]))
def test_previews_are_small_and_keep_their_shape(width, height, channels):
    shrunk = small(np.full((height, width, channels), 200, np.uint8))
    assert shrunk.shape[2] == 4 and max(shrunk.shape[:2]) <= 512
    longest = max(width, height)
    expected = min(1.0, 512 / longest) * min(width, height)
    assert abs(min(shrunk.shape[:2]) - expected) <= 1
    assert (shrunk[..., :3] == 200).all()


def test_a_preview_is_a_lossless_png(queue, visitors):
    picture = np.random.default_rng(5).integers(0, 256, (37, 53, 4), np.uint8)
    shown, gate = threading.Event(), threading.Event()

    def work(progress, cancel):
        progress(Progress("half", 0.5, picture))
        shown.set()
        gate.wait(PATIENCE)
        return JobResult()

    job = queue.submit(visitors[0], "x", "x", work)
    assert shown.wait(PATIENCE)
    assert job.view()["preview"] == f"/studio/jobs/{job.id}/preview.png?n=1"
    png = job.preview_png()
    assert png is not None and np.array_equal(read_picture(png).pixels, picture)
    gate.set()
    wait(job)
    assert job.view()["preview"] is None
