"""``layerd`` from a picture to a layered file and back, by toy networks that are really loaded."""

import json

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

import layerstudio
from layerstudio import Cancelled, CancelToken, InvalidRequest
from layerstudio.composite import composite_pixels
from layerstudio.document import Group, Role
from layerstudio.errors import MissingWeights, OutOfMemory
from layerstudio.models.birefnet import BiRefNet
from layerstudio.models.birefnet_matte import matte
from layerstudio.models.lama import Lama
from layerstudio.models.lama_inpaint import inpaint
from layerstudio.models.lama_weights import lama_from_file
from layerstudio.pipelines.layerd import large
from layerstudio.pipelines.layerd.published import Published, peel_as_published
from layerstudio.pipelines.runtime import Runtime
from layerstudio.pipelines.stages.opening import opened
from layerstudio.ui.cli.main import app

SIDE = 64  # pixels that the toy looks at


def drawing(width=121, height=90) -> np.ndarray:
    """Two reds on light grey, which the toy takes for objects: a rectangle and a disc."""
    pixels = np.full((height, width, 3), 230, np.uint8)
    cv2.rectangle(pixels, (20, 15), (60, 45), (200, 30, 40), -1)
    cv2.circle(pixels, (90, 60), 18, (215, 45, 30), -1, cv2.LINE_AA)
    return pixels


def taken_apart(picture=None, *, settings=None, **options):
    picture = drawing() if picture is None else picture
    options = {"method": "layerd", "settings": settings or {}, "seed": 1, **options}
    return layerstudio.decompose(picture, **options)


def error_of(document) -> float:
    return float(document.metadata["recomposition_max_error"])


def same(one, other) -> bool:
    pairs = list(zip(one.layers, other.layers, strict=True))
    return all(a.bounds == b.bounds and np.array_equal(a.pixels, b.pixels) for a, b in pairs)


def test_things_come_off_a_background_that_is_whole(with_toys):
    seen = []
    document = taken_apart(progress=seen.append)
    background, *things = document.layers
    assert background.role is Role.BACKGROUND and (background.pixels[..., 3] == 255).all()
    assert len(things) >= 2 and error_of(document) <= 1 / 255
    assert {thing.provenance.weights for thing in things} == {"layerd-birefnet"}
    fractions = [report.fraction for report in seen]
    assert fractions == sorted(fractions) and fractions[-1] == 1
    assert len({report.stage for report in seen}) >= 8
    assert same(document, taken_apart())


@pytest.mark.parametrize(("width", "height"), [(121, 1), (1, 77), (33, 250)])
def test_any_shape(with_toys, width, height):
    picture = cv2.resize(drawing(), (width, height), interpolation=cv2.INTER_AREA)
    document = taken_apart(picture)
    assert document.extent == (width, height) and error_of(document) <= 1 / 255


def test_sixteen_bits_and_alpha_stay(with_toys):
    rgba = np.dstack([drawing(), np.full((90, 121), 255, np.uint8)]).astype(np.uint16) * 257
    rgba[:30, :, 3] = 30000
    rgba[60:, :40, 3] = 0
    rgba += np.random.default_rng(0).integers(0, 2, rgba.shape, np.uint16) * (rgba < 65535)
    picture = layerstudio.Picture(rgba)
    document = taken_apart(picture)
    assert all(layer.pixels.dtype == np.uint16 for layer in document.layers)
    assert error_of(document) <= 1 / 65535 + 1e-6


def test_nothing_at_all_and_nothing_on_top(with_toys):
    clear = taken_apart(np.zeros((20, 30, 4), np.uint8))
    assert len(clear.layers) == 1
    plain = taken_apart(np.full((40, 50, 3), 230, np.uint8))
    assert [layer.role for layer in plain.layers] == [Role.BACKGROUND]
    assert any("Nothing was found on top" in note for note in plain.notes)


def test_layers_in_the_number_wanted(with_toys):
    assert len(taken_apart(layers=1).layers) == 1
    assert len(taken_apart(layers=2).layers) == 2
    many = taken_apart(layers=9)
    assert len(many.layers) < 9 and any("9 layers were asked for" in note for note in many.notes)


def test_each_box_is_a_layer(with_toys):
    boxes = [(15, 10, 50, 40), (70, 38, 44, 45), (0, 70, 20, 20)]
    document = taken_apart(boxes=boxes, points=[(30, 30)])
    _, first, second = document.layers
    for layer, box in ((first, boxes[0]), (second, boxes[1])):
        assert layerstudio.Bounds(*box).contains(layer.bounds)
    assert any(str(tuple(boxes[2])) in note for note in document.notes)
    assert any("takes no points" in note for note in document.notes)
    assert error_of(document) <= 1 / 255


def test_peels_as_layers_and_fewer_of_them(with_toys):
    peels = taken_apart(settings={"grouping": "peels", "peels": 1})
    assert len(peels.layers) == 2


def test_without_a_network_for_hidden_parts(without_lama):
    with pytest.raises(MissingWeights, match="models pull big-lama"):
        taken_apart()
    document = taken_apart(settings={"fill": "surroundings"})
    assert len(document.layers) >= 3 and error_of(document) <= 1 / 255


