"""Downloads from the stand-in: whole, broken off, refused, wrong, too large, stopped."""

import errno
import logging
import random
import time

import pytest
from hub_stand_in import Fault, sha256

from layerstudio.errors import (
    Cancelled,
    InvalidRequest,
    MissingWeights,
    UnreadableFile,
    UnwritableFile,
)
from layerstudio.progress import CancelToken
from layerstudio.weights import consent, fetch, hub_cache, lock, registry, store, transfer, upkeep

FILE = "ld_diffusers_sdxl_attn.safetensors"
REPOSITORY = "lllyasviel/LayerDiffuse_Diffusers"
ID = "layerdiffuse-sdxl-attn"
BODY = random.Random(3).randbytes(200_000)


def served(hub, **options):
    """The row's repository, with files that are nobody's business beside."""
    return hub.publish(REPOSITORY, {FILE: BODY, "README.md": b"read me"}, **options)


def pull(name=ID, **options):
    return fetch.pull(name, **({"accept_licence": True} | options))


def partials():
    return sorted(hub_cache.default_root().rglob("*.incomplete"))


def concrete(pattern):
    return pattern.replace("*", "part.json")


@pytest.mark.parametrize("row", registry.checkpoints(), ids=lambda row: row.id)
def test_every_row_is_pulled_located_verified_and_removed(hub, row):
    files = {concrete(path): f"{row.id} {path}".encode() for path in row.patterns}
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


class TestRefused:
    def test_unknown_repositories(self, hub):
        for token in (None, "hf_known"):
            with pytest.raises(MissingWeights, match="no repository nobody/nothing"):
                pull("nobody/nothing", token=token)

    def test_a_private_one_is_not_shown_without_a_token(self, hub):
        served(hub, private=True)
        with pytest.raises(MissingWeights, match="401") as caught:
            pull()
        assert "HF_TOKEN" in caught.value.advice
        assert (pull(token="hf_known") / FILE).read_bytes() == BODY

    @pytest.mark.parametrize("token", [None, "hf_known"])
    def test_gated_terms_name_the_page_and_how_to_give_a_token(self, hub, token):
        served(hub, gated=True)
        with pytest.raises(MissingWeights, match="gated") as caught:
            pull(token=token)
        assert f"{hub.endpoint}/{REPOSITORY}" in caught.value.advice
        assert "--token" in caught.value.advice
        assert (pull(token="hf_member") / FILE).read_bytes() == BODY

    def test_unknown_revisions(self, hub):
        hub.publish("somebody/model", {"a.safetensors": b"a"})
        with pytest.raises(MissingWeights, match="no revision 'v9'"):
            pull("somebody/model", revision="v9")
        with pytest.raises(InvalidRequest, match="registered at revision"):
            pull(ID, revision="v9")

    def test_a_file_that_the_repository_lost(self, hub):
        hub.publish(REPOSITORY, {"other.safetensors": b"x"})
        with pytest.raises(MissingWeights, match=f"no file '{FILE}' any more"):
            pull()

    def test_an_answer_that_is_no_hubs(self, hub):
        served(hub)
        hub.fail("info", Fault(corrupt=True))
        with pytest.raises(MissingWeights, match="did not answer as a hub"):
            pull()

    def test_no_network(self, hub, monkeypatch):
        monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
        with pytest.raises(MissingWeights, match="could not be reached"):
            pull()

    @pytest.mark.parametrize("variable", ["LAYERSTUDIO_OFFLINE", "HF_HUB_OFFLINE", None])
    def test_offline(self, hub, monkeypatch, variable):
        served(hub)
        if variable:
            monkeypatch.setenv(variable, "1")
        with pytest.raises(MissingWeights, match="switched off"):
            pull(offline=variable is None)
        assert hub.requests == []

    def test_offline_finds_what_is_here(self, hub):
        served(hub)
        folder = pull()
        assert pull(offline=True) == folder

    def test_names_that_are_none(self, hub):
        for name in ("a/b/c", "../x", "a/.."):
            with pytest.raises(InvalidRequest):
                pull(name)
        assert hub.requests == []


class TestTerms:
    def test_nothing_is_fetched_before_they_are_accepted(self, hub):
        served(hub)
        with pytest.raises(InvalidRequest, match="not stated") as caught:
            fetch.pull(ID)
        assert "--accept-licence" in caught.value.advice
        assert not hub.downloads(FILE)

    def test_they_are_asked_once(self, hub):
        served(hub)
        asked = []

        def agree(terms):
            asked.append(terms)
            return True

        fetch.pull(ID, ask=agree)
        upkeep.remove(ID)
        fetch.pull(ID, ask=agree)
        (terms,) = asked
        assert terms.url == registry.checkpoint(ID).licence.url

    def test_doubtful_provenance_is_a_question_of_its_own(self, hub, monkeypatch):
        from dataclasses import replace

        served(hub)
        doubtful = replace(registry.checkpoint(ID), provenance="Derived from withdrawn weights.")
        monkeypatch.setitem(registry._table(), ID, doubtful)
        with pytest.raises(InvalidRequest, match="withdrawn") as caught:
            pull()
        assert "--accept-provenance" in caught.value.advice
        assert not hub.downloads(FILE)
        pull(accept_provenance=True)

    def test_a_use_that_is_ruled_out_is_said(self):
        (terms,) = consent.terms_of(registry.checkpoint("flux-dev"))
        assert "no commercial use" in terms.text


