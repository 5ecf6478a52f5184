"""``art`` from text to a layered file and back, through the real loading of a toy pipeline."""

import json

import numpy as np
import pytest
from tiny_multilayer_base import multilayer_base  # noqa: F401
from typer.testing import CliRunner

import layerstudio
from layerstudio import Bounds, Cancelled, CancelToken, InvalidRequest
from layerstudio.composite import composite_pixels
from layerstudio.document import Group, Role
from layerstudio.pipelines.multilayer.layout.plan import LayoutPlan
from layerstudio.ui.cli.main import app

QUICK = {"method": "art", "steps": 2, "seed": 3, "extent": (100, 72)}
PLACED = {"foregrounds": ("a cat", "a dog"), "boxes": ((10, 8, 40, 30), (60, 20, 40, 52))}
CAPTIONS = ("a red bicycle", 'title: "SUMMER SALE"', "panel: a yellow banner")


@pytest.fixture
def made(multilayer_base):  # noqa: F811
    def make(prompt="a poster", **options):
        return layerstudio.generate(prompt, **{**QUICK, "base": str(multilayer_base), **options})

    return make


def same(one, other):
    pairs = zip(one.layers, other.layers, strict=True)
    return all(
        a.name == b.name and a.bounds == b.bounds and np.array_equal(a.pixels, b.pixels)
        for a, b in pairs
    )


def names(document):
    return [layer.name for layer in document.layers]


def test_boxes_to_a_file_and_again(made, tmp_path):
    document = made(**PLACED)
    assert names(document) == ["Background", "a cat", "a dog", "Blended (reference)"]
    background, cat, dog, reference = document.layers
    assert background.role is Role.BACKGROUND
    assert background.bounds == Bounds(0, 0, 100, 72)
    assert not reference.visible
    for layer, box in zip((cat, dog), PLACED["boxes"], strict=True):
        # Boxes are widened to whole tokens of 16 pixels.
        assert Bounds(*box).padded(16).contains(layer.bounds)
    assert cat.provenance.prompt == "a cat" and background.provenance.prompt == "a poster"
    path = document.save(tmp_path / "made.psd")
    read = layerstudio.open(path)
    assert names(read) == names(document)
    difference = composite_pixels(read).astype(int) - composite_pixels(document)
    assert np.abs(difference).max() <= 1
    assert same(layerstudio.again(path), document)


def test_every_document_is_what_its_seed_alone_makes(made, multilayer_base):  # noqa: F811
    options = QUICK | {"base": str(multilayer_base), "extent": (96, 80)}
    many = layerstudio.generate_many("a cat", 2, **options)
    alone = made("a cat", extent=(96, 80), seed=4)
    assert same(many[1], alone) and not same(many[0], alone)
    assert many[1].request == alone.request


def test_a_planner_lays_out_and_text_is_set_in_type(made):
    document = made("a sale", foregrounds=CAPTIONS, extent=(200, 150), layers=4, true_guidance=1.0)
    assert names(document)[:4] == [
        "Background", "a yellow banner", "a red bicycle", "SUMMER SALE",
    ]  # fmt: skip
    title = document.layers[3]
    assert title.role is Role.TEXT and title.text.string.split() == ["SUMMER", "SALE"]
    plan = LayoutPlan.from_json(document.request["layout"])
    text = next(layer for layer in plan.foregrounds if layer.text)
    assert text.box.contains(title.bounds)
    assert document.request["planner"] is None
    assert same(layerstudio.again(document), document)


def test_text_in_a_box_of_its_own(made):
    boxes = ((0, 0, 60, 60), (10, 80, 150, 40))
    document = made(foregrounds=CAPTIONS[:2], boxes=boxes, extent=(170, 130))
    assert names(document)[1:3] == ["a red bicycle", "SUMMER SALE"]
    assert Bounds(*boxes[1]).contains(document.layers[2].bounds)


def test_guidance_of_one_layer_steers_it(made):
    plain, steered = (
        made(**PLACED, steps=4, layer_guidance=scale) for scale in ({}, {"A Dog": 30.0})
    )
    assert not np.array_equal(plain.layers[2].pixels, steered.layers[2].pixels)
    assert not same(made(**PLACED, true_guidance=1.0), made(**PLACED))
    assert not same(made(**PLACED, guidance=1.0), made(**PLACED))


def test_boxes_alone_with_what_may_not_have_been_meant(made):
    document = made(boxes=((0, 0, 30, 30), (0, 0, 30, 30), (80, 60, 90, 90)))
    assert names(document)[1:4] == ["Layer 1", "Layer 2", "Layer 3"]
    assert "Boxes 1 and 2 are the same place." in document.notes
    assert any("Box 3 reaches beyond" in note for note in document.notes)


