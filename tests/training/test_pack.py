"""The packed file: what went in comes out, within the limit, without anything reserved."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_drawings import NAMES, UNUSABLE, Drawn, Given, write_wallpapers

from layerstudio.errors import InvalidRequest, UnreadableFile, UnwritableFile
from training.assets import Assets, OpenClipart, assets_of
from training.designs import make_design
from training.pack import GRADES, pack
from training.packed import INDEX, Index, PackedFile
from training.peel_data import Examples
from training.photographs import WALLPAPERS, Wallpapers
from training.splits import SPLITS, Split, split_of

ROOT = Path(__file__).resolve().parents[2]
TRAINED_ON = sorted(item.name for item in WALLPAPERS if split_of(item.name) == "train")


@pytest.fixture(scope="module")
def share(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As /usr/share, with small pictures in the places of all wallpapers."""
    root = tmp_path_factory.mktemp("share")
    write_wallpapers(root)
    return root


@pytest.fixture(scope="module")
def assets(share: Path) -> Assets:
    return Assets(Drawn(), more=Wallpapers(share))


@pytest.fixture(scope="module")
def file(assets: Assets, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("packed") / "assets.zip"
    pack(assets, path)
    return path


def test_what_is_read_is_what_was_packed(assets: Assets, file: Path) -> None:
    packed = Assets.packed(file)
    assert packed.sprites.names() == tuple(n for n in NAMES if split_of(n) != "test")
    for name in packed.sprites.names():
        np.testing.assert_array_equal(packed.sprites.read(name), assets.sprites.read(name))
    assert packed.more is not None and assets.more is not None
    assert list(packed.more.names()) == TRAINED_ON
    for name in TRAINED_ON:
        np.testing.assert_array_equal(packed.more.read(name), assets.more.read(name))
        assert packed.more.credit(name) == assets.more.credit(name)
        assert all(vars(packed.more.credit(name)).values())


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 37), st.integers(1, 37)), min_size=1, max_size=4))
def test_any_pixels_come_back_with_the_colours_of_clear_ones(sides) -> None:
    rng = np.random.default_rng(0)
    names = [name for name in NAMES if split_of(name) != "test"]
    sprites = {
        name: rng.integers(0, 256, (*side, 4), dtype=np.uint8) * rng.integers(0, 2, dtype=np.uint8)
        for name, side in zip(names, sides, strict=False)
    }
    for pixels in sprites.values():
        pixels[::2, :, 3] = 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "any.zip"
        pack(Assets(Given(sprites)), path)
        packed = Assets.packed(path)
        for name, pixels in sprites.items():
            np.testing.assert_array_equal(packed.sprites.read(name), pixels)
    assert packed.more is not None and not packed.more.names()


def test_the_same_assets_give_the_same_bytes(assets: Assets, file: Path, tmp_path: Path) -> None:
    pack(assets, tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == file.read_bytes()
    with zipfile.ZipFile(file) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_nothing_reserved_is_inside(file: Path) -> None:
    with zipfile.ZipFile(file) as archive:
        index = json.loads(archive.read(INDEX))
        assert set(archive.namelist()) == {INDEX, *Index.of(archive.read(INDEX)).members}
    assert {split_of(name) for name in index["sprites"]} == {"train", "dev"}
    assert {split_of(name) for name in index["photographs"]} == {"train"}
    assert len(index["photographs"]) == len(TRAINED_ON) >= 20
    for item in index["photographs"].values():
        assert item["author"] and item["licence"] and item["package"]
    with pytest.raises(InvalidRequest, match="test"):
        Assets.packed(file).sprite_names("test")


def test_wallpapers_are_read_of_the_train_split_alone(share: Path) -> None:
    others = {item.name for item in WALLPAPERS} - set(TRAINED_ON)
    assert {split_of(name) for name in others} == {"dev", "test"}
    wallpapers = Wallpapers(share)
    assert list(wallpapers.names()) == TRAINED_ON and not wallpapers.missing()
    for name in others:
        with pytest.raises(KeyError):
            wallpapers.read(name)
    assert set(Wallpapers(share / "empty").missing()) == set(TRAINED_ON)


@pytest.mark.parametrize("split", SPLITS)
def test_no_design_draws_a_wallpaper(assets: Assets, split: Split) -> None:
    """Designs of dev and test are scored: they are the same with and without wallpapers."""
    bare = Assets(assets.sprites)
    for seed in range(4):
        ours, theirs = (
            make_design(seed, split, background="photograph", assets=own) for own in (assets, bare)
        )
        np.testing.assert_array_equal(ours.picture.pixels, theirs.picture.pixels)
    trained_on = len(assets.training_photographs()) - len(bare.training_photographs())
    assert trained_on == len(TRAINED_ON)


def test_designs_and_examples_are_those_of_the_source(assets: Assets, file: Path) -> None:
    packed = assets_of(str(file))
    for seed, split in enumerate(SPLITS[:2], 3):
        ours, theirs = (make_design(seed, split, assets=own) for own in (packed, assets))
        np.testing.assert_array_equal(ours.picture.pixels, theirs.picture.pixels)
        assert ours.placed == theirs.placed
    ours, theirs = (Examples(2, own, 192, 9).batch(1, 3) for own in (packed, assets))
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one.inputs, other.inputs)