class TestWrong:
    def test_other_bytes_are_deleted(self, hub):
        served(hub)
        hub.fail(FILE, Fault(corrupt=True))
        with pytest.raises(UnreadableFile, match="not what was published") as caught:
            pull()
        assert "deleted" in caught.value.message
        assert not store.is_present(ID)
        assert not [path for path in hub_cache.default_root().rglob("*") if BODY[:9] in _read(path)]
        assert not partials()
        assert (pull() / FILE).read_bytes() == BODY

    def test_small_files_are_checked_too(self, hub):
        hub.publish(
            "madebyollin/taesd",
            {"config.json": b"{}", "diffusion_pytorch_model.safetensors": BODY},
        )
        hub.fail("config.json", Fault(corrupt=True))
        with pytest.raises(UnreadableFile, match="git object id"):
            pull("taesd")

    def test_more_bytes_than_listed_are_refused(self, hub):
        served(hub)
        hub.fail(FILE, Fault(surplus=50_000))
        with pytest.raises(UnreadableFile, match="longer"):
            pull()
        assert not partials()

    def test_the_registrys_hash_counts_more_than_the_hubs(self, hub, monkeypatch):
        from dataclasses import replace

        served(hub)
        known = registry.WeightFile(FILE, len(BODY), "0" * 64)
        row = replace(registry.checkpoint(ID), files=(known,))
        monkeypatch.setitem(registry._table(), ID, row)
        with pytest.raises(UnreadableFile, match="the registry's"):
            pull()

    def test_later_pulls_keep_to_the_first_commit(self, hub):
        first = served(hub)
        pull()
        upkeep.remove(ID)
        second = hub.publish(REPOSITORY, {FILE: b"another model"})
        assert pull().name == first
        assert pull(update=True).name == second
        assert store.located_file(ID).read_bytes() == b"another model"

    def test_a_commit_whose_content_changed_is_refused(self, hub):
        from dataclasses import replace

        served(hub)
        pull()
        upkeep.remove(ID)

        def forget(now):
            seen = now.repositories[f"{REPOSITORY}@main"]
            other = replace(seen.files[FILE], sha256="1" * 64)
            changed = {f"{REPOSITORY}@main": replace(seen, files={FILE: other})}
            return replace(now, repositories=changed)

        lock.update(forget)
        with pytest.raises(UnreadableFile, match="first download"):
            pull()


class TestDiskFull:
    def test_known_beforehand(self, hub, monkeypatch):
        served(hub)
        from layerstudio.weights import download

        monkeypatch.setattr(
            download.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 1000})
        )
        with pytest.raises(UnwritableFile, match="GB free"):
            pull()
        assert not hub.downloads(FILE)

    def test_found_out_while_writing(self, hub):
        """The kernel's own refusal: the partial file leads to /dev/full."""
        commit = served(hub)
        partial = hub_cache.CachedRepository(hub_cache.default_root(), REPOSITORY).partial(
            commit, FILE
        )
        partial.parent.mkdir(parents=True)
        partial.symlink_to("/dev/full")
        with pytest.raises(UnwritableFile, match="disk is full") as caught:
            pull()
        assert "Make room" in caught.value.advice
        assert not store.is_present(ID)
        partial.unlink()
        pull()

    def test_a_cache_that_cannot_be_written(self, hub, cache):
        served(hub)
        cache.parent.mkdir(parents=True)
        cache.write_text("a file where the folder should be")
        with pytest.raises(UnwritableFile):
            pull()

    def test_quota_is_a_full_disk(self, tmp_path):
        error = transfer.unwritable(tmp_path / "x", OSError(errno.EDQUOT, "quota"))
        assert "disk is full" in error.message


class TestTokens:
    def test_they_reach_the_hub_and_nobody_else(self, hub, caplog, capfd):
        caplog.set_level(logging.DEBUG)
        served(hub, private=True)
        hub.fail(FILE, Fault(status=404))
        with pytest.raises(MissingWeights) as caught:
            pull(token="hf_member")
        pull(token="hf_member")
        tokens = {one.path.split("/")[1]: one.token for one in hub.requests if FILE in one.path}
        assert tokens == {REPOSITORY.split("/")[0]: "hf_member", "cdn": None}
        said = caplog.text + "".join(capfd.readouterr()) + str(caught.value)
        assert "hf_member" not in said + lock.lock_path().read_text()


def _read(path):
    return path.read_bytes() if path.is_file() else b""
