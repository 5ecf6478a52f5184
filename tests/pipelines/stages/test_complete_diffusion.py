"""Diffusion inpainting as a stage, and the classical fill: known pixels, seeds, cancel, files."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from tiny_checkpoints import write_sdxl
from tiny_inpainting import write_flux_fill, write_sdxl_inpaint

from layerstudio.errors import (
    Cancelled,
    InvalidRequest,
    MismatchedWeights,
    MissingWeights,
    UnreadableFile,
)
from layerstudio.geometry import Bounds, Extent
from layerstudio.models.inpaint_boxes import boxes_of
from layerstudio.ops.fill import fill
from layerstudio.pipelines import loading
from layerstudio.pipelines.runtime import Runtime
from layerstudio.pipelines.stages import complete_diffusion
from layerstudio.pipelines.stages.contracts import Completer
from layerstudio.pipelines.stages.diffusion_holes import _grouped, _working
from layerstudio.pipelines.stages.opening import opened
from layerstudio.pipelines.stages.table import stage_class
from layerstudio.progress import CancelToken, Progress, ignore_progress

IDS = ["sdxl-inpaint", "flux-fill"]
SLOW_TWIN = [IDS[0], pytest.param(IDS[1], marks=pytest.mark.slow)]


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(60, 200, (5, 6, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


RGB = picture(91, 203)
HOLES = np.zeros((91, 203), bool)
HOLES[20:50, 10:40] = True
HOLES[60:80, 180:203] = True


@pytest.fixture(autouse=True)
def few_steps(monkeypatch):
    """And a small square, where the configuration does not say that the toy is a toy."""
    for name in ("SdxlInpaint", "FluxFill"):
        kind = getattr(complete_diffusion, name)
        options = dict(kind.recipe.options) | {"num_inference_steps": 2}
        monkeypatch.setattr(kind, "recipe", replace(kind.recipe, side=64, options=options))
    yield
    loading.forget()


def filled(stage, seed=0, prompt="a wall", cancel=None, progress=ignore_progress):
    return stage.fill(
        RGB, HOLES, prompt=prompt, seed=seed, progress=progress, cancel=cancel or CancelToken()
    )


@pytest.mark.parametrize("id", SLOW_TWIN)
def test_known_pixels_stay_and_the_seed_and_the_prompt_decide(id, rows):
    rows(id)
    reports: list[Progress] = []
    with opened("complete", id, Runtime()) as stage:
        assert isinstance(stage, Completer) and "prompt" in stage.card.takes
        made = filled(stage, progress=reports.append)
        again = filled(stage)
        other = filled(stage, seed=1)
        prompted = filled(stage, prompt="grass")
    assert made.dtype == np.uint8 and np.array_equal(made[~HOLES], RGB[~HOLES])
    assert np.array_equal(made, again) and not np.array_equal(made[HOLES], RGB[HOLES])
    assert not np.array_equal(made, other) and not np.array_equal(made, prompted)
    fractions = [report.fraction for report in reports]
    assert fractions == sorted(fractions) and fractions[-1] == 1.0 and len(fractions) >= 4


@pytest.mark.parametrize("id", IDS)
def test_stopped_between_two_steps_and_usable_afterwards(id, rows):
    rows(id)
    cancel = CancelToken()

    def stop(report: Progress) -> None:
        if report.fraction > 0:
            cancel.cancel()

    with opened("complete", id, Runtime()) as stage:
        with pytest.raises(Cancelled):
            filled(stage, cancel=cancel, progress=stop)
        assert np.array_equal(filled(stage)[~HOLES], RGB[~HOLES])


def test_no_hole_loads_nothing(rows):
    rows("sdxl-inpaint")
    with opened("complete", "sdxl-inpaint", Runtime()) as stage:
        same = stage.fill(RGB, np.zeros_like(HOLES), progress=ignore_progress, cancel=CancelToken())
    assert np.array_equal(same, RGB) and same is not RGB


def test_everything_may_be_a_hole(rows):
    rows("sdxl-inpaint")
    with opened("complete", "sdxl-inpaint", Runtime()) as stage:
        made = stage.fill(RGB, np.ones_like(HOLES), progress=ignore_progress, cancel=CancelToken())
    assert made.shape == RGB.shape and np.ptp(made) > 0


def test_missing_and_wrong_models(rows, tmp_path):
    rows()
    for id in IDS:
        with (
            pytest.raises(MissingWeights, match=f"models pull {id}"),
            opened("complete", id, Runtime()),
        ):
            pass
    flux = write_flux_fill(tmp_path / "flux")
    with pytest.raises(UnreadableFile, match="unet/config"):
        stage_class("sdxl-inpaint").open(Runtime(), str(flux))
    plain = write_sdxl(tmp_path / "sdxl")
    with pytest.raises(UnreadableFile, match="transformer/config"):
        stage_class("flux-fill").open(Runtime(), str(plain))
    with pytest.raises(InvalidRequest, match="no inpainting model"):
        stage_class("flux-fill").open(Runtime(), "nonsense")
    broken = write_sdxl_inpaint(tmp_path / "broken")
    config = broken / "unet/config.json"
    config.write_text(config.read_text().replace('"in_channels": 9', '"in_channels": 5'))
    with pytest.raises(MismatchedWeights, match="5 channels, not 9 or 4"):
        stage_class("sdxl-inpaint").open(Runtime(), str(broken))


def test_boxes_are_large_enough_and_shared():
    holes = np.zeros((900, 1300), bool)
    holes[100:120, 100:130] = holes[140:150, 200:220] = holes[850:890, 1270:1300] = True
    extent = Extent(1300, 900)
    works = _grouped(boxes_of(holes, 512 * 512), extent, 512)
    assert len(works) == 2
    covered = np.zeros_like(holes)
    for box, own in works:
        assert Bounds.full(extent).contains(box) and min(box.extent) >= 256
        assert not (covered[box.slices] & own).any()
        covered[box.slices] |= own
    assert np.array_equal(covered, holes)
    assert _working(Extent(300, 600), 512, 8) == Extent(360, 728)


def test_the_classical_fill_is_a_stage_that_needs_nothing(rows):
    rows()
    reports: list[Progress] = []
    with opened("complete", "flat-fill", Runtime()) as stage:
        assert isinstance(stage, Completer) and not stage.card.needs
        made = filled(stage, seed=3, progress=reports.append)
        cancel = CancelToken()
        cancel.cancel()
        with pytest.raises(Cancelled):
            filled(stage, cancel=cancel)
    assert np.array_equal(made, fill(RGB, HOLES, seed=3).image)
    assert reports[-1].fraction == 1.0
