"""Downloads from the stand-in: whole, broken off, slow, stopped."""

import errno
import json
import threading
import time

import pytest
from hub_stand_in import Fault, sha256
from one_row import BODY, FILE, ID, REPOSITORY, partials, pull, served

from layerstudio.errors import (
    Cancelled,
    MissingWeights,
)
from layerstudio.progress import CancelToken
from layerstudio.weights import fetch, hub_cache, lock, registry, store, transfer, upkeep


def concrete(pattern):
    return pattern.replace("*", "part.json")


def content(id, pattern):
    """An index of shards is read to see whether they are all here."""
    if pattern.endswith(".index.json"):
        return json.dumps({"weight_map": {id: "part.json.safetensors"}}).encode()
    return f"{id} {pattern}".encode()


PUBLISHED = [row for row in registry.checkpoints() if not row.withdrawn]


@pytest.mark.parametrize("row", PUBLISHED, ids=lambda row: row.id)
def test_every_row_is_pulled_located_verified_and_removed(hub, row):
    files = {concrete(path): content(row.id, path) for path in row.patterns}
    hub.publish(row.repository, files | {"unrelated.bin": b"x"}, gated=row.gated)
    folder = fetch.pull(
        row.id,
        accept_licence=True,
        accept_provenance=True,
        token="hf_member" if row.gated else None,
    )
    assert store.located(row.id) == folder
    assert {path: (folder / path).read_bytes() for path in files} == files
    assert not (folder / "unrelated.bin").exists()
    assert {one.state for one in upkeep.verify(row.id)} == {"ok"}
    assert upkeep.remove(row.id) == sum(map(len, files.values()))
    assert not store.is_present(row.id)


class TestWhole:
    def test_the_cache_is_as_huggingface_hub_leaves_it(self, hub, cache):
        from huggingface_hub import hf_hub_download, scan_cache_dir

        commit = served(hub)
        folder = pull()
        found = hf_hub_download(REPOSITORY, FILE, cache_dir=cache, local_files_only=True)
        assert found == str(folder / FILE)
        report = scan_cache_dir(cache)
        assert not report.warnings
        (revision,) = next(iter(report.repos)).revisions
        assert (revision.commit_hash, set(revision.refs)) == (commit, {"main"})
        assert report.size_on_disk == len(BODY)

    def test_what_is_here_is_not_asked_for(self, hub):
        served(hub)
        pull()
        hub.requests.clear()
        assert pull() == store.located(ID)
        assert hub.requests == []

    def test_a_file_of_another_program_is_taken_over(self, hub):
        from huggingface_hub import hf_hub_download

        served(hub)
        hf_hub_download(REPOSITORY, FILE, endpoint=hub.endpoint, cache_dir=hub_cache.default_root())
        pull()
        assert hub.sent[FILE] == len(BODY)

    def test_a_damaged_blob_is_fetched_again(self, hub):
        served(hub)
        blob = hub_cache.blob_of(pull() / FILE)
        blob.write_bytes(BODY[:-1] + b"?")
        pull(update=True)
        assert blob.read_bytes() == BODY

    def test_progress_counts_files_and_bytes(self, hub):
        hub.publish(
            "madebyollin/taesd",
            {"config.json": b"{}", "diffusion_pytorch_model.safetensors": BODY},
        )
        seen = []
        pull("taesd", progress=seen.append)
        assert [report.fraction for report in seen] == sorted(report.fraction for report in seen)
        assert seen[-1].fraction == 1.0
        assert (seen[-1].done, seen[-1].total) == (len(BODY) + 2, len(BODY) + 2)
        assert seen[-1].stage == "got diffusion_pytorch_model.safetensors"
        assert {report.file for report in seen} == {
            "config.json",
            "diffusion_pytorch_model.safetensors",
        }

    def test_a_mirror_that_lists_no_hashes_is_asked_file_by_file(self, hub):
        served(hub, lists_hashes=False)
        assert (pull() / FILE).read_bytes() == BODY
        assert lock.read().seen(REPOSITORY, "main").files[FILE].sha256 == sha256(BODY)

    def test_a_repository_outside_the_registry(self, hub):
        files = {
            "model_index.json": b"{}",
            "unet/model.safetensors": b"plain",
            "unet/model.fp16.safetensors": b"half",
            "vae/model.safetensors": b"plain only",
            "unet/model.bin": b"pickle",
            "one_file.safetensors": b"all of it again",
            "code.py": b"print('no')",
        }
        hub.publish("somebody/model", files, licence="cc-by-4.0")
        asked = []
        folder = fetch.pull("somebody/model", variant="fp16", ask=lambda t: not asked.append(t))
        assert set(hub_cache.files_under(folder)) == {
            "model_index.json", "unet/model.fp16.safetensors", "vae/model.safetensors",
        }  # fmt: skip
        assert [terms.text for terms in asked] == ["cc-by-4.0"]
        assert store.find_repository("somebody/model") == folder
        assert {one.state for one in upkeep.verify("somebody/model")} == {"ok"}
        assert upkeep.remove("somebody/model") == len(b"{}") + len(b"half") + len(b"plain only")
        assert store.find_repository("somebody/model") is None

    def test_a_registered_repository_as_a_whole(self, hub):
        other = "other.safetensors"
        hub.publish(REPOSITORY, {FILE: BODY, other: b"another one"})
        pull()
        folder = pull(REPOSITORY)
        assert (folder / other).read_bytes() == b"another one"
        assert hub.sent[FILE] == len(BODY)
        assert pull(REPOSITORY, offline=True) == folder
        assert upkeep.remove(REPOSITORY) == len(b"another one")
        assert store.is_present(ID)

    def test_a_file_system_without_links(self, hub, monkeypatch):
        def refuse(self, target):
            raise OSError(errno.EPERM, "Operation not permitted")

        monkeypatch.setattr("pathlib.Path.symlink_to", refuse)
        served(hub)
        path = pull() / FILE
        assert not path.is_symlink()
        assert path.read_bytes() == BODY
        (report,) = upkeep.verify(ID)
        assert (report.state, report.detail) == ("ok", "as the first download says")
        assert pull(update=True) == path.parent
        assert hub.sent[FILE] == len(BODY)
        assert upkeep.remove(ID) == len(BODY)

    def test_a_download_by_another_program_is_waited_for(self, hub, cache):
        from huggingface_hub.utils import WeakFileLock

        served(hub)
        folder = hub_cache.CachedRepository(cache, REPOSITORY).folder.name
        path = cache / ".locks" / folder / f"{sha256(BODY)}.lock"
        path.parent.mkdir(parents=True)
        cancel = CancelToken()
        with WeakFileLock(path):
            timer = threading.Timer(0.1, cancel.cancel)
            timer.start()
            with pytest.raises(Cancelled):
                pull(cancel=cancel)
            assert hub.downloads(FILE) == []
        pull()


