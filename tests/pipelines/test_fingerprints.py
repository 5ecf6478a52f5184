"""Weights that lie in files of the user's are noticed when they are no longer the same."""

import json
import shutil

import numpy as np
import pytest

import layerstudio
from layerstudio import Adapter, GenerateRequest
from layerstudio.pipelines import methods
from layerstudio.pipelines.fingerprints import fingerprint, fingerprints_of


def write(path, seed, *, megabytes=3):
    """A file with a safetensors header that says nothing of what the values are."""
    values = np.random.default_rng(seed).bytes(megabytes * 2**20)
    entry = {"dtype": "U8", "shape": [len(values)], "data_offsets": [0, len(values)]}
    header = json.dumps({"w": entry}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + values)
    return path


def test_a_file_of_the_same_size_and_header_is_another_one(tmp_path):
    one, other = write(tmp_path / "a.safetensors", 1), write(tmp_path / "b.safetensors", 2)
    copy = shutil.copy(one, tmp_path / "copy.safetensors")
    assert one.stat().st_size == other.stat().st_size
    assert fingerprint(one) == fingerprint(tmp_path / copy) != fingerprint(other)


@pytest.mark.parametrize("where", [0, 2**20, 3 * 2**20 - 1])
def test_a_change_of_a_hundredth_is_noticed_wherever_it_is(tmp_path, where):
    path = write(tmp_path / "a.safetensors", 1)
    before = fingerprint(path)
    data = bytearray(path.read_bytes())
    data[where : where + len(data) // 50] = bytes(len(data[where : where + len(data) // 50]))
    path.write_bytes(data)
    assert fingerprint(path) != before


def test_empty_and_short_files_have_one(tmp_path):
    (tmp_path / "a.bin").touch()
    (tmp_path / "b.bin").write_bytes(b"b")
    assert fingerprint(tmp_path / "a.bin") != fingerprint(tmp_path / "b.bin")


def test_a_folder_is_its_weights_and_configurations(tmp_path):
    (tmp_path / "unet").mkdir()
    write(tmp_path / "unet/model.safetensors", 1)
    (tmp_path / "unet/config.json").write_text("{}")
    before = fingerprint(tmp_path)
    (tmp_path / "README.md").write_text("Nothing that is loaded.")
    assert fingerprint(tmp_path) == before
    (tmp_path / "unet/config.json").write_text("[]")
    changed = fingerprint(tmp_path)
    assert changed != before
    (tmp_path / "unet").rename(tmp_path / "transformer")
    assert fingerprint(tmp_path) != changed


def test_only_what_the_user_keeps_has_one(tmp_path):
    lora = str(write(tmp_path / "style.safetensors", 1))
    request = GenerateRequest(
        base="realvisxl-v4",
        loras=(Adapter(source=lora), Adapter(source="owner/on-the-hub")),
        controlnet=Adapter(source=str(tmp_path / "gone.safetensors")),
    )
    assert [name for name, _ in fingerprints_of(request)] == [lora]


def test_a_recipe_tells_when_its_lora_was_replaced(tmp_path, monkeypatch):
    monkeypatch.setitem(methods._METHODS, "noise", "tiny_generator:NoiseMethod")
    path = write(tmp_path / "style.safetensors", 1)
    options = {"method": "noise", "seed": 1, "loras": [Adapter(source=str(path))]}
    made = layerstudio.generate("a cup", **options).save(tmp_path / "cup.psd")
    same = layerstudio.again(made)
    assert not any("style.safetensors" in note for note in same.notes)
    write(path, 2)
    other = layerstudio.again(made)
    assert any("style.safetensors" in note and "picture differs" in note for note in other.notes)
    chosen = layerstudio.again(other, fingerprints=())
    assert chosen.request["fingerprints"] == other.request["fingerprints"]
