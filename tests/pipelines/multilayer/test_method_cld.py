"""``cld`` from a picture to a layered file and back, through the real loading of a toy pipeline."""

import json
import shutil

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from tiny_multilayer_base import multilayer_base, write_multilayer_base  # noqa: F401
from typer.testing import CliRunner

import layerstudio
from layerstudio import Bounds, Cancelled, CancelToken, Extent, InvalidRequest
from layerstudio.composite import composite_pixels
from layerstudio.errors import MismatchedWeights, MissingWeights, OutOfMemory
from layerstudio.pipelines import loading
from layerstudio.pipelines.enlarging import scaled
from layerstudio.pipelines.multilayer import cld_running, engine
from layerstudio.pipelines.multilayer.cld_running import working_extent
from layerstudio.pipelines.preflight import Free
from layerstudio.ui.cli.main import app

BOXES = [(8, 8, 24, 20), (30, 12, 20, 30)]


def drawing(width=61, height=45) -> np.ndarray:
    """A yellow rectangle and a red disc on blue."""
    pixels = np.full((height, width, 3), (40, 90, 150), np.uint8)
    cv2.rectangle(pixels, (10, 10), (28, 24), (255, 204, 0), -1)
    cv2.circle(pixels, (40, 27), 8, (204, 34, 34), -1)
    return pixels


@pytest.fixture(autouse=True)
def few_steps(monkeypatch):
    monkeypatch.setattr(cld_running, "STEPS", 3)


@pytest.fixture
def taken_apart(multilayer_base):  # noqa: F811
    def take(picture=None, **options):
        picture = drawing() if picture is None else picture
        return layerstudio.decompose(
            picture, **{"method": "cld", "base": str(multilayer_base), "seed": 1, **options}
        )

    return take


def error_of(document) -> float:
    return float(document.metadata["recomposition_max_error"])


def same(one, other):
    pairs = zip(one.layers, other.layers, strict=True)
    return all(a.bounds == b.bounds and np.array_equal(a.pixels, b.pixels) for a, b in pairs)


def test_boxes_to_layers_that_recompose_and_again(taken_apart, tmp_path):
    path = tmp_path / "drawing.png"
    Image.fromarray(drawing()).save(path)
    document = taken_apart(path, boxes=BOXES, prompts=("shapes",))
    assert error_of(document) <= 1 / 255 + 1e-6
    assert [layer.name for layer in document.layers] == ["Background", "Layer 1", "Layer 2"]
    assert document.layers[0].bounds == Bounds(0, 0, 61, 45)
    for layer, box in zip(document.layers[1:], BOXES, strict=True):
        assert Bounds(*box).padded(16).contains(layer.bounds)
    assert document.layers[1].provenance.prompt == "shapes"
    saved = document.save(tmp_path / "parts.psd")
    read = layerstudio.open(saved)
    assert [layer.name for layer in read.layers] == [layer.name for layer in document.layers]
    assert np.abs(composite_pixels(read)[..., :3].astype(int) - drawing()).max() <= 1
    assert same(layerstudio.again(saved), document)
    assert not same(taken_apart(path, boxes=BOXES, seed=2), document)


def test_boxes_of_what_flat_finds(taken_apart):
    document = taken_apart(drawing())
    found = {layer.name for layer in document.layers}
    assert any("red" in name for name in found) and any("yellow" in name for name in found), found
    assert error_of(document) <= 1 / 255 + 1e-6
    assert len(taken_apart(drawing(), layers=2).layers) == 2


def test_depth_and_alpha_are_kept(taken_apart):
    pixels = np.dstack([drawing(), np.full((45, 61), 255, np.uint8)]).astype(np.uint16) * 257
    pixels[:9, :, 3] = 20_001
    pixels[:3, :, 3] = 0
    document = taken_apart(pixels, boxes=BOXES)
    assert all(layer.pixels.dtype == np.uint16 for layer in document.layers)
    assert error_of(document) <= 1 / 255 + 1e-6


def test_the_raw_answer(taken_apart):
    raw = taken_apart(boxes=BOXES, exact=False)
    assert error_of(raw) > 0.1  # the toy's weights are random
    assert len(raw.layers) == 3


