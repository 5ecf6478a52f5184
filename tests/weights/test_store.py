"""Where checkpoints are found, and that looking for them needs no network and no heavy import."""

import json
import subprocess
import sys

import pytest
from hub_stand_in import sha256

from layerstudio.errors import MissingWeights, UnreadableFile
from layerstudio.weights import hub_cache, lock, store

FILE = "ld_diffusers_sdxl_attn.safetensors"
REPOSITORY = "lllyasviel/LayerDiffuse_Diffusers"
ID = "layerdiffuse-sdxl-attn"


def put(root, repository, commit, files, ref=None):
    """Files in the cache's layout, as another program leaves them."""
    cached = hub_cache.CachedRepository(root, repository)
    for path, content in files.items():
        blob = cached.blob(sha256(content))
        blob.parent.mkdir(parents=True, exist_ok=True)
        blob.write_bytes(content)
        link = cached.snapshot(commit) / path
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(blob)
    if ref:
        (cached.folder / "refs").mkdir(exist_ok=True)
        (cached.folder / "refs" / ref).write_text(commit)
    return cached.snapshot(commit)


def test_the_cache_is_where_huggingface_hub_has_it(tmp_path):
    code = (
        "from huggingface_hub import constants;"
        "from layerstudio.weights.hub_cache import default_root;"
        "print(constants.HF_HUB_CACHE == str(default_root()), default_root())"
    )
    for variables in (
        {},
        {"HF_HOME": "~/elsewhere"},
        {"XDG_CACHE_HOME": str(tmp_path)},
        {"HUGGINGFACE_HUB_CACHE": str(tmp_path / "old")},
        {"HF_HUB_CACHE": "$HOME/new", "HF_HOME": str(tmp_path)},
    ):
        environment = {"HOME": str(tmp_path), "PATH": "/usr/bin"} | variables
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True
        )
        assert done.stdout.startswith("True"), (variables, done.stdout, done.stderr)


def test_looking_for_weights_loads_nothing_heavy():
    code = (
        "import sys; from layerstudio.weights import registry, store, lock, consent\n"
        "store.is_present('flux-dev'); from layerstudio.weights import fetch, upkeep\n"
        "print(*sorted({'torch', 'huggingface_hub', 'httpx2', 'filelock'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_nothing_here_names_the_command(cache):
    with pytest.raises(MissingWeights) as caught:
        store.located(ID)
    assert caught.value.advice == f"Get them with `layerstudio models pull {ID}`."
    assert not store.is_present(ID)
    assert store.size_on_disk(ID) == 0
    assert store.find_repository(REPOSITORY) is None


def test_another_programs_download_is_found(cache):
    folder = put(cache, REPOSITORY, "a" * 40, {FILE: b"weights"}, ref="main")
    assert store.located(ID) == folder
    assert store.located_file(ID).read_bytes() == b"weights"
    assert store.size_on_disk(ID) == 7
    assert store.find_repository(REPOSITORY) == folder
    assert store.find_repository(REPOSITORY, "a" * 40) == folder
    assert store.find_repository(REPOSITORY, "b" * 40) is None


def test_a_complete_snapshot_wins_over_the_newest_reference(cache):
    complete = put(cache, REPOSITORY, "a" * 40, {FILE: b"weights"})
    put(cache, REPOSITORY, "b" * 40, {"README.md": b"only this"}, ref="main")
    assert store.located(ID) == complete


def test_a_link_without_its_blob_is_missing(cache):
    folder = put(cache, REPOSITORY, "a" * 40, {FILE: b"weights"}, ref="main")
    (folder / FILE).resolve().unlink()
    with pytest.raises(MissingWeights):
        store.located(ID)


def test_the_folder_for_machines_without_a_network_comes_first(cache, tmp_path, monkeypatch):
    put(cache, REPOSITORY, "a" * 40, {FILE: b"cached"}, ref="main")
    plain = tmp_path / "usb" / REPOSITORY
    plain.mkdir(parents=True)
    (plain / FILE).write_bytes(b"carried")
    monkeypatch.setenv("LAYERSTUDIO_WEIGHTS", str(tmp_path / "usb"))
    assert store.located_file(ID).read_bytes() == b"carried"
    assert store.find_repository(REPOSITORY) == plain


def test_a_copied_cache_serves_as_that_folder(cache, tmp_path, monkeypatch):
    folder = put(tmp_path / "usb", REPOSITORY, "a" * 40, {FILE: b"carried"}, ref="main")
    monkeypatch.setenv("LAYERSTUDIO_WEIGHTS", str(tmp_path / "usb"))
    assert store.located(ID) == folder


def test_a_folder_that_is_none_is_told(cache, tmp_path, monkeypatch):
    monkeypatch.setenv("LAYERSTUDIO_WEIGHTS", str(tmp_path / "misspelt"))
    with pytest.raises(MissingWeights, match="misspelt, which is no folder"):
        store.located(ID)


def test_an_incomplete_download_names_what_is_missing(cache):
    put(cache, "madebyollin/taesdxl", "a" * 40, {"config.json": b"{}"}, ref="main")
    with pytest.raises(MissingWeights, match=r"diffusion_pytorch_model\.safetensors is missing"):
        store.located("taesdxl")
    assert store.size_on_disk("taesdxl") == 2


def test_a_missing_shard_is_missed(cache):
    index = {"weight_map": {"a": "m-1-of-2.safetensors", "b": "m-2-of-2.safetensors"}}
    files = {
        "t/m.safetensors.index.json": json.dumps(index).encode(),
        "t/m-1-of-2.safetensors": b"1",
    }
    folder = put(cache, "some/shards", "a" * 40, files, ref="main")
    assert store.missing_files(folder, ("t/*",)) == ("t/m-2-of-2.safetensors",)
    (folder / "t/m.safetensors.index.json").resolve().write_text("[]")
    with pytest.raises(UnreadableFile, match="shards"):
        store.missing_files(folder, ("t/*",))


def test_names_that_are_no_repository_find_nothing(cache):
    for name in ("../../etc", "one", "a/b/c", "a/..", ""):
        assert store.find_repository(name) is None


def test_a_damaged_record_is_a_sentence(cache):
    lock.lock_path().parent.mkdir(parents=True)
    for text in ("{", "[]", '{"version": 1}', '{"version": 9}'):
        lock.lock_path().write_text(text)
        with pytest.raises(UnreadableFile, match=r"hub-layerstudio\.json"):
            lock.read()
