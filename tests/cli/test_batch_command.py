"""``layerstudio batch`` as the shell starts it: exit codes, what is printed where, watching."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import layerstudio
from layerstudio.ui.cli.main import app

COMMAND = [sys.executable, "-m", "layerstudio.ui.cli.main", "batch"]
PLAIN = ["--layers", "1", "--no-read-text"]
BROKEN = b"\x89PNG\r\n\x1a\n broken"


def batch(*arguments, env=None, stdin=None):
    """In this process, which is sooner there."""
    text = ["batch", *map(str, arguments)]
    return CliRunner().invoke(app, text, env=env, input=stdin, catch_exceptions=False)


@contextmanager
def started(*arguments):
    process = subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def until(found, seconds=60):
    deadline = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(3):
        write(folder / f"p{number}.png", number)
    return folder


def write(path, shade):
    Image.fromarray(np.full((17, 23, 3), 40 * shade, np.uint8)).save(path)


def lines_of(text):
    return [json.loads(line) for line in text.splitlines()]


def test_done_then_nothing_to_do_then_set_aside(tmp_path, pictures):
    command = (pictures, "-o", tmp_path / "out", "--workers", "0", *PLAIN)
    done = batch(*command)
    assert done.exit_code == 0, done.stderr
    assert "3 of 3 items done" in done.stdout and "batch-report.html" in done.stdout
    (pictures / "p3.png").write_bytes(BROKEN)
    again = batch(*command)
    assert again.exit_code == 3
    assert "3 were done before; 1 set aside" in again.stdout and "p3.png" in again.stderr
    assert batch(*command).exit_code == 3  # still set aside, and not tried again


def test_every_line_is_json_and_the_last_the_summary(tmp_path, pictures):
    (pictures / "p3.png").write_bytes(BROKEN)
    done = batch(pictures, "-o", tmp_path / "out", "--json", "-w", "1", *PLAIN)
    events = lines_of(done.stdout)
    assert done.exit_code == 3 and done.stderr == ""
    kinds = [event["event"] for event in events]
    assert kinds[0] == "planned" and kinds[-1] == "summary"
    assert (kinds.count("done"), kinds.count("refused")) == (3, 1)
    assert events[-1]["done"] == 3 and len(events[-1]["refused"]) == 1
    assert os.path.exists(events[-1]["report"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (["--name", "../{stem}"], "below the output folder"),
        (["--name", "{stem:>9}"], "template"),
        (["--name", "{artist}"], "artist"),
        (["--format", "psd,doc"], "doc"),
        (["--method", "nothing"], "nothing"),
        (["--set", "depth=3"], "depth"),
        (["--task", "paint"], "paint"),
        (["--watch", "1", "--dry-run"], "dry run"),
        (["--journal", "/dev/null/x"], "/dev/null/x"),
    ],
)
def test_what_makes_no_sense_starts_nothing(tmp_path, pictures, change, said):
    done = batch(pictures, "-o", tmp_path / "out", "-w", "0", *change)
    assert said in done.stderr and done.stdout == ""
    assert done.exit_code == 2
    assert not list((tmp_path / "out").glob("*.psd"))


def test_missing_weights_and_missing_inputs(tmp_path, pictures):
    nowhere = {"LAYERSTUDIO_WEIGHTS": str(tmp_path), "HF_HUB_CACHE": str(tmp_path)}
    done = batch(pictures, "-o", tmp_path / "out", "--method", "cld", env=nowhere)
    assert done.exit_code == 2 and "models pull" in done.stderr and done.stdout == ""
    (tmp_path / "empty").mkdir()
    for given in (tmp_path / "empty", tmp_path / "*.jpg"):
        assert batch(given, "-o", tmp_path / "out").exit_code == 2
    for watched in (tmp_path / "none", "-"):
        assert batch(watched, "-o", tmp_path / "out", "--watch", "1").exit_code == 2
    assert not (tmp_path / "out").exists()


def test_more_failures_than_allowed(tmp_path, pictures):
    for number in range(3):
        (pictures / f"p{number}.png").write_bytes(BROKEN)
    command = [pictures, "-o", tmp_path / "out", "-w", "0", "--max-failures", "1", *PLAIN]
    done = batch(*command)
    assert done.exit_code == 4 and "More than 1 items failed" in done.stderr


def test_rows_on_standard_input(tmp_path, pictures):
    rows = [
        json.dumps({"source": str(pictures / "p0.png"), "layers": 1, "name": "first ü"}),
        str(pictures / "p1.png"),
        "",
        '{"source": "gone.png"}',
    ]
    command = ["-", "-o", tmp_path / "out", "-w", "0", "--name", "{name}", *PLAIN]
    done = batch(*command, stdin=("\ufeff" + "\n".join(rows)).encode())
    assert done.exit_code == 3, done.stderr
    assert "standard input, line 4" in done.stderr
    assert {path.name for path in (tmp_path / "out").glob("*.psd")} == {"first ü.psd", "p1.psd"}
    broken = batch("-", "-o", tmp_path / "b", stdin=b"\xff\xfe")
    assert broken.exit_code == 2 and "not UTF-8" in broken.stderr


def test_a_dry_run_says_what_it_would_take_and_writes_nothing(tmp_path, pictures):
    command = (pictures, "-o", tmp_path / "out", "--dry-run", "-w", "0", *PLAIN)
    told = batch(*command)
    assert told.exit_code == 0 and "3 items: 3 to do" in told.stdout
    assert "measured on 3 of the items" in told.stdout
    data = json.loads(batch(*command, "--json", "--sample", "0").stdout)
    assert (data["todo"], data["measured"], data["seconds"]) == (3, 0, None)
    assert not (tmp_path / "out").exists()


def test_watching_takes_what_is_new_until_it_is_stopped(tmp_path, pictures):
    port = free_port()
    arguments = ("--watch", "0.5", "--json", "-w", "0", "--metrics-port", port)
    for path in pictures.iterdir():
        path.rename(tmp_path / path.name)
    with started(pictures, "-o", tmp_path / "out", *arguments, *PLAIN) as process:
        assert process.stdout is not None
        first = [json.loads(process.stdout.readline()) for _ in range(2)]
        assert [event["event"] for event in first] == ["planned", "summary"]
        for number in range(3):
            (tmp_path / f"p{number}.png").rename(pictures / f"p{number}.png")
        (pictures / "p3.png").write_bytes(BROKEN)
        until(lambda: metrics(port).get('layerstudio_items_total{state="done"}') == 3)
        until(lambda: metrics(port).get('layerstudio_items_total{state="refused"}') == 1)
        found = metrics(port)
        assert found["layerstudio_items_waiting"] == 0
        assert found["layerstudio_item_seconds_count"] == 3
        size = sum(path.stat().st_size for path in (tmp_path / "out").glob("*.psd"))
        assert found["layerstudio_written_bytes_total"] == size
        journal = tmp_path / "out/.layerstudio-batch/journal.jsonl"
        length = journal.stat().st_size
        time.sleep(1.5)  # nothing new: nothing is run, noted or printed
        assert journal.stat().st_size == length
        write(pictures / "later.png", 5)
        until((tmp_path / "out/later.psd").exists)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
        events = lines_of(process.stdout.read())
        assert process.stderr is not None and process.stderr.read() == ""
    kinds = [event["event"] for event in events]
    assert kinds[-1] == "summary" and kinds.count("done") == 4
    assert kinds.count("summary") <= 4
    assert not_listening(port)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_in_the_middle_it_says_so_and_continues(tmp_path, number):
    folder = tmp_path / "in"
    folder.mkdir()
    for index in range(40):
        Image.fromarray(np.full((300, 400, 3), 5 * index, np.uint8)).save(folder / f"{index}.png")
    command = (folder, "-o", tmp_path / "out", "--json", "-w", "1", *PLAIN)
    with started(*command) as process:
        assert process.stdout is not None and process.stderr is not None
        line = ""
        while '"event":"done"' not in line:
            line = process.stdout.readline()
        os.killpg(process.pid, number)  # as a terminal does: workers get it too
        assert process.wait(20) == 130
        events = lines_of(process.stdout.read())
        assert process.stderr.read() == ""
    assert events[-1]["event"] == "summary" and events[-1]["stopped"] == "Stopped."
    assert 1 <= events[-1]["done"] < 40
    assert not [event for event in events if event["event"] == "retry"]
    last = lines_of(batch(*command).stdout)[-1]
    assert last["before"] == events[-1]["done"] and last["before"] + last["done"] == 40


def test_a_port_that_is_taken_is_said(tmp_path, pictures):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = batch(pictures, "-o", tmp_path / "out", "--metrics-port", port)
    assert done.exit_code == 2 and str(port) in done.stderr


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="mounts need root")
def test_a_full_disk(tmp_path, pictures):
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(small)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no file system of its own can be mounted here")
    try:
        for number in range(12):
            pixels = np.random.default_rng(number).integers(0, 255, (60, 80, 3), np.uint8)
            Image.fromarray(pixels).save(pictures / f"n{number}.png")
        command = (pictures, "-o", small, "-w", "1", *PLAIN)
        full = batch(*command)
        assert full.exit_code == 4, full.stderr
        assert "Make room" in full.stderr and "Traceback" not in full.stderr
        assert not list(small.glob("*.part*"))
        made = {path.name for path in small.glob("*.psd")}
        assert 0 < len(made) < 15
        subprocess.run(["mount", "-o", "remount,size=8m", str(small)], check=True)
        assert batch(*command).exit_code == 0
        assert len(list(small.glob("*.psd"))) == 15
        for path in small.glob("*.psd"):
            layerstudio.open(path)
    finally:
        subprocess.run(["umount", str(small)], check=True)


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def not_listening(port):
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) != 0


def metrics(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}
