"""Depth networks as stages: nearer is larger, the reference usage, any size and proportions."""

import numpy as np
import pytest
import torch
from matte_scene import disc
from tiny_depth import as_metric, write_depth_anything, write_dpt, write_vitmatte

from layerstudio.errors import Cancelled, MismatchedWeights, MissingWeights
from layerstudio.pipelines.runtime import Runtime
from layerstudio.pipelines.stages.contracts import DepthEstimator
from layerstudio.pipelines.stages.opening import opened
from layerstudio.pipelines.stages.table import stage_class
from layerstudio.progress import CancelToken
from layerstudio.weights.registry import checkpoint

IDS = [
    "depth-anything-v2-small",
    "depth-anything-v2-base",
    "depth-anything-v2-large",
    "dpt-large",
    "dpt-hybrid-midas",
]


def published(folder, rgb):
    """What their documentation says to do."""
    from transformers import AutoModelForDepthEstimation, DPTImageProcessor

    processor = DPTImageProcessor.from_pretrained(folder)
    network = AutoModelForDepthEstimation.from_pretrained(folder).eval()
    with torch.no_grad():
        outputs = network(**processor(images=rgb, return_tensors="pt"))
    (done,) = processor.post_process_depth_estimation(outputs, target_sizes=[rgb.shape[:2]])
    return done["predicted_depth"].numpy()


def nearness(stage, rgb):
    return stage.nearness(rgb, cancel=CancelToken())


@pytest.mark.parametrize("id", IDS)
def test_the_reference_usage_which_tells_the_inverse_of_distance(id, rows):
    """MiDaS and Depth Anything predict inverse depth: what they call depth is nearness as it is."""
    folder = rows(id) / checkpoint(id).repository
    rgb = disc(75, 131).rgb
    with opened("depth", id, Runtime()) as stage:
        assert isinstance(stage, DepthEstimator)
        found = nearness(stage, rgb)
        assert np.array_equal(found, nearness(stage, rgb))
    expected = published(folder, rgb)
    assert found.shape == (75, 131) and found.dtype == np.float32
    assert np.ptp(expected) > 1e-3
    assert np.abs(found - expected).max() < 2e-4 * max(1.0, np.abs(expected).max())


def test_a_checkpoint_that_tells_distance_is_turned_around(tmp_path):
    rgb = disc(60, 80).rgb
    folder = as_metric(write_depth_anything(tmp_path / "metric"))
    found = nearness(stage_class("depth-anything-v2-small").open(Runtime(), str(folder)), rgb)
    assert np.ptp(found) > 0
    assert np.abs(found + published(folder, rgb)).max() < 1e-3


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (900, 40)])
@pytest.mark.parametrize("id", ["depth-anything-v2-small", "dpt-large"])
def test_any_size_and_proportions(id, shape, tmp_path):
    write = write_dpt if id == "dpt-large" else write_depth_anything
    stage = stage_class(id).open(Runtime(), str(write(tmp_path / "toy")))
    seen = []
    inner = stage._network._network.forward
    stage._network._network.forward = lambda pixels: seen.append(pixels.shape) or inner(pixels)
    rgb = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    found = nearness(stage, rgb)
    assert found.shape == shape and np.isfinite(found).all()
    assert max(seen[0][2:]) <= 4 * 70


def test_missing_wrong_and_stopped(rows, tmp_path):
    rows()
    with (
        pytest.raises(MissingWeights, match="models pull depth-anything-v2-small"),
        opened("depth", "depth-anything-v2-small", Runtime()),
    ):
        pass
    with pytest.raises(MismatchedWeights, match="vitmatte"):
        stage_class("dpt-large").open(Runtime(), str(write_vitmatte(tmp_path / "other")))
    stage = stage_class("dpt-large").open(Runtime(), str(write_dpt(tmp_path / "dpt")))
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        stage.nearness(disc(20, 30).rgb, cancel=cancel)
