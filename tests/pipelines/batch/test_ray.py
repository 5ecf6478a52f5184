"""The engine ``ray``: real clusters on this machine, and the parts that need none."""

import contextlib
import io
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from batches import asked_for, files_in, run, write_pictures
from hypothesis import given
from hypothesis import strategies as st

from layerstudio.errors import InvalidRequest
from layerstudio.pipelines.batch.packing import packed, unpacked

NAMES = st.text("abc ü.", min_size=1, max_size=8).filter(lambda name: name.strip(". "))
COMMAND = [sys.executable, "-m", "layerstudio.ui.cli.main", "batch"]


@given(files=st.dictionaries(NAMES, st.binary(max_size=50), max_size=4), alone=st.binary())
def test_what_is_packed_is_unpacked(tmp_path_factory, files, alone):
    folder = tmp_path_factory.mktemp("packing")
    (folder / "in/deeper").mkdir(parents=True)
    for name, data in files.items():
        (folder / "in/deeper" / name).write_bytes(data)
    unpacked(packed(folder / "in"), folder / "x/out")
    assert {p.name: p.read_bytes() for p in (folder / "x/out/deeper").iterdir()} == files
    (folder / "file").write_bytes(alone)
    unpacked(packed(folder / "file"), folder / "y/file")
    assert (folder / "y/file").read_bytes() == alone


def test_it_is_said_where_ray_is_not_installed(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    write_pictures(tmp_path / "in", 1)
    with pytest.raises(InvalidRequest, match=r"layerstudio\[ray\]"):
        run(asked_for(tmp_path / "in", out=tmp_path / "out"), engine="ray")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures") / "in"
    write_pictures(folder, 12, 300, 200)
    return folder


@contextlib.contextmanager
def cluster_of(nodes: int):
    """One processor on each."""
    utils = pytest.importorskip("ray.cluster_utils", reason="the extra ray is not installed")
    size = {"num_cpus": 1, "object_store_memory": 80 * 2**20}
    with contextlib.redirect_stdout(io.StringIO()):
        cluster = utils.Cluster(initialize_head=True, head_node_args=size)
        more = [cluster.add_node(**size) for _ in range(nodes - 1)]
    try:
        yield cluster, more
    finally:
        cluster.shutdown()


@pytest.mark.slow
def test_a_machine_that_dies_loses_nothing(tmp_path, pictures):
    formats = (".psd", ".layers")
    run(asked_for(pictures, out=tmp_path / "calm", formats=formats))
    asked = asked_for(pictures, out=tmp_path / "out", formats=formats)
    with cluster_of(2) as (cluster, (second,)):
        killed = []

        def kill(event):
            if event["event"] == "done" and not killed:
                killed.append(True)
                threading.Thread(target=cluster.remove_node, args=(second, False)).start()

        options = {"engine": "ray", "workers": 4, "address": cluster.address}
        summary, events = run(asked, listener=kill, **options)
    assert killed and (summary.tally.done, summary.refused) == (12, ())
    assert files_in(tmp_path / "out") == files_in(tmp_path / "calm")
    assert not list((tmp_path / "out").glob(".layerstudio-*.part*"))
    assert [event for event in events if event["event"] == "started"]


@pytest.mark.slow
def test_a_worker_that_dies_is_replaced_and_one_that_is_slow_ended(tmp_path, pictures):
    import psutil

    with cluster_of(1) as (cluster, _):
        killed = []

        def kill(event):
            if event["event"] == "started" and len(killed) < 1:
                for process in psutil.process_iter(["cmdline"]):
                    if any("ray::_Performer" in part for part in process.info["cmdline"] or ()):
                        killed.append(process.pid)
                        process.kill()

        options = {"engine": "ray", "address": cluster.address}
        asked = asked_for(pictures, out=tmp_path / "out")
        summary, _ = run(asked, listener=kill, **options)
        assert killed and summary.tally.done == 12 and summary.tally.retried
        slow = asked_for(pictures / "picture 1.png", out=tmp_path / "slow")
        summary, _ = run(slow, timeout=0.0001, **options)
        assert "longer than" in summary.refused[0].message


@pytest.mark.slow
def test_the_command_starts_a_cluster_of_its_own_and_prints_results_alone(tmp_path, pictures):
    pytest.importorskip("ray", reason="the extra ray is not installed")
    command = [*COMMAND, str(pictures), "-o", str(tmp_path / "out"), "--engine", "ray", "-w", "1"]
    plain = ["--layers", "1", "--no-read-text", "--json"]
    environment = {key: value for key, value in os.environ.items() if key != "RAY_ADDRESS"}
    done = subprocess.run(
        [*command, *plain], capture_output=True, text=True, timeout=120, env=environment
    )
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert events[0]["event"] == "planned" and events[-1]["event"] == "summary"
    assert sum(event["event"] == "done" for event in events) == 12
    assert len(list(Path(tmp_path / "out").glob("*.psd"))) == 12


@pytest.mark.slow
def test_a_cluster_that_is_not_there_is_said(tmp_path, pictures):
    pytest.importorskip("ray", reason="the extra ray is not installed")
    start = time.monotonic()
    command = [*COMMAND, str(pictures), "-o", str(tmp_path / "out"), "--engine", "ray"]
    done = subprocess.run(
        [*command, "--address", "127.0.0.1:9"], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 2 and "no Ray cluster" in done.stderr, done.stderr
    assert done.stdout == "" and time.monotonic() - start < 30
