"""``layerstudio models`` as people call it."""

import json
import os
import pty
import subprocess
import sys

import pytest
from hub_stand_in import Fault
from typer.testing import CliRunner

from layerstudio.ui.cli.main import app
from layerstudio.weights import hub_cache, registry, store

FILES = {"config.json": b"{}", "diffusion_pytorch_model.safetensors": b"w" * 1500}
REPOSITORY = "madebyollin/taesdxl"


def run(*arguments):
    return CliRunner().invoke(app, ["models", *arguments])


@pytest.fixture
def preview(hub):
    """The row ``taesdxl``, published."""
    hub.publish(REPOSITORY, FILES)
    return hub


def test_list_tells_what_is_here(preview):
    rows = json.loads(run("list", "--json").stdout)["models"]
    assert [row["id"] for row in rows] == [row.id for row in registry.checkpoints()]
    assert not any(row["present"] for row in rows)
    assert json.loads(run("list", "--present", "--json").stdout) == {"models": []}
    assert run("pull", "taesdxl", "--accept-licence").exit_code == 0
    (row,) = json.loads(run("list", "--present", "--json").stdout)["models"]
    assert (row["id"], row["bytes_on_disk"], row["licence"]["name"]) == ("taesdxl", 1502, "MIT")
    (line,) = [line for line in run("list").stdout.splitlines() if "taesdxl" in line]
    assert "1.5 kB" in line


def test_list_needs_no_network_and_tells_of_gates(cache):
    done = run("list")
    assert done.exit_code == 0
    (line,) = [line for line in done.stdout.splitlines() if "flux-dev " in line]
    assert "Non-Commercial" in line
    assert line.rstrip().endswith("yes")


def test_show(preview):
    text = run("show", "taesdxl").stdout
    assert "https://huggingface.co/madebyollin/taesdxl at main" in text
    assert "MIT" in text
    run("pull", "taesdxl", "--accept-licence")
    shown = json.loads(run("show", "taesdxl", "--json").stdout)
    assert set(shown["files_present"]) == set(FILES)
    done = run("show", "tasdxl")
    assert done.exit_code == 2
    assert "Did you mean 'taesdxl'?" in done.stderr


def test_pull_without_anyone_to_ask_names_the_option(preview):
    done = run("pull", "taesdxl")
    assert done.exit_code == 2
    assert "MIT" in done.stderr
    assert "--accept-licence" in done.stderr
    assert not store.is_present("taesdxl")


def test_pull_says_where_it_lies(preview):
    done = run("pull", "taesdxl", "--accept-licence", "--json")
    assert json.loads(done.stdout) == {
        "pulled": [{"name": "taesdxl", "folder": str(store.located("taesdxl"))}]
    }
    assert run("pull", "taesdxl", "--offline").stdout.startswith("taesdxl: ")


def test_pull_of_a_gated_one_with_a_token_from_the_environment(preview, monkeypatch):
    preview.publish(REPOSITORY, FILES, gated=True)
    done = run("pull", "taesdxl", "--accept-licence")
    assert done.exit_code == 2
    assert "gated" in done.stderr
    monkeypatch.setenv("HF_TOKEN", "hf_member")
    assert run("pull", "taesdxl").exit_code == 0


def test_verify_finds_one_changed_byte(preview):
    run("pull", "taesdxl", "--accept-licence")
    done = run("verify")
    assert done.exit_code == 0
    assert done.stdout.count(" ok ") == 2
    path = store.located("taesdxl") / "diffusion_pytorch_model.safetensors"
    hub_cache.blob_of(path).write_bytes(b"w" * 1499 + b"v")
    done = run("verify", "taesdxl", "--json")
    assert done.exit_code == 2
    states = {one["path"]: one["state"] for one in json.loads(done.stdout)["verified"]["taesdxl"]}
    assert states == {"config.json": "ok", "diffusion_pytorch_model.safetensors": "damaged"}


def test_verify_finds_what_is_missing(preview):
    run("pull", "taesdxl", "--accept-licence")
    (store.located("taesdxl") / "config.json").unlink()
    done = run("verify", "taesdxl")
    assert done.exit_code == 2
    assert "missing" in done.stdout
    assert run("verify", "taesd").exit_code == 2


def test_verify_a_folder_nobody_vouches_for(cache, tmp_path, monkeypatch):
    folder = tmp_path / "usb" / REPOSITORY
    folder.mkdir(parents=True)
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    monkeypatch.setenv("LAYERSTUDIO_WEIGHTS", str(tmp_path / "usb"))
    done = run("verify", "taesdxl")
    assert done.exit_code == 0
    assert done.stdout.count("unknown") == 2


def test_remove_leaves_what_others_use(hub, cache):
    from huggingface_hub import hf_hub_download

    attention, decoder = (
        registry.checkpoint(f"layerdiffuse-sdxl-{part}") for part in ("attn", "decoder")
    )
    same = b"the same bytes in two files"
    files = {attention.patterns[0]: same, decoder.patterns[0]: same, "notes.txt": b"notes"}
    hub.publish(attention.repository, files)
    run("pull", attention.id, decoder.id, "--accept-licence")
    hf_hub_download(attention.repository, "notes.txt", endpoint=hub.endpoint, cache_dir=cache)
    assert run("remove", attention.id).exit_code == 2
    assert store.is_present(attention.id)
    done = run("remove", attention.id, "--yes", "--json")
    assert json.loads(done.stdout) == {"freed_bytes": {attention.id: 0}}, "the blob is shared"
    assert not store.is_present(attention.id)
    assert store.located_file(decoder.id).read_bytes() == same
    assert (store.located(decoder.id) / "notes.txt").read_bytes() == b"notes"
    assert json.loads(run("remove", decoder.id, "-y", "--json").stdout) == {
        "freed_bytes": {decoder.id: len(same)}
    }
    assert run("remove", decoder.id, "-y").exit_code == 2


def test_remove_deletes_a_partial_download(preview):
    preview.fail("diffusion_pytorch_model.safetensors", Fault(drop_after=700), Fault(status=404))
    assert run("pull", "taesdxl", "--accept-licence").exit_code == 2
    assert json.loads(run("remove", "taesdxl", "-y", "--json").stdout)["freed_bytes"] == {
        "taesdxl": 702
    }
    cached = hub_cache.CachedRepository(hub_cache.default_root(), REPOSITORY)
    assert not cached.folder.exists()


@pytest.mark.parametrize(("answer", "code"), [("n", 2), ("y", 0)])
def test_a_person_is_asked_about_the_licence(preview, answer, code):
    """Where standard input is a terminal."""
    command = [sys.executable, "-m", "layerstudio.ui.cli.main", "models", "pull", "taesdxl"]
    ours, theirs = pty.openpty()
    os.write(ours, f"{answer}\n".encode())
    done = subprocess.run(command, stdin=theirs, capture_output=True, timeout=60, text=True)
    os.close(theirs)
    os.close(ours)
    assert "MIT" in done.stderr
    assert "Accept?" in done.stderr
    assert done.returncode == code
    assert store.is_present("taesdxl") == (code == 0)
