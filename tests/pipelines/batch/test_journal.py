"""The journal survives being cut anywhere, and belongs to one run at a time."""

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layerstudio.errors import InvalidRequest, UnreadableFile
from layerstudio.pipelines.batch.journal import VERSION, Journal, Past, entry, past_of

KEYS = st.sampled_from(["a", "b", "c"])
FILE = {"part": "/x/.part", "target": "/x/y", "bytes": 7}
ENTRIES = st.lists(
    st.one_of(
        st.builds(lambda key: entry("ready", key, files=[FILE]), KEYS),
        st.builds(lambda key: entry("done", key, files=[["/x/y", 7]]), KEYS),
        st.builds(lambda key: entry("failed", key, message="network"), KEYS),
        st.builds(lambda key: entry("refused", key, message="no picture ☃"), KEYS),
    ),
    max_size=12,
)


def remembered(entries) -> Past:
    past = Past()
    for one in entries:
        past.note(one)
    return past


@given(entries=ENTRIES, cut=st.integers(0, 5000))
@settings(max_examples=60, deadline=None)
def test_what_is_left_of_a_torn_file_is_what_was_written_first(entries, cut):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.jsonl"
        written = [entry("start", version=VERSION, works=3), *entries]
        journal = Journal.open(path)
        journal.append(written)
        journal.close()
        data = path.read_bytes()
        path.write_bytes(data[: max(0, len(data) - cut)])
        whole = path.read_bytes().count(b"\n")
        assert past_of(path) == remembered(written[:whole])
        again = Journal.open(path)
        again.append([entry("start", version=VERSION), entry("done", "late", files=[])])
        again.close()
        later = past_of(path)
        assert later == again.past and "late" in later.done
        later.done.remove("late")
        assert later == remembered(written[:whole])


def test_a_line_that_a_disk_garbled_costs_that_line_alone(tmp_path):
    path = tmp_path / "journal.jsonl"
    path.write_bytes(
        b'{"event":"start","version":1}\n{"event":"done","key":"a","files":[["x",1]]}\n'
        b'\x00\x00\x00\n[]\n{"event":"done","key":"b","files":"?"}\n'
        b'{"event":"done","key":"c","files":[["y",2]]}\n'
    )
    assert past_of(path).done == {"a", "c"}


def test_a_failure_takes_back_what_was_ready():
    ready = entry("ready", "a", files=[FILE])
    assert remembered([ready]).ready
    failed = remembered([ready, entry("failed", "a", message="")])
    assert not failed.ready and failed.begun == {"a"}  # a first file of several may be in place
    assert not remembered([ready, entry("done", "a", files=[])]).ready


def test_a_second_run_is_refused(tmp_path):
    path = tmp_path / "journal.jsonl"
    code = (
        "import sys, pathlib; from layerstudio.pipelines.batch.journal import Journal\n"
        "held = Journal.open(pathlib.Path(sys.argv[1])); print('held', flush=True)\n"
        "sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(InvalidRequest, match="Another run"):
            Journal.open(path)
    finally:
        holder.kill()
        holder.wait()
    Journal.open(path).close()  # a killed run holds nothing


@pytest.mark.parametrize("text", ["hello\n", '{"event":"start","version":99}\n', "[1]\n"])
def test_another_file_is_left_alone(tmp_path, text):
    path = tmp_path / "journal.jsonl"
    path.write_text(text)
    with pytest.raises(UnreadableFile, match="journal"):
        Journal.open(path)
    assert path.read_text() == text
