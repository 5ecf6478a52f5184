"""LaMa as a stage: every published file, progress, cancel."""

import numpy as np
import pytest
from safetensors.torch import save_file
from tiny_mattes import tiny_lama, trainer_checkpoint, write_torchscript

from layerstudio.errors import Cancelled, MismatchedWeights, MissingWeights, UnreadableFile
from layerstudio.models.lama_inpaint import inpaint
from layerstudio.pipelines.runtime import Runtime
from layerstudio.pipelines.stages.complete_lama import LamaCompleter
from layerstudio.pipelines.stages.contracts import Completer
from layerstudio.pipelines.stages.opening import opened
from layerstudio.progress import CancelToken, Progress, ignore_progress

RGB = np.random.default_rng(3).integers(0, 256, (77, 201, 3), dtype=np.uint8)
HOLES = np.zeros((77, 201), bool)
HOLES[10:20, 5:25] = HOLES[50:60, 170:190] = True


def filled(stage, cancel=None, progress=ignore_progress):
    return stage.fill(RGB, HOLES, progress=progress, cancel=cancel or CancelToken())


def test_from_the_registry_with_progress_for_each_hole(rows):
    rows("big-lama")
    reports: list[Progress] = []
    with opened("complete", "lama", Runtime()) as stage:
        assert isinstance(stage, Completer)
        made = filled(stage, progress=reports.append)
    assert np.array_equal(made, inpaint(tiny_lama(), RGB, HOLES))
    assert np.array_equal(made[~HOLES], RGB[~HOLES])
    assert [report.fraction for report in reports] == [0.0, 0.5, 1.0]


@pytest.mark.parametrize("kind", ["pt", "ckpt", "safetensors"])
def test_every_published_file(kind, tmp_path):
    path = tmp_path / f"big-lama.{kind}"
    if kind == "pt":
        write_torchscript(path)
    elif kind == "ckpt":
        path.write_bytes(trainer_checkpoint())
    else:
        save_file(tiny_lama().state_dict(), path)
    stage = LamaCompleter.open(Runtime(), str(path))
    assert np.array_equal(filled(stage), inpaint(tiny_lama(), RGB, HOLES))


def test_cancelled_between_two_holes(rows):
    rows("big-lama")
    cancel = CancelToken()

    def stop(report: Progress) -> None:
        if report.fraction > 0:
            cancel.cancel()

    with pytest.raises(Cancelled), opened("complete", "lama", Runtime()) as stage:
        filled(stage, cancel, stop)


def test_missing_and_wrong_files(rows, tmp_path):
    rows()
    with (
        pytest.raises(MissingWeights, match="models pull big-lama"),
        opened("complete", "lama", Runtime()),
    ):
        pass
    with pytest.raises(UnreadableFile, match="does not exist"):
        LamaCompleter.open(Runtime(), str(tmp_path / "none.pt"))
    other = tmp_path / "other.safetensors"
    save_file({"a": tiny_lama().state_dict()["model.1.ffc.convl2l.weight"]}, other)
    with pytest.raises(MismatchedWeights, match="LaMa"):
        LamaCompleter.open(Runtime(), str(other))