def test_what_is_ignored_is_noted(taken_apart):
    document = taken_apart(boxes=[BOXES[0], BOXES[0], (50, 30, 40, 40)], layers=9, points=[(1, 1)])
    notes = " ".join(document.notes)
    for part in ("no points", "9 layers were asked for", "1 and 2 are the same", "Box 3 reaches"):
        assert part in notes


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"boxes": [(90, 0, 9, 9)]}, "holds no pixel"),
        ({"boxes": [(0, 0, -9, 9)]}, "holds no pixel"),
        ({"boxes": [(0, 0, 9, 9)] * 51}, "51 boxes"),
        ({"picture": np.full((40, 40, 3), 99, np.uint8)}, "No object was found"),
    ],
)
def test_mistakes_are_told_before_weights_are_loaded(taken_apart, monkeypatch, options, sentence):
    monkeypatch.setattr(loading, "load", lambda wanted: pytest.fail("loaded"))
    loading.forget()
    with pytest.raises(InvalidRequest, match=sentence):
        taken_apart(**options)


def test_cancelled_in_the_middle(taken_apart):
    token, fractions = CancelToken(), []

    def watch(report):
        fractions.append(report.fraction)
        if "sampling" in report.stage:
            token.cancel()

    with pytest.raises(Cancelled):
        taken_apart(boxes=BOXES, progress=watch, cancel=token)
    assert fractions == sorted(fractions) and fractions[-1] < 0.5


class TestBases:
    def test_none(self):
        with pytest.raises(MissingWeights, match=r"withdrawn.*convert.*training/multilayer.py"):
            layerstudio.generate("a cat", method="art")
        with pytest.raises(MissingWeights, match="--accept-provenance"):
            layerstudio.decompose(drawing(), method="cld")

    def test_without_an_adapter(self, tiny_flux, tmp_path):
        base = write_multilayer_base(tmp_path / "art", tiny_flux, with_adapter=False)
        with pytest.raises(InvalidRequest, match="no adapter"):
            layerstudio.decompose(drawing(), method="cld", base=str(base))

    def test_of_another_kind(self, taken_apart, tiny_flux, tmp_path):
        for folder in (tiny_flux, tmp_path):
            with pytest.raises(InvalidRequest, match="no multi-layer pipeline"):
                taken_apart(base=str(folder))

    @pytest.mark.parametrize("part", ["transformer", "decoder", "adapter"])
    def test_of_the_wrong_shape(self, taken_apart, multilayer_base, tmp_path, part):  # noqa: F811
        base = tmp_path / "base"
        shutil.copytree(multilayer_base, base)
        path = base / part / "diffusion_pytorch_model.safetensors"
        state = load_file(path)
        first = sorted(state)[0]
        lacking = {key: value for key, value in state.items() if key != first}
        for changed in (lacking, state | {first: torch.zeros(3, 5)}):
            save_file(changed, path, {"format": "pt"})
            with pytest.raises(MismatchedWeights, match=first):
                taken_apart(base=str(base), boxes=BOXES)

    def test_too_little_memory(self, taken_apart, monkeypatch):
        loading.forget()
        monkeypatch.setattr(engine, "free_now", lambda runtime: Free(host_bytes=2**20))
        with pytest.raises(OutOfMemory, match="FLUX with layers at 64 x 48 needs"):
            taken_apart(boxes=BOXES)


def test_working_sizes():
    assert working_extent(Extent(4096, 2048)) == Extent(1024, 512)
    assert working_extent(Extent(61, 45)) == Extent(61, 45)
    assert working_extent(Extent(3, 5000)) == Extent(16, 1024)
    assert scaled(Bounds(5, 5, 2, 2), Extent(100, 100), Extent(10, 10)) == Bounds(0, 0, 1, 1)


def test_the_command_line(multilayer_base, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.chdir(tmp_path)
    Image.fromarray(drawing()).save("drawing.png")

    def run(*arguments):
        return CliRunner().invoke(app, ["decompose", "drawing.png", "--method", "cld", *arguments])

    done = run("--base", str(multilayer_base), "--box", "8,8,24,20", "--device", "cpu", "--json")
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)["results"][0]
    assert result["layers"] == ["Background", "Layer 1"]
    assert result["recomposition_max_error"] <= 1 / 255 + 1e-6
    (tmp_path / "drawing.psd").unlink()
    failed = run("--base", "nowhere/at/all")
    assert failed.exit_code == 2 and "does not exist" in failed.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["drawing.png"]
