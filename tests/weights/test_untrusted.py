"""Bytes that are not what was published, and disks that cannot hold them."""

import errno
from dataclasses import replace

import pytest
from hub_stand_in import Fault, git_oid
from one_row import BODY, FILE, ID, REPOSITORY, partials, pull, served

from layerstudio.errors import (
    UnreadableFile,
    UnwritableFile,
)
from layerstudio.weights import hub_cache, integrity, lock, registry, store, transfer, upkeep


class TestWrong:
    def test_other_bytes_are_deleted(self, hub):
        served(hub)
        hub.fail(FILE, Fault(corrupt=True))
        with pytest.raises(UnreadableFile, match="not what was published") as caught:
            pull()
        assert "not used" in caught.value.message
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

    def test_so_are_the_largest_that_git_itself_holds(self, tmp_path):
        path = tmp_path / "tokenizer.json"
        path.write_bytes(bytes(9_000_000))
        found = integrity.digest(path)
        assert found.git_oid == git_oid(bytes(9_000_000))
        assert integrity.difference(found, integrity.Expected(etag="0" * 40))

    def test_more_bytes_than_listed_are_refused(self, hub):
        served(hub)
        hub.fail(FILE, Fault(surplus=50_000))
        with pytest.raises(UnreadableFile, match="longer"):
            pull()
        assert not partials()

    def test_the_registrys_hash_counts_more_than_the_hubs(self, hub, monkeypatch):
        served(hub)
        known = registry.WeightFile(FILE, len(BODY), "0" * 64)
        row = replace(registry.checkpoint(ID), files=(known,))
        monkeypatch.setitem(registry._table(), ID, row)
        for _ in range(2):
            with pytest.raises(UnreadableFile, match="the registry's"):
                pull()
            assert not store.is_present(ID)

    def test_a_sound_file_of_another_program_is_refused_and_left(self, hub, monkeypatch):
        from huggingface_hub import hf_hub_download

        served(hub)
        path = hf_hub_download(
            REPOSITORY, FILE, endpoint=hub.endpoint, cache_dir=hub_cache.default_root()
        )
        row = registry.checkpoint(ID)
        known = replace(row, files=(registry.WeightFile(FILE, len(BODY), "0" * 64),))
        monkeypatch.setitem(registry._table(), ID, known)
        with pytest.raises(UnreadableFile, match="not used"):
            pull(update=True)
        with open(path, "rb") as file:
            assert file.read() == BODY

    def test_later_pulls_keep_to_the_first_commit(self, hub):
        first = served(hub)
        pull()
        upkeep.remove(ID)
        second = hub.publish(REPOSITORY, {FILE: b"another model"})
        assert pull().name == first
        assert pull(update=True).name == second
        assert store.located_file(ID).read_bytes() == b"another model"

    def test_a_commit_whose_content_changed_is_refused(self, hub):
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


def _read(path):
    return path.read_bytes() if path.is_file() else b""
