"""The reader of packed files: from several processes, and of files that are not what they say."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tiny_drawings import NAMES, UNUSABLE, Drawn, Given, write_wallpapers
from torch.utils.data import DataLoader, Dataset

from layerstudio.color import U8
from layerstudio.errors import InvalidRequest, UnreadableFile
from layerstudio.io.archive import add
from training.assets import Assets, assets_of
from training.pack import pack
from training.packed import INDEX, PackedFile
from training.photographs import Wallpapers
from training.splits import split_of


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("packed")
    write_wallpapers(root / "share")
    pack(Assets(Drawn(), more=Wallpapers(root / "share")), root / "assets.zip")
    return root / "assets.zip"


@pytest.mark.parametrize("kind", ["sprites", "photographs"])
def test_a_file_with_something_reserved_is_refused(file: Path, tmp_path: Path, kind: str) -> None:
    name = next(name for name in NAMES if split_of(name) == "test")

    def with_reserved(index: dict[str, dict[str, object]]) -> None:
        index[kind][name] = next(value for value in index[kind].values() if value)

    with pytest.raises(UnreadableFile, match=name):
        Assets.packed(rewritten(file, tmp_path / "reserved.zip", with_reserved))


class _Sprites(Dataset[np.ndarray]):
    def __init__(self, assets: Assets) -> None:
        self._assets = assets
        self._names = assets.sprite_names("train") * 40

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, index: int) -> np.ndarray:
        sprite = self._assets.sprites.read(self._names[index])
        return np.zeros(0) if sprite is None else np.array(sprite)


def test_workers_that_share_a_file_read_it_side_by_side(file: Path) -> None:
    """The file is opened here first, so that forked workers would share its position."""
    packed = Assets.packed(file)
    sprites = _Sprites(packed)
    alone = [sprites[index] for index in range(len(sprites))]
    loader = DataLoader(sprites, batch_size=None, num_workers=2, multiprocessing_context="fork")
    for ours, theirs in zip(alone, loader, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    sent = pickle.loads(pickle.dumps(packed))
    name = packed.sprite_names("dev")[0]
    np.testing.assert_array_equal(sent.sprites.read(name), packed.sprites.read(name))


def rewritten(source: Path, target: Path, change) -> Path:
    """A copy whose index is changed."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name == INDEX:
                index = json.loads(data)
                data = json.dumps(change(index) or index)
            add(new, name, data)
    return target


@pytest.mark.parametrize(
    "change",
    [
        lambda index: [1, 2],
        lambda index: {"format": index["format"]},
        lambda index: index | {"format": "another"},
        lambda index: index | {"sprites": [1]},
        lambda index: index | {"sprites": {"a.svg": {}, "a thing": 3}},
        lambda index: index | {"sprites": dict.fromkeys(index["sprites"], "sprites/nowhere.webp")},
        lambda index: index | {"photographs": dict.fromkeys(index["photographs"])},
    ],
)
def test_a_foreign_index_is_refused(file: Path, tmp_path: Path, change) -> None:
    with pytest.raises(UnreadableFile):
        Assets.packed(rewritten(file, tmp_path / "x.zip", change))


def test_files_of_another_kind_are_refused(file: Path, tmp_path: Path) -> None:
    text, empty, deflated = (tmp_path / name for name in ("text.zip", "empty.zip", "deflated.zip"))
    text.write_bytes(b"PK\3\4 no zip at all" * 40)
    zipfile.ZipFile(empty, "w").close()
    with zipfile.ZipFile(deflated, "w") as archive, zipfile.ZipFile(file) as source:
        for name in source.namelist():
            add(archive, name, source.read(name), packed=True)
    for path in (text, empty, deflated, tmp_path, tmp_path / "none.zip"):
        with pytest.raises(UnreadableFile):
            Assets.packed(path)
    for name in ("bast", "", str(tmp_path), str(tmp_path / "none.zip"), "a\0b"):
        with pytest.raises(InvalidRequest, match="assets") as caught:
            assets_of(name)
        assert "training.pack" in caught.value.advice


def test_a_picture_that_is_none_or_huge_is_refused_when_read(file: Path, tmp_path: Path) -> None:
    name = next(n for n in NAMES if split_of(n) == "train" and n not in UNUSABLE)
    member = PackedFile(file).index.sprites[name]
    wide = io.BytesIO()
    Image.new("RGBA", (9000, 2)).save(wide, "WEBP")
    for data in (b"", b"RIFF....WEBP", wide.getvalue()):
        with zipfile.ZipFile(file) as old, zipfile.ZipFile(tmp_path / "x.zip", "w") as new:
            for entry in old.namelist():
                add(new, entry, data if entry == member else old.read(entry))
        with pytest.raises(UnreadableFile, match="damaged"):
            Assets.packed(tmp_path / "x.zip").sprites.read(name)


@settings(max_examples=60, deadline=None)
@given(where=st.floats(0, 1), byte=st.integers(0, 255), cut=st.booleans())
def test_a_damaged_file_gives_a_sentence_or_what_was_packed(tiny, where, byte, cut) -> None:
    data, sprites, folder = tiny
    at = min(len(data) - 1, int(where * len(data)))
    path = folder / "damaged.zip"
    path.write_bytes(data[:at] if cut else data[:at] + bytes([byte]) + data[at + 1 :])
    try:
        packed = Assets.packed(path)
        for name in packed.sprites.names():
            if name in sprites:
                np.testing.assert_array_equal(packed.sprites.read(name), sprites[name])
    except UnreadableFile as error:
        sentence = str(error)
    else:
        sentence = str(path)
    assert str(path) in sentence


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, dict[str, U8], Path]:
    folder = tmp_path_factory.mktemp("tiny")
    rng = np.random.default_rng(3)
    names = [name for name in NAMES if split_of(name) != "test"][:3]
    sprites = {name: rng.integers(0, 256, (5, 7, 4), dtype=np.uint8) for name in names}
    pack(Assets(Given(sprites)), folder / "tiny.zip")
    return (folder / "tiny.zip").read_bytes(), sprites, folder
