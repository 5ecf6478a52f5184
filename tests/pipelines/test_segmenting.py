"""``layerstudio.segment``: what is asked for, what comes back, and what makes no sense."""

import numpy as np
import pytest

import layerstudio
from layerstudio import Bounds, CancelToken, Extent, Picture, Runtime
from layerstudio.errors import Cancelled, InvalidRequest, MissingWeights
from layerstudio.pipelines.cutouts import document_of
from layerstudio.pipelines.segmenting import Objects, segment
from layerstudio.pipelines.stages import everything, grounding_dino
from layerstudio.pipelines.stages.contracts import Segment
from layerstudio.pipelines.stages.preferring import PREFERRED, preferred
from layerstudio.pipelines.stages.table import stage_ids
from layerstudio.weights import registry

CPU = Runtime(device="cpu")
WIDTH, HEIGHT = 61, 37


@pytest.fixture(scope="module")
def written(tmp_path_factory, one_thread):
    from tiny_registry import write_row

    folder = tmp_path_factory.mktemp("weights")
    for id in ("sam2-tiny", "grounding-dino-tiny"):
        write_row(id, folder / registry.checkpoint(id).repository)
    return folder


@pytest.fixture
def here(written, tmp_path, monkeypatch):
    monkeypatch.setenv("LAYERSTUDIO_WEIGHTS", str(written))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "no-cache"))


@pytest.fixture
def nothing_here(tmp_path, monkeypatch):
    monkeypatch.setenv("LAYERSTUDIO_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "no-cache"))


@pytest.fixture(scope="module")
def rgb():
    return np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)


def found(image, **options):
    return layerstudio.segment(image, runtime=CPU, **options)


class TestWhatComesBack:
    def test_each_box_and_lone_point_at_the_pictures_size(self, here, rgb):
        heard = []
        objects = found(
            rgb, boxes=[(5, 6, 20, 17)], points=[(7, 8), (50, 30)], progress=heard.append
        )
        assert 1 <= len(objects) <= 2  # the first point is inside of the box
        for one in objects:
            assert one.bounds.clamped(Extent(WIDTH, HEIGHT)) == one.bounds
            assert one.mask.shape == one.bounds.extent.shape
            assert one.mask.any(axis=0).all() or one.mask[0].any()
        shares = [report.fraction for report in heard]
        assert shares == sorted(shares)
        assert shares[-1] == 1.0
        again = found(rgb, boxes=[(5, 6, 20, 17)], points=[(7, 8), (50, 30)])
        assert [one.bounds for one in again] == [one.bounds for one in objects]

    def test_the_same_box_twice_is_one_object(self, here, rgb):
        box = (5, 6, 20, 17)
        assert len(found(rgb, boxes=[box, box])) == len(found(rgb, boxes=[box])) == 1

    def test_names_come_from_prompts(self, here, rgb):
        (one,) = found(rgb, boxes=[(5, 6, 20, 17)], prompts=["The Cat"])
        assert one.label == "The Cat"
        named = found(rgb, prompts=["A dog", "cat"])
        assert named
        assert {one.label for one in named} <= {"A dog", "cat"}

    def test_what_an_excluded_point_lies_on_is_not_meant(self, here, rgb):
        named = found(rgb, prompts=["A dog"])
        y, x = np.argwhere(named[0].mask)[0]
        point = (int(x) + named[0].bounds.x, int(y) + named[0].bounds.y)
        for one in found(rgb, prompts=["A dog"], excluded_points=[point]):
            assert not one.on_canvas(Extent(WIDTH, HEIGHT))[point[1], point[0]]

    def test_everything_where_nothing_is_given(self, here, rgb, monkeypatch):
        monkeypatch.setattr(everything, "SURE", -9.0)
        monkeypatch.setattr(everything, "STABLE", 0.2)
        monkeypatch.setattr(everything, "POINTS", 4)
        areas = [one.area for one in found(rgb)]
        assert areas
        assert areas == sorted(areas, reverse=True)

    def test_nothing_found_is_empty(self, here, rgb, monkeypatch):
        monkeypatch.setattr(everything, "SURE", 99.0)
        monkeypatch.setattr(everything, "POINTS", 4)
        monkeypatch.setattr(grounding_dino, "BOX_THRESHOLD", 1.0)
        assert found(rgb) == ()
        assert found(rgb, prompts=["cat"]) == ()

    def test_sixteen_bits_and_what_is_transparent(self, here, rgb):
        pixels = np.full((HEIGHT, WIDTH, 4), 65535, np.uint16)
        pixels[..., :3] = rgb.astype(np.uint16) * 257
        pixels[:, 30:, 3] = 0
        for one in found(Picture(pixels), boxes=[(5, 6, 40, 17)]):
            assert one.bounds.right <= 30

    def test_cancel(self, here, rgb):
        cancel = CancelToken()
        with pytest.raises(Cancelled):
            found(rgb, prompts=["cat"], progress=lambda _: cancel.cancel(), cancel=cancel)


