"""``instances`` from a picture to a document, through the real loading of toy networks."""

import numpy as np
import pytest

import layerstudio
from layerstudio import Cancelled, CancelToken, InvalidRequest
from layerstudio.document import Group, Role
from layerstudio.errors import MissingWeights, OutOfMemory
from layerstudio.pipelines.stages.matte_guided import GuidedMatter
from layerstudio.pipelines.stages.segment_sam import SamVitB

BOXES = [(10, 10, 36, 44), (34, 24, 33, 33)]
STEPS = ("finding", "ordering", "completing", "cutting", "assembling", "recomposition")


def error_of(document) -> float:
    return float(document.metadata["recomposition_max_error"])


def notes_of(document) -> str:
    return " ".join(document.notes)


def same(one, other) -> bool:
    return len(one.layers) == len(other.layers) and all(
        (a.name, a.bounds) == (b.name, b.bounds) and np.array_equal(a.pixels, b.pixels)
        for a, b in zip(one.layers, other.layers, strict=True)
    )


def test_boxes_to_layers_that_recompose_and_the_same_again(taken_apart, tmp_path):
    document = taken_apart(prompts=("box", "disc"))
    names = [layer.name for layer in document.layers]
    things = [layer.name for layer in document.layers if layer.role is Role.OBJECT]
    assert names[0] == "Background" and things and set(things) <= {"box", "disc"}
    assert len(things) == 2 or "1 of the 2 things pointed at" in notes_of(document)
    assert document.layers[0].role is Role.BACKGROUND
    assert error_of(document) <= 1 / 255 + 1e-6
    assert "sam-vit-b" in document.layers[-1].provenance.weights
    assert "segment: sam-vit-b" in document.metadata["stages"]
    assert same(taken_apart(prompts=("box", "disc")), document)
    saved = document.save(tmp_path / "things.psd")
    assert [layer.name for layer in layerstudio.open(saved).layers] == names


def test_a_layer_split_again_nests(taken_apart):
    document = taken_apart(prompts=("box", "disc"))
    whole = document.layers[-1].name
    nested = layerstudio.split(document, whole, method="instances", boxes=[(2, 2, 9, 9)])
    group = next(node for node in nested.children if node.name == whole)
    assert isinstance(group, Group) and len(group.children) >= 1
    assert float(nested.metadata["split_max_error"]) <= 1 / 255 + 1e-6


def test_all_there_is_and_points(taken_apart):
    every = taken_apart(boxes=())
    assert error_of(every) <= 1 / 255 + 1e-6
    pointed = taken_apart(boxes=(), points=[(50, 40)])
    assert error_of(pointed) <= 1 / 255 + 1e-6


# PyMatting is compiled when it is first called, for a minute: once, in one process of the tests.
COMPILES = pytest.mark.xdist_group("pymatting")


@pytest.mark.parametrize("deep", [False, True])
def test_depth_and_alpha_are_kept(taken_apart, things_rgba, deep):
    pixels = things_rgba.astype(np.uint16) * 257 if deep else things_rgba
    document = taken_apart(pixels)
    assert {layer.pixels.dtype for layer in document.layers} == {pixels.dtype}
    assert error_of(document) <= 1 / 255 + 1e-6


def test_worked_small_and_returned_at_full_size(taken_apart, things_of):
    document = taken_apart(
        things_of(613, 437), boxes=[(60, 60, 230, 260)], settings={"working_side": 256}
    )
    assert document.extent == (613, 437)
    assert error_of(document) <= 1 / 255 + 1e-6


def test_the_raw_answer(taken_apart):
    assert len(taken_apart(exact=False).layers) >= 2


@pytest.mark.parametrize(
    ("settings", "needed"),
    [
        ({"segment": "sam2-tiny"}, ("sam2-tiny",)),
        ({"segment": "sam-hf-base"}, ("sam-hf-base",)),
        ({"depth": "depth-anything-v2-small"}, ("sam-vit-b", "depth-anything-v2-small")),
        ({"matte": "vitmatte-small"}, ("sam-vit-b", "vitmatte-small")),
        pytest.param(
            {"matte": "birefnet-lite"}, ("sam-vit-b", "birefnet-lite"), marks=pytest.mark.slow
        ),  # it looks at 1024 x 1024 pixels, at toy width too
        pytest.param({"matte": "closed-form"}, ("sam-vit-b",), marks=COMPILES),
        pytest.param({"foreground": "closed-form-colours"}, ("sam-vit-b",), marks=COMPILES),
        ({"complete": "lama"}, ("sam-vit-b", "big-lama")),
    ],
)
def test_each_stage_can_be_swapped(rows, things_of, settings, needed):
    rows(*needed)
    document = layerstudio.decompose(
        things_of(), method="instances", boxes=BOXES, settings=settings, seed=1
    )
    assert error_of(document) <= 1 / 255 + 1e-6
    for kind, id in settings.items():
        assert f"{kind}: {id}" in document.metadata["stages"]


