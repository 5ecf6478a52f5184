"""The BiRefNet mattes: sizes, trimaps, files, and the published way of calling them."""

import json
import shutil

import cv2
import numpy as np
import pytest
from tiny_mattes import tiny_birefnet, write_birefnet

from layerstudio.errors import (
    Cancelled,
    InvalidRequest,
    MismatchedWeights,
    MissingWeights,
    UnreadableFile,
)
from layerstudio.geometry import Extent
from layerstudio.models.birefnet_matte import matte, same_area
from layerstudio.pipelines.runtime import Runtime
from layerstudio.pipelines.stages.contracts import Matter
from layerstudio.pipelines.stages.opening import opened
from layerstudio.pipelines.stages.table import stage_class
from layerstudio.progress import CancelToken

TWINS = ("birefnet", "birefnet-matting", "birefnet-hr-matting", "birefnet-lite")
IDS = [
    "layerd-birefnet",
    "birefnet-dynamic",
    # The same network, in repositories of other names.
    *(pytest.param(id, marks=pytest.mark.slow) for id in TWINS),
]


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def sized(folder, size):
    """A toy whose configuration says at what size it works; a small one, to be quick."""
    write_birefnet(folder)
    (folder / "config.json").write_text(json.dumps({"size": size}))
    return str(folder)


@pytest.mark.parametrize("id", IDS)
def test_each_published_one_opens_and_mattes_at_the_pictures_size(id, rows, monkeypatch):
    rows(id)
    monkeypatch.setattr(stage_class(id), "side", 64)
    rgb = picture(75, 131)
    with opened("matte", id, Runtime()) as stage:
        assert isinstance(stage, Matter)
        alpha = stage.alpha(rgb, None, cancel=CancelToken())
        again = stage.alpha(rgb, None, cancel=CancelToken())
    working = same_area(Extent.of(rgb), 64) if id == "birefnet-dynamic" else 64
    expected = matte(tiny_birefnet(), rgb, size=working)
    assert np.array_equal(alpha, expected) and np.array_equal(alpha, again)


def test_published_sizes():
    sides = {id: stage_class(id).side for id in (*TWINS, "layerd-birefnet", "birefnet-dynamic")}
    assert sides["layerd-birefnet"] == 512 and sides["birefnet-hr-matting"] == 2048
    assert {sides[id] for id in ("birefnet", "birefnet-lite", "birefnet-dynamic")} == {1024}


@pytest.mark.parametrize(("size", "expected"), [(96, (96, 96)), ([64, 96], (96, 64))])
def test_the_configuration_says_the_size_height_first(size, expected, tmp_path):
    stage = stage_class("birefnet").open(Runtime(), sized(tmp_path / "own", size))
    assert stage.size == Extent(*expected)


def test_a_larger_size_is_an_option(tmp_path):
    stage = stage_class("birefnet").open(Runtime(), sized(tmp_path / "own", 64))
    rgb = picture(50, 90)
    larger = stage.alpha(rgb, None, cancel=CancelToken(), size=100)
    assert np.array_equal(larger, matte(stage.network, rgb, size=128))


def test_a_trimap_is_kept_to_and_says_where_to_look(tmp_path):
    stage = stage_class("birefnet").open(Runtime(), sized(tmp_path / "own", 64))
    rgb = picture(150, 190)
    trimap = np.zeros((150, 190), np.float32)
    trimap[40:70, 50:90] = 0.5
    trimap[50:60, 60:80] = 1
    alpha = stage.alpha(rgb, trimap, cancel=CancelToken())
    assert (alpha[trimap == 0] == 0).all() and (alpha[trimap == 1] == 1).all()
    seen = slice(40 - 32, 70 + 32), slice(50 - 32, 90 + 32)
    unknown = trimap == 0.5
    expected = matte(stage.network, rgb[seen], size=64)
    assert np.array_equal(alpha[unknown], expected[unknown[seen]])
    nothing = stage.alpha(rgb, np.zeros_like(trimap), cancel=CancelToken())
    assert not nothing.any()


def test_cancelled_before_the_network_runs(tmp_path):
    stage = stage_class("birefnet").open(Runtime(), sized(tmp_path / "own", 64))
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        stage.alpha(picture(20, 30), None, cancel=cancel)


def test_what_is_missing_or_wrong_is_a_sentence(rows, tmp_path):
    rows("big-lama")
    with (
        pytest.raises(MissingWeights, match="models pull birefnet-lite"),
        opened("matte", "birefnet-lite", Runtime()),
    ):
        pass
    with pytest.raises(InvalidRequest, match="no stage that can matte"):
        stage_class("lama", "matte")
    folder = write_birefnet(tmp_path / "broken")
    (folder / "config.json").write_text('{"size": "large"}')
    with pytest.raises(UnreadableFile, match="no size"):
        stage_class("birefnet").open(Runtime(), str(folder))
    (folder / "config.json").write_text("not json")
    with pytest.raises(UnreadableFile, match="not a configuration"):
        stage_class("birefnet").open(Runtime(), str(folder))


def test_another_networks_file_is_refused(tmp_path):
    from safetensors.torch import save_file
    from tiny_mattes import tiny_lama

    other = tmp_path / "other.safetensors"
    save_file(tiny_lama().state_dict(), other)
    with pytest.raises(MismatchedWeights, match="BiRefNet"):
        stage_class("birefnet").open(Runtime(), str(other))


def test_a_repository_with_other_copies_of_the_weights(tmp_path):
    """Other programs fetch whole repositories, with the weights in several formats."""
    folder = write_birefnet(tmp_path / "whole")
    shutil.copy(folder / "model.safetensors", folder / "BiRefNet-epoch_9.pth")
    (folder / "config.json").write_text('{"size": 64}')
    stage = stage_class("birefnet").open(Runtime(), str(folder))
    assert stage.alpha(picture(20, 30), None, cancel=CancelToken()).shape == (20, 30)