class TestWhatMakesNoSense:
    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"prompts": ["cat", " CAT"]}, "given twice"),
            ({"prompts": [" "]}, "names nothing"),
            ({"points": [(WIDTH, 3)]}, "not on a 61 x 37"),
            ({"boxes": [(70, 0, 5, 5)]}, "holds no pixel"),
            ({"points": [(3, 3)], "excluded_points": [(3, 3)]}, "both on an object"),
            ({"excluded_points": [(3, 3)]}, "no box, point or prompt"),
            ({"boxes": [(9, 9, 5, 5)], "excluded_points": [(3, 3)]}, "no box, point or prompt"),
            ({"segmenter": "lama"}, "no stage that can segment"),
            ({"prompts": ["cat"], "detector": "sam2-tiny"}, "no stage that can detect"),
        ],
    )
    def test_is_said_in_a_sentence(self, nothing_here, rgb, options, said):
        with pytest.raises(InvalidRequest, match=said):
            found(rgb, **options)

    def test_missing_weights_are_named_at_once_the_smallest_first(self, nothing_here, rgb):
        with pytest.raises(MissingWeights, match="models pull sam2-tiny`"):
            found(rgb)
        with pytest.raises(MissingWeights, match="models pull sam2-tiny grounding-dino-tiny`"):
            found(rgb, prompts=["cat"])
        with pytest.raises(MissingWeights, match="models pull sam3`"):  # it reads prompts itself
            found(rgb, prompts=["cat"], segmenter="sam3")
        own = {"segmenter": "sam-vit-b", "base": "mine.pth"}
        with pytest.raises(MissingWeights, match="models pull owlv2-base`"):
            found(rgb, prompts=["cat"], detector="owlv2-base", **own)


def test_preferences_are_all_there_is_and_what_is_here_wins(here):
    assert sorted(PREFERRED["segment"]) == sorted(stage_ids("segment"))
    assert set(PREFERRED["detect"]) <= set(stage_ids("detect"))
    assert preferred("segment") == "sam2-tiny"
    assert preferred("detect") == "grounding-dino-tiny"
    assert preferred("segment", "sam3") == "sam3"


def test_objects_are_cut_out_as_layers(rgb):
    pixels = np.dstack([rgb, np.full((HEIGHT, WIDTH), 200, np.uint8)])
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[5:15, 8:30] = True
    mask[7, 9] = False
    small = np.zeros_like(mask)
    small[10:13, 10:12] = True
    segments = (Segment.of_mask(small, "cat"), Segment.of_mask(mask), Segment.of_mask(mask & False))
    document = document_of(Picture(pixels), segments)
    ground, large, cat = document.layers
    assert not ground.visible
    assert (ground.pixels == pixels).all()
    assert cat.name == "cat"
    assert large.bounds == Bounds(8, 5, 22, 10)
    assert (large.pixels[..., 3] == mask[5:15, 8:30] * 200).all()
    assert (cat.pixels[..., :3] == rgb[10:13, 10:12]).all()


def test_a_run_by_itself_needs_no_options(here, rgb):
    assert segment(rgb, Objects(boxes=(Bounds(5, 6, 20, 17),)), runtime=CPU)