class TestBrokenOff:
    def test_a_dropped_connection_goes_on_where_it_was(self, hub):
        served(hub)
        hub.fail(FILE, Fault(drop_after=120_000), Fault(drop_after=50_000))
        assert (pull() / FILE).read_bytes() == BODY
        assert hub.sent[FILE] == len(BODY), "not a byte came twice"
        ranges = [one.range for one in hub.downloads(FILE) if one.path.startswith("/cdn")]
        assert ranges == [None, "bytes=120000-", "bytes=170000-"]

    def test_a_later_run_goes_on_where_it_was(self, hub):
        served(hub)
        hub.fail(FILE, Fault(drop_after=150_000), *[Fault(drop_after=0)] * (transfer.RETRIES + 1))
        with pytest.raises(MissingWeights, match="broke off") as caught:
            pull()
        assert "what has arrived is kept" in caught.value.advice
        assert not store.is_present(ID)
        assert [path.stat().st_size for path in partials()] == [150_000]
        hub.faults.clear()
        assert (pull() / FILE).read_bytes() == BODY
        assert hub.sent[FILE] == len(BODY)
        assert not partials()

    def test_attempts_that_bring_something_are_not_counted(self, hub):
        served(hub)
        hub.fail(FILE, *[Fault(drop_after=15_000)] * (2 * transfer.RETRIES))
        assert (pull() / FILE).read_bytes() == BODY
        assert hub.sent[FILE] == len(BODY)

    def test_a_server_without_ranges_sends_all_again(self, hub):
        served(hub)
        hub.fail(FILE, Fault(drop_after=90_000), Fault(ignore_range=True))
        assert (pull() / FILE).read_bytes() == BODY
        assert hub.sent[FILE] == len(BODY) + 90_000

    def test_a_busy_server_is_asked_again(self, hub):
        served(hub)
        hub.fail("info", Fault(status=503))
        hub.fail(FILE, Fault(status=429, retry_after=0), Fault(status=502))
        assert (pull() / FILE).read_bytes() == BODY

    def test_a_server_that_stays_busy_is_given_up(self, hub):
        served(hub)
        hub.fail("info", *[Fault(status=503)] * 3)
        with pytest.raises(MissingWeights, match="status 503"):
            pull()

    def test_a_slow_server_is_waited_for_while_bytes_flow(self, hub, monkeypatch):
        monkeypatch.setattr(transfer, "SILENCE", 0.25)
        served(hub)
        hub.fail(FILE, Fault(pause=0.02))  # a second in all, four times the patience
        started = time.monotonic()
        assert (pull() / FILE).read_bytes() == BODY
        assert time.monotonic() - started > 0.8
        assert hub.sent[FILE] == len(BODY)

    def test_a_server_that_falls_silent_is_asked_for_the_rest(self, hub, monkeypatch):
        monkeypatch.setattr(transfer, "SILENCE", 0.2)
        served(hub)
        hub.fail(FILE, Fault(pause=0.5))
        assert (pull() / FILE).read_bytes() == BODY
        assert len(hub.downloads(FILE)) > 2


class TestCancelled:
    def test_in_the_middle_what_came_is_kept(self, hub):
        served(hub)
        hub.fail(FILE, Fault(pause=0.01))
        cancel = CancelToken()

        def stop(report):
            if report.file_done > 50_000:
                cancel.cancel()

        with pytest.raises(Cancelled):
            pull(progress=stop, cancel=cancel)
        assert not store.is_present(ID)
        (partial,) = partials()
        kept = partial.stat().st_size
        assert 50_000 < kept < len(BODY)
        pull()
        assert hub.downloads(FILE)[-1].range == f"bytes={kept}-"

    def test_between_two_attempts(self, hub, monkeypatch):
        monkeypatch.setattr(transfer, "FIRST_PAUSE", 30)
        monkeypatch.setattr(transfer, "LONGEST_PAUSE", 30)
        served(hub)
        cancel = CancelToken()
        hub.fail("info", Fault(status=503))
        monkeypatch.setattr(time, "sleep", lambda seconds: cancel.cancel())
        with pytest.raises(Cancelled):
            pull(cancel=cancel)