def test_missing_weights_are_named_before_anything_loads(tmp_path, monkeypatch):
    monkeypatch.setenv("LAYERSTUDIO_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(MissingWeights, match="models pull layerd-birefnet big-lama"):
        taken_apart()
    with pytest.raises(MissingWeights, match="models pull birefnet-lite big-lama"):
        taken_apart(settings={"matte": "birefnet-lite"})


@pytest.mark.parametrize(
    "settings", [{"peels": 31}, {"kernel_scale": 0.5}, {"matte": "lama"}, {"x": 1}]
)
def test_settings_that_make_no_sense(with_toys, settings):
    with pytest.raises(InvalidRequest):
        taken_apart(settings=settings)


def test_a_matting_network_of_ones_own(with_toys, layerd_toys):
    own = layerd_toys / "cyberagent" / "layerd-birefnet"
    document = taken_apart(base=str(own))
    assert same(document, taken_apart()) and document.layers[1].provenance.weights == str(own)


def test_stopped_at_every_stage(with_toys):
    once, stages = {"peels": 1}, []
    taken_apart(settings=once, progress=lambda report: stages.append(report.stage))
    for stop_at in range(len(stages) - 1):
        cancel, seen = CancelToken(), []

        def watch(report, cancel=cancel, seen=seen, stop_at=stop_at):
            seen.append(report)
            if len(seen) > stop_at:
                cancel.cancel()

        with pytest.raises(Cancelled):
            taken_apart(settings=once, progress=watch, cancel=cancel)
        assert len(seen) == stop_at + 1, stages[stop_at]


@pytest.mark.parametrize("network", [BiRefNet, Lama])
def test_memory_that_runs_out_is_a_sentence(with_toys, monkeypatch, network):
    def forward(*arguments):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(network, "forward", forward)
    with pytest.raises(OutOfMemory, match="Memory ran out"):
        taken_apart()


def test_a_large_picture_is_worked_smaller_and_comes_back_whole(with_toys, monkeypatch):
    monkeypatch.setattr(large, "LARGEST", 6000)
    monkeypatch.setattr(
        "layerstudio.pipelines.layerd.running.factor_of", lambda e: large.factor_of(e, 6000)
    )
    picture = cv2.resize(drawing(), (403, 301), interpolation=cv2.INTER_CUBIC)
    document = taken_apart(picture)
    assert document.extent == (403, 301) and error_of(document) <= 1 / 255
    assert len(document.layers) >= 3 and any("81 x 61" in note for note in document.notes)


class TestParity:
    def settings(self, **more):
        return {"parity": True, **more}

    def test_it_is_the_published_loop_on_the_published_networks(self, with_toys):
        document = taken_apart(settings=self.settings(fg_refine=True, peels=2), exact=False)
        with (
            opened("matte", "layerd-birefnet", Runtime()) as matter,
            opened("complete", "lama", Runtime()) as completer,
        ):
            expected = peel_as_published(
                drawing(),
                lambda rgb: matte(matter.network, rgb, size=SIDE, parity=True),
                lambda rgb, holes: inpaint(completer.network, rgb, holes, parity=True),
                Published(peels=2, refine_foreground=True),
            )
        assert len(document.layers) == len(expected) > 1
        for layer, pixels in zip(document.layers, expected, strict=True):
            assert np.array_equal(layer.pixels, pixels)

    def test_it_can_be_exact_too_and_says_what_it_ignores(self, with_toys):
        document = taken_apart(settings=self.settings(), boxes=[(1, 1, 5, 5)], layers=7)
        assert error_of(document) <= 1 / 255
        assert any("boxes" in note for note in document.notes)
        assert any("each peel is a layer" in note for note in document.notes)


def test_command_line_writes_what_can_be_made_again(with_toys, tmp_path):
    source, target = tmp_path / "poster.png", tmp_path / "poster.psd"
    Image.fromarray(drawing()).save(source)
    arguments = ["decompose", source, "-o", target, "--method", "layerd", "--set", "peels=2"]
    done = CliRunner().invoke(app, [*map(str, arguments), "--json"])
    assert done.exit_code == 0, done.output
    document = layerstudio.open(target)
    assert document.request["settings"]["peels"] == 2
    again = layerstudio.again(target)
    for saved, made in zip(document.layers, again.layers, strict=True):
        shown = made.pixels[..., 3] > 0  # files have colour under alpha 0 too
        assert saved.name == made.name and saved.bounds == made.bounds
        assert np.array_equal(saved.pixels[shown], made.pixels[shown])
    assert json.loads(done.stdout)


def test_a_layer_comes_apart_in_its_place(with_toys):
    flat = layerstudio.decompose(drawing(), layers=1)
    nested = layerstudio.split(flat, flat.layers[0].name, method="layerd")
    (group,) = nested.children
    assert isinstance(group, Group) and len(group.children) >= 3
    off = composite_pixels(nested).astype(int) - composite_pixels(flat)
    assert np.abs(off).max() <= 1


def test_lama_is_read_from_the_published_zip(with_toys):
    network = lama_from_file(with_toys / "smartywu" / "big-lama" / "big-lama.zip")
    assert isinstance(network, Lama)