class TestExisting:
    @pytest.fixture
    def file(self, made, tmp_path):
        return made(**PLACED).save(tmp_path / "poster.psd")

    def test_one_layer_anew_and_the_others_to_the_bit(self, made, file):
        before = layerstudio.open(file)
        after = made("", document=file, regenerate="a cat", seed=9, extent=None)
        assert names(after) == names(before)
        for name, old, new in zip(names(before), before.layers, after.layers, strict=True):
            unchanged = np.array_equal(old.pixels, new.pixels) and old.bounds == new.bounds
            assert unchanged == (name in ("Background", "a dog"))
        assert after.layers[1].provenance.seed == 9
        assert after.layers[1].provenance.prompt == "a cat"
        assert same(layerstudio.again(after), after)

    def test_all_but_what_is_kept(self, made, file):
        before = layerstudio.open(file)
        after = made("", document=file, locked=["Background", "2"], extent=None)
        changed = [not np.array_equal(a.pixels, b.pixels)
                   for a, b in zip(before.layers, after.layers, strict=True)]  # fmt: skip
        assert changed == [False, True, False, True]

    def test_groups_hidden_layers_and_what_they_show_stay(self, made, file, tmp_path):
        document = layerstudio.open(file)
        background, cat, dog, reference = document.layers
        group = Group("animals", (cat, dog), opacity=0.5)
        faint = layerstudio.Document(document.extent, (background, group, reference))
        path = faint.save(tmp_path / "grouped.psd")
        after = made("cats", document=path, regenerate="animals", boxes=PLACED["boxes"])
        kept = after.children[1]
        assert isinstance(kept, Group) and kept.opacity == pytest.approx(0.5, abs=0.01)
        assert np.array_equal(after.layers[0].pixels, background.pixels)
        assert not np.array_equal(after.layers[2].pixels, dog.pixels)

    def test_a_file_that_changed(self, made, file):
        after = made("", document=file, regenerate="a cat", extent=None)
        made(**PLACED, seed=8).save(file)
        with pytest.raises(InvalidRequest, match="not the document"):
            layerstudio.again(after)

    @pytest.mark.parametrize(
        ("options", "sentence"),
        [
            ({"regenerate": "a cow"}, "no layer 'a cow'"),
            ({"regenerate": "a cat", "locked": "a dog"}, "one of the two"),
            ({}, "one of the two"),
            ({"locked": [0, 1, 2]}, "nothing to make"),
            ({"regenerate": "a cat", "boxes": ((0, 0, 9, 9),) * 2}, "2 boxes for 1 layers"),
            ({"regenerate": "a cat", "extent": (64, 64)}, "not 64 x 64"),
            ({"regenerate": "a cat", "planner": "rules"}, "not laid out anew"),
        ],
    )
    def test_mistakes(self, made, file, options, sentence):
        with pytest.raises(InvalidRequest, match=sentence):
            made("", document=file, **{"extent": None, **options})


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"boxes": ((200, 0, 9, 9),)}, "holds no pixel"),
        ({"boxes": ((9, 9, 0, 4),)}, "holds no pixel"),
        ({"boxes": ((9, 9, -4, 4),)}, "holds no pixel"),
        ({"boxes": ((0, 0, 9, 9),) * 51}, "51 boxes are more than the 50"),
        ({"boxes": ((0, 0, 9, 9),), "layers": 5}, "not 5 layers"),
        ({"boxes": ((0, 0, 9, 9),), "planner": "rules"}, "a planner besides"),
        ({"layout": "nonsense"}, "not a layout"),
        ({"layout": '{"extent": [64, 64], "layers": []}'}, "starts with its background"),
        ({"layers": 99}, "1 to 51 layers"),
        ({"foregrounds": ("a",) * 51}, "51 foregrounds"),
        ({"layer_guidance": {"nobody": 2.0}, "boxes": ((0, 0, 9, 9),)}, "no layer 'nobody'"),
        ({"prompt": ""}, "prompt is empty"),
        ({"strength": 0.5}, "takes no strength"),
        ({"image": np.zeros((8, 8, 3), np.uint8)}, "takes no pictures"),
        ({"locked": ["a"]}, "no document"),
    ],
)
def test_mistakes_are_told_before_weights_are_loaded(made, monkeypatch, options, sentence):
    from layerstudio.pipelines import loading

    monkeypatch.setattr(loading, "load", lambda wanted: pytest.fail("loaded"))
    loading.forget()
    with pytest.raises(InvalidRequest, match=sentence):
        made(**options)


def test_a_layout_of_another_canvas(made):
    document = made("a cat", extent=(96, 80))
    with pytest.raises(InvalidRequest, match="canvas of 96 x 80, not 64 x 64"):
        made("a cat", layout=document.request["layout"], extent=(64, 64))


def test_cancelled_in_the_middle(made):
    token, reports = CancelToken(), []

    def watch(report):
        reports.append(report)
        if "sampling" in report.stage:
            token.cancel()

    with pytest.raises(Cancelled):
        made(**PLACED, progress=watch, cancel=token)
    assert reports[-1].fraction < 0.9
    fractions = []
    made(**PLACED, progress=lambda report: fractions.append(report.fraction))
    assert fractions == sorted(fractions) and fractions[-1] == 1


def test_the_command_line(multilayer_base, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        options = ("--method", "art", "--base", str(multilayer_base), "--steps", "2", "--json")
        done = CliRunner().invoke(app, ["generate", *arguments, *options])
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)["results"]

    boxes = ("--box", "0,0,40,40", "--box", "40,20,60,52")
    made = run("a poster", *boxes, "--size", "100x72", "--true-guidance", "2.5",
               "--layer-guidance", "Layer 1:3.5", "-o", "one.psd")  # fmt: skip
    assert made[0]["layers"] == ["Background", "Layer 1", "Layer 2", "Blended (reference)"]
    assert made[0]["request"]["layer_guidance"] == [["Layer 1", 3.5]]
    planned = run("a cat", "--layers", "3", "--planner", "rules", "--size", "96", "--count", "2")
    assert [len(result["layers"]) for result in planned] == [4, 4]
    again = run("--document", "one.psd", "--regenerate", "Layer 1", "-o", "two.psd")
    kept = run("--document", "one.psd", "--keep", "Layer 2", "--keep", "Background",
               "-o", "three.ora", "--seed", str(again[0]["seed"]))  # fmt: skip
    assert kept[0]["layers"] == made[0]["layers"]
    two, three = layerstudio.open("two.psd"), layerstudio.open("three.ora")
    assert same(two, three)
