"""ViTMatte as a stage: the reference usage, any size, tiles, files."""

import numpy as np
import pytest
import torch
from matte_scene import disc
from tiny_depth import write_depth_anything, write_vitmatte

from layerstudio.errors import Cancelled, MismatchedWeights, MissingWeights, UnreadableFile
from layerstudio.pipelines.runtime import Runtime
from layerstudio.pipelines.stages import vitmatte
from layerstudio.pipelines.stages.contracts import Matter
from layerstudio.pipelines.stages.matte_vitmatte import VitMatteSmall
from layerstudio.pipelines.stages.opening import opened
from layerstudio.progress import CancelToken


def published(folder, rgb, trimap):
    """What its documentation says to do, with a trimap of 0, 128 and 255."""
    from transformers import VitMatteForImageMatting, VitMatteImageProcessor

    processor = VitMatteImageProcessor.from_pretrained(folder)
    network = VitMatteForImageMatting.from_pretrained(folder).eval()
    levels = np.where(trimap == 0.5, 128, trimap * 255).astype(np.uint8)
    inputs = processor(
        images=rgb, trimaps=levels, input_data_format="channels_last", return_tensors="pt"
    )
    with torch.no_grad():
        alpha = network(**inputs).alphas[0, 0, : rgb.shape[0], : rgb.shape[1]].numpy()
    return np.where(trimap == 0.5, alpha, trimap)


@pytest.mark.parametrize("id", ["vitmatte-small", "vitmatte-base"])
@pytest.mark.parametrize("shape", [(75, 131), (64, 96), (20, 23), (3, 40)])
def test_the_reference_usage_where_all_is_seen(id, shape, rows, toy_folder):
    folder = rows(id) / f"hustvl/{id}-composition-1k"
    scene = disc(*shape, reach=4)
    with opened("matte", id, Runtime()) as stage:
        assert isinstance(stage, Matter)
        alpha = stage.alpha(scene.rgb, scene.trimap, cancel=CancelToken())
        again = stage.alpha(scene.rgb, scene.trimap, cancel=CancelToken())
    expected = published(folder, scene.rgb, scene.trimap)
    assert np.abs(alpha - expected).max() < 1e-5 and np.array_equal(alpha, again)
    assert np.ptp(alpha[scene.trimap == 0.5]) > 0.02  # the toy says something


def test_only_what_is_open_is_looked_at(tmp_path):
    stage = VitMatteSmall.open(Runtime(), str(write_vitmatte(tmp_path / "toy")))
    scene = disc(400, 500)
    whole = np.zeros((400, 500), np.float32)
    whole[:40, :50] = 1
    whole[10:20, 30:70] = 0.5
    alpha = stage.alpha(scene.rgb, whole, cancel=CancelToken())
    seen = slice(0, 128), slice(0, 192)  # 96 around it, in whole tokens
    expected = published(tmp_path / "toy", scene.rgb[seen], whole[seen])
    assert np.abs(alpha[seen] - expected).max() < 1e-5
    assert np.array_equal(alpha[whole != 0.5], whole[whole != 0.5])


@pytest.mark.slow
def test_a_large_open_part_is_seen_in_tiles(tmp_path, monkeypatch):
    monkeypatch.setattr(vitmatte, "_SIDE", 128)
    monkeypatch.setattr(vitmatte, "_CONTEXT", 32)
    stage = VitMatteSmall.open(Runtime(), str(write_vitmatte(tmp_path / "toy")))
    rgb = disc(140, 300).rgb
    trimap = np.full((140, 300), 0.5, np.float32)
    alpha = stage.alpha(rgb, trimap, cancel=CancelToken())
    first = slice(0, 96), slice(0, 96)  # the tile of 64 in the corner, and what is beside it
    alone = published(tmp_path / "toy", rgb[first], trimap[first])
    assert np.abs(alpha[:31, :31] - alone[:31, :31]).max() < 1e-5  # no other tile reaches there
    assert np.abs(alpha[:96, :96] - alone).max() > 1e-3


def test_nothing_open_and_stopping(tmp_path):
    stage = VitMatteSmall.open(Runtime(), str(write_vitmatte(tmp_path / "toy")))
    scene = disc(60, 70)
    known = np.round(scene.alpha)
    assert np.array_equal(stage.alpha(scene.rgb, known, cancel=CancelToken()), known)
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        stage.alpha(scene.rgb, scene.trimap, cancel=cancel)


def test_missing_and_wrong_files(rows, tmp_path):
    rows()
    with (
        pytest.raises(MissingWeights, match="models pull vitmatte-small"),
        opened("matte", "vitmatte-small", Runtime()),
    ):
        pass
    other = write_depth_anything(tmp_path / "depth")
    with pytest.raises(MismatchedWeights, match="depth_anything"):
        VitMatteSmall.open(Runtime(), str(other))
    with pytest.raises(UnreadableFile, match="does not exist"):
        VitMatteSmall.open(Runtime(), str(tmp_path / "none.safetensors"))
    broken = write_vitmatte(tmp_path / "broken")
    from safetensors.torch import load_file, save_file

    state = load_file(broken / "model.safetensors")
    del state["decoder.matting_head.matting_convs.0.weight"]
    save_file(state, broken / "model.safetensors", {"format": "pt"})
    with pytest.raises(MismatchedWeights, match=r"matting_head.*is missing"):
        VitMatteSmall.open(Runtime(), str(broken))
