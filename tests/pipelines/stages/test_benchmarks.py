"""The benchmarks of stages run, and the scenes they measure on are what they say."""

import numpy as np
import pytest

from benchmarks import matting, stages
from benchmarks.matting_scenes import scenes


def test_scenes_are_their_layers_composited():
    for scene in scenes(100):
        share = scene.alpha[..., None]
        assert scene.picture.shape == (80, 100, 3)
        opaque, open_ = scene.alpha == 1, scene.trimap == 0.5
        assert np.abs(scene.picture / 255 - scene.foreground)[opaque].max() < 0.5 / 255 + 1e-6
        assert (scene.alpha[~open_] == scene.trimap[~open_]).all() and 0 < open_.mean() < 1
        assert ((share > 0) & (share < 1)).any()


@pytest.mark.xdist_group("pymatting")
def test_mattes_are_compared(capsys):
    matting.main(["--quick", "--rounds", "1"])
    told = capsys.readouterr().out
    assert all(f"| {name} |" in told for name in (*matting.MATTES, *matting.COLOURS))


def test_stages_are_measured(capsys):
    stages.main(["--quick", "--only", "colours"])
    assert "| pyramid-colours |" in capsys.readouterr().out


@pytest.mark.slow
def test_every_stage_is_measured(capsys):
    stages.main(["--quick"])
    told = capsys.readouterr().out
    assert all(name in told for name in stages.STAGES)