def test_the_limit_is_kept_and_photographs_give_way_first(
    assets: Assets, file: Path, tmp_path: Path
) -> None:
    whole = file.stat().st_size
    seen = []
    for part in (1.0, 0.8, 0.25, 0.15):
        target = tmp_path / f"{part}.zip"
        done = pack(assets, target, limit_mb=part * whole / 1e6)
        size = target.stat().st_size
        assert size == done.size <= done.limit <= whole
        assert f"{size / 1e6:.1f} of at most" in str(done)
        assert done.photographs == len(TRAINED_ON)
        index = PackedFile(target).index
        assert sum(member is not None for member in index.sprites.values()) == sum(
            done.drawings.values()
        )
        seen.append(done)
    assert seen[0].grade == GRADES[0] and seen[0].drawings == seen[0].usable
    grades = [GRADES.index(done.grade) for done in seen]
    assert grades == sorted(grades) and grades[1] > 0 and grades[-1] == len(GRADES) - 1
    counts = [sum(done.drawings.values()) for done in seen]
    assert counts == sorted(counts, reverse=True) and counts[-1] < counts[0]
    for done in seen:
        if done.grade != GRADES[-1]:
            assert done.drawings == done.usable
        shares = [done.drawings[split] / done.usable[split] for split in done.drawings]
        assert abs(shares[0] - shares[1]) < 0.3


def test_a_limit_that_is_too_small_says_what_would_do(assets: Assets, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="Too few") as caught:
        pack(assets, tmp_path / "x.zip", limit_mb=0.001)
    enough = float(re.findall(r"[\d.]+", caught.value.advice)[0])
    assert pack(assets, tmp_path / "x.zip", limit_mb=enough).drawings
    for limit in (0, -1, float("nan"), float("inf")):
        with pytest.raises(InvalidRequest, match="limit"):
            pack(assets, tmp_path / "y.zip", limit_mb=limit)
    assert [path.name for path in tmp_path.iterdir()] == ["x.zip"]


def test_targets_that_cannot_be_written_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    class Untouchable(Drawn):
        def names(self) -> tuple[str, ...]:
            raise AssertionError("read")

    (tmp_path / "folder.zip").mkdir()
    os.mkfifo(tmp_path / "pipe.zip")
    (tmp_path / "plain").write_bytes(b"")
    for name in ("folder.zip", "pipe.zip", "none/x.zip", "plain/x.zip", "x" * 300):
        with pytest.raises(UnwritableFile):
            pack(Assets(Untouchable()), tmp_path / name)
    assert len(list(tmp_path.iterdir())) == 3


def test_a_broken_source_leaves_the_file_as_it_was(share: Path, file: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(share, tmp_path / "share"))
    broken = next(item for item in WALLPAPERS if item.name == TRAINED_ON[4])
    (root / broken.path).write_bytes(b"no picture")
    target = Path(shutil.copy(file, tmp_path / "x.zip"))
    with pytest.raises(UnreadableFile, match="cannot be read"):
        pack(Assets(Drawn(), more=Wallpapers(root)), target)
    assert target.read_bytes() == file.read_bytes() and len(list(tmp_path.iterdir())) == 2


def test_the_command_says_what_is_missing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "training.pack", "--out", str(tmp_path / "x.zip")]
    bare = os.environ | {"PATH": str(tmp_path)}
    done = subprocess.run(command, cwd=ROOT, env=bare, capture_output=True, text=True)
    assert done.returncode == 1 and "librsvg2-bin" in done.stderr
    assert "Traceback" not in done.stderr and not list(tmp_path.iterdir())


@pytest.mark.skipif(shutil.which("rsvg-convert") is None, reason="needs rsvg-convert")
def test_drawings_are_rendered_and_packed(tmp_path: Path) -> None:
    folder = tmp_path / "svg" / "animals"
    folder.mkdir(parents=True)
    for name in NAMES[:12]:
        shape = '<ellipse cx="50" cy="70" rx="45" ry="60" fill="#c03020"/>'
        if name in UNUSABLE:
            shape = '<rect width="100" height="140"/>'  # fills its frame
        (folder / name).write_text(
            f'<svg xmlns="http://www.w3.org/2000/svg" width="100" height="140">{shape}</svg>'
        )
    source = OpenClipart(tmp_path / "cache", tmp_path / "svg")
    done = pack(Assets(source), tmp_path / "x.zip")
    packed = Assets.packed(tmp_path / "x.zip")
    for name in packed.sprites.names():
        np.testing.assert_array_equal(packed.sprites.read(name), source.read(name))
        assert (packed.sprites.read(name) is None) == (name in UNUSABLE)
    assert done.drawings == done.usable and sum(done.usable.values()) < len(packed.sprites.names())