@pytest.mark.parametrize("detector", ["grounding-dino-tiny", "owlv2-base"])
def test_things_found_by_name(rows, things_of, detector):
    rows("sam-vit-b", detector)
    document = layerstudio.decompose(
        things_of(), method="instances", prompts=("box", "Box", "disc"), seed=1
    )
    assert f"detect: {detector}" in document.metadata["stages"]
    assert "more than once" in notes_of(document)
    assert error_of(document) <= 1 / 255 + 1e-6


def test_a_segmenter_that_reads_needs_no_detector(rows, things_of):
    rows("sam3")
    document = layerstudio.decompose(things_of(), method="instances", prompts=("disc",), seed=1)
    assert "detect" not in document.metadata["stages"]
    assert error_of(document) <= 1 / 255 + 1e-6


class TestNothing:
    def test_a_picture_without_any_object(self, taken_apart):
        document = taken_apart(np.full((40, 57, 3), 99, np.uint8), boxes=(), prompts=())
        assert [layer.name for layer in document.layers] == ["Background"]
        assert "No object was found" in notes_of(document)
        assert error_of(document) == 0

    def test_only_one_layer_was_asked_for(self, taken_apart):
        assert len(taken_apart(layers=1).layers) == 1

    def test_a_transparent_picture(self, taken_apart):
        document = taken_apart(np.zeros((40, 57, 4), np.uint8), boxes=())
        assert len(document.layers) == 1

    def test_an_excluded_point_that_leaves_nothing(self, taken_apart):
        document = taken_apart(boxes=[(20, 20, 1, 1)], excluded_points=[(20, 20)])
        assert [layer.name for layer in document.layers] == ["Background"]
        assert "the box (20, 20, 1, 1)" in notes_of(document)

    def test_a_box_partly_outside_is_cut(self, taken_apart):
        document = taken_apart(boxes=[(60, 30, 400, 400)])
        assert "reaches off the picture" in notes_of(document)
        assert error_of(document) <= 1 / 255 + 1e-6

    def test_fewer_than_asked_for(self, taken_apart):
        assert "9 layers were asked for" in notes_of(taken_apart(layers=9))
        two = [one for one in taken_apart(layers=2).layers if one.role is Role.OBJECT]
        assert len(two) == 1


class TestRefused:
    def test_one_sentence_for_all_weights_that_are_missing(self, rows, things_of):
        rows()
        with pytest.raises(MissingWeights) as caught:
            layerstudio.decompose(
                things_of(), method="instances", prompts=("disc",),
                settings={"segment": "sam-vit-b", "complete": "lama", "matte": "vitmatte-small"},
            )  # fmt: skip
        advice = caught.value.advice
        assert advice.count("pull") == 1
        for id in ("sam-vit-b", "grounding-dino-tiny", "big-lama", "vitmatte-small"):
            assert id in advice

    def test_boxes_outside(self, taken_apart):
        with pytest.raises(InvalidRequest, match="holds no pixel"):
            taken_apart(boxes=[(500, 0, 9, 9)])

    def test_a_point_on_both_sides(self, taken_apart):
        with pytest.raises(InvalidRequest, match="both on an object"):
            taken_apart(points=[(9, 9)], excluded_points=[(9, 9)])

    def test_an_unknown_stage(self, taken_apart):
        with pytest.raises(InvalidRequest, match="cannot be"):
            taken_apart(settings={"matte": "nonsense"})

    @pytest.mark.parametrize(("stage", "call"), [(SamVitB, "segment"), (GuidedMatter, "alpha")])
    def test_memory_that_runs_out(self, taken_apart, monkeypatch, stage, call):
        def fail(*_, **__):
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate")

        monkeypatch.setattr(stage, call, fail)
        with pytest.raises(OutOfMemory, match="Memory ran out"):
            taken_apart()


@pytest.mark.parametrize("step", STEPS)
def test_cancelled_at_every_step(taken_apart, step):
    token, fractions = CancelToken(), []

    def watch(report):
        fractions.append(report.fraction)
        if report.stage.startswith(step):
            token.cancel()

    with pytest.raises(Cancelled):
        taken_apart(progress=watch, cancel=token)
    assert fractions == sorted(fractions) and fractions[-1] < 1
