"""Mattes and foreground colours that need no weights: PyMatting's, and our own."""

import numpy as np
import pytest
from matte_scene import disc

from layerstudio.errors import Cancelled, InvalidRequest
from layerstudio.pipelines.runtime import Runtime
from layerstudio.pipelines.stages import matte_pymatting, pymatting_systems
from layerstudio.pipelines.stages.contracts import ForegroundEstimator, Matter
from layerstudio.pipelines.stages.opening import opened
from layerstudio.pipelines.stages.table import stage_class
from layerstudio.progress import CancelToken

# One process compiles PyMatting where nobody has before.
pytestmark = pytest.mark.xdist_group("pymatting")
MATTES = ["guided", "closed-form", "knn"]
COLOURS = ["pyramid-colours", "ml-colours", "closed-form-colours"]


def matted(id, scene, cancel=None):
    with opened("matte", id, Runtime()) as stage:
        assert isinstance(stage, Matter)
        return stage.alpha(scene.rgb, scene.trimap, cancel=cancel or CancelToken())


@pytest.mark.parametrize("id", MATTES)
def test_a_soft_edge_on_an_odd_size(id, capsys):
    scene = disc(75, 131)
    alpha = matted(id, scene)
    known = scene.trimap != 0.5
    assert alpha.dtype == np.float32 and np.array_equal(alpha[known], scene.trimap[known])
    assert np.abs(alpha - scene.alpha)[~known].mean() < 0.05
    assert np.abs(scene.trimap - scene.alpha)[~known].mean() > 0.2
    assert np.array_equal(alpha, matted(id, scene))
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("id", MATTES)
def test_stopped_and_without_a_trimap(id):
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        matted(id, disc(40, 50), cancel)
    with (
        pytest.raises(InvalidRequest, match="roughly what the foreground"),
        opened("matte", id, Runtime()) as stage,
    ):
        stage.alpha(disc(40, 50).rgb, None, cancel=CancelToken())


@pytest.mark.parametrize("id", MATTES)
@pytest.mark.parametrize("shape", [(1, 1), (2, 9), (7, 3)])
def test_tiny_pictures_and_trimaps_that_know_nothing(id, shape):
    rgb = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    with opened("matte", id, Runtime()) as stage:
        for value in (0, 0.5, 1):
            alpha = stage.alpha(rgb, np.full(shape, value, np.float32), cancel=CancelToken())
            assert np.isfinite(alpha).all() and alpha.shape == shape
            assert value == 0.5 or (alpha == value).all()


def test_closed_form_is_pymattings():
    from pymatting import estimate_alpha_cf

    scene = disc(90, 121)
    expected = estimate_alpha_cf(scene.rgb / 255, scene.trimap.astype(np.float64))
    assert np.abs(matted("closed-form", scene) - expected).max() < 1e-4


def test_knn_is_pymattings_on_what_is_open_and_its_surroundings():
    from pymatting import estimate_alpha_knn

    scene = disc(90, 121)
    is_open = (scene.trimap == 0.5).nonzero()
    rows, columns = (slice(max(0, x.min() - 32), x.max() + 33) for x in is_open)
    part = scene.rgb[rows, columns] / 255, scene.trimap[rows, columns].astype(np.float64)
    expected = estimate_alpha_knn(*part)
    found = matted("knn", scene)[rows, columns]
    unknown = part[1] == 0.5
    assert np.abs(found - expected)[unknown].max() < 1e-4


def test_in_tiles_it_is_nearly_what_it_is_whole(monkeypatch):
    scene = disc(260, 333, reach=8)
    whole = matted("closed-form", scene)
    monkeypatch.setattr(matte_pymatting, "_SIDE", 96)
    monkeypatch.setattr(matte_pymatting, "_CONTEXT", 16)
    tiled = matted("closed-form", scene)
    assert 0 < np.abs(tiled - whole).max() < 0.1
    assert np.abs(tiled - whole).mean() < 1e-3


def test_knn_worked_smaller_is_brought_back_along_edges(monkeypatch):
    scene = disc(150, 190)
    monkeypatch.setattr(matte_pymatting, "_KNN_PIXELS", 80 * 80)
    alpha = matted("knn", scene)
    assert np.abs(alpha - scene.alpha)[scene.trimap == 0.5].mean() < 0.06


@pytest.mark.parametrize("id", COLOURS)
def test_foreground_colours_where_the_picture_mixes_them(id, capsys):
    scene = disc(83, 120)
    with opened("foreground", id, Runtime()) as stage:
        assert isinstance(stage, ForegroundEstimator)
        found = stage.colours(scene.rgb, scene.alpha, cancel=CancelToken())
    mixed = (scene.alpha > 0.05) & (scene.alpha < 0.95)
    assert found.dtype == np.float32 and found.min() >= 0 and found.max() <= 1
    assert np.abs(found - scene.front)[mixed].mean() < 0.05
    assert np.abs(scene.rgb / 255 - scene.front)[mixed].mean() > 0.15
    opaque = scene.alpha == 1
    assert np.abs(found - scene.rgb / 255)[opaque].max() < 1e-6
    assert capsys.readouterr().out == ""


def test_closed_form_colours_in_tiles(monkeypatch):
    scene = disc(140, 150)
    stage = stage_class("closed-form-colours").open(Runtime())
    whole = stage.colours(scene.rgb, scene.alpha, cancel=CancelToken())
    monkeypatch.setattr(pymatting_systems, "_COLOUR_SIDE", 80)
    tiled = stage.colours(scene.rgb, scene.alpha, cancel=CancelToken())
    assert 0 < np.abs(tiled - whole).max() < 0.1


@pytest.mark.parametrize("id", COLOURS)
def test_nothing_mixed_is_the_picture_and_stopping(id):
    scene = disc(30, 41)
    stage = stage_class(id).open(Runtime())
    hard = np.round(scene.alpha)
    same = stage.colours(scene.rgb, hard, cancel=CancelToken())
    assert np.abs(same - scene.rgb / 255).max() < 1e-6
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        stage.colours(scene.rgb, scene.alpha, cancel=cancel)
