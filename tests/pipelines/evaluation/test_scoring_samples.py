"""Scores of one sample: perfect for the truth, and honest about what did not fit."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from tiny_sets import EXTENT, elaborate, ground, poster, rectangle

from layerstudio.document import Document
from layerstudio.errors import InvalidRequest
from layerstudio.geometry import Bounds, Extent
from layerstudio.pipelines.evaluation.flattening import flattened, resized_layers
from layerstudio.pipelines.evaluation.samples import Sample, picture_of
from layerstudio.pipelines.evaluation.scores import Outcome, SampleRecord, Scores, Thumb
from layerstudio.pipelines.evaluation.scoring import boxes_of, scored


def sample_of(document: Document) -> Sample:
    truth, _ = flattened(document)
    return Sample("a", picture_of(document), truth, is_composed=True)


def apart() -> Document:
    """Two rectangles that do not overlap: their order says nothing."""
    return Document(
        EXTENT,
        (
            ground(),
            rectangle("left", Bounds(3, 4, 20, 30), (40, 90, 160)),
            rectangle("right", Bounds(30, 9, 25, 20), (220, 80, 60, 200)),
        ),
    )


def reordered(document: Document, *order: int) -> Document:
    return replace(document, children=tuple(document.children[index] for index in order))


@pytest.mark.parametrize("document", [poster(), apart(), elaborate()], ids=["a", "b", "c"])
def test_the_truth_is_perfect(document):
    sample = sample_of(document)
    scores = scored(sample, sample.truth, seconds=1.5)
    assert scores.layers == scores.true_layers == len(sample.truth.children)
    row, colours = scores.layerd.at(0), scores.layerd.colours[0]
    assert (row.rgb_l1, row.alpha_iou, row.cost) == (0, 1, 0)
    assert tuple(colours) == (0, 0)
    assert scores.cld is not None
    assert (scores.cld.missing, scores.cld.surplus) == (0, 0)
    for score in (scores.cld.assigned, scores.cld.by_index):
        assert score is not None
        assert score.composite_psnr == math.inf
        for layer in score.layers:
            assert layer.psnr == math.inf
            assert tuple(layer)[1:] == pytest.approx((1, 1, 1, 1, 1))
    assert scores.recomposition.max_error <= 1 / 255
    assert scores.is_published


def test_all_that_was_measured_survives_json():
    sample = sample_of(poster())
    for found in (sample.truth, reordered(sample.truth, 0, 2)):
        scores = scored(sample, found, seconds=0.25, edits=2)
        text = json.dumps(scores.to_dict(), allow_nan=False)
        assert Scores.from_dict(json.loads(text)) == scores
    thumbs = (Thumb("ground", "AAAA"),)
    outcome = Outcome("a", "flat", scores, tags=("x",), notes=("n",), thumbs=thumbs)
    failure = Outcome("b", "flat", error="No.", fault="Traceback")
    record = SampleRecord("a", "61 x 45", 3, 0.1, ("x",), ("n",), thumbs=thumbs)
    for item in (outcome, failure, record):
        data = json.loads(json.dumps(item.to_dict(), allow_nan=False))
        assert type(item).from_dict(data) == item


def test_layers_in_another_order_are_found_by_assignment_but_not_by_index():
    sample = sample_of(apart())
    cld = scored(sample, reordered(sample.truth, 0, 2, 1)).cld
    assert cld is not None and cld.by_index is not None
    assert [layer.f1 for layer in cld.assigned.layers] == [1, 1, 1]
    assert [layer.f1 for layer in cld.by_index.layers] == [1, 0, 0]


def test_missing_layers_count_as_empty_ones():
    sample = sample_of(poster())
    scores = scored(sample, reordered(sample.truth, 0, 2))
    assert scores.cld is not None
    assert scores.cld.by_index is None
    assert (scores.cld.missing, scores.cld.surplus) == (1, 0)
    assert [layer.iou for layer in scores.cld.assigned.layers] == pytest.approx([1, 0, 1])
    assert math.isfinite(scores.cld.assigned.composite_psnr)


def test_layers_that_answer_to_boxes_go_by_index_also_where_some_lack():
    sample = sample_of(apart())
    cld = scored(sample, reordered(sample.truth, 0, 2), by_boxes=True).cld
    assert cld is not None and cld.by_index is not None
    assert [layer.f1 for layer in cld.by_index.layers] == [1, 0, 0]


def test_surplus_layers_are_counted_and_do_not_score():
    sample = sample_of(poster())
    more = rectangle("dust", Bounds(2, 2, 8, 8), (1, 2, 3))
    found = replace(sample.truth, children=(*sample.truth.children, more))
    cld = scored(sample, found).cld
    assert cld is not None
    assert (cld.missing, cld.surplus) == (0, 1)
    assert all(layer.psnr == math.inf for layer in cld.assigned.layers)
    assert math.isfinite(cld.assigned.composite_psnr)


@pytest.mark.parametrize("one_is", ["truth", "prediction"])
def test_a_stack_of_one_layer_is_scored_though_the_published_command_skips_it(one_is):
    one, many = Document(EXTENT, (ground(),)), poster()
    truth, found = (one, many) if one_is == "truth" else (many, one)
    scores = scored(sample_of(truth), found)
    assert not scores.is_published
    assert 0 < scores.layerd.at(0).alpha_iou < 1
    assert scores.recomposition.max_error > 0.5


def test_a_prediction_of_another_size_is_stretched_and_marked():
    sample = sample_of(poster())
    small = resized_layers(sample.truth, Extent(122, 90))
    scores = scored(sample, small)
    assert scores.resized_from == "122 x 90"
    assert scores.layerd.at(0).alpha_iou > 0.97
    assert scores.layerd.at(0).rgb_l1 < 0.02
    assert 0 < scores.recomposition.mean_error < 0.02


@pytest.mark.parametrize("extent", [Extent(6, 40), Extent(1, 1), Extent(7, 7)])
def test_canvases_below_the_window_of_ssim_have_no_cld(extent):
    document = Document(extent, (rectangle("all", Bounds.full(extent), (9, 200, 30)),))
    scores = scored(sample_of(document), document)
    assert (scores.cld is None) == (min(extent) < 7)
    assert scores.layerd.at(0).alpha_iou == 1
    assert Scores.from_dict(json.loads(json.dumps(scores.to_dict()))) == scores


@pytest.mark.parametrize("place", [(0, 0, 2, 30), (59, 43, 2, 2), (30, 44, 5, 1)])
def test_boxes_below_the_window_are_taken_larger(place):
    dot = rectangle("dot", Bounds(*place), (1, 2, 3))
    sample = sample_of(Document(EXTENT, (ground(), dot)))
    cld = scored(sample, sample.truth).cld
    assert cld is not None
    assert cld.grown == 1
    assert cld.assigned.layers[1].f1 == 1


def test_empty_layers_have_no_box_and_no_row():
    empty = rectangle("empty", Bounds.full(EXTENT), (1, 2, 3, 0))
    document = Document(EXTENT, (ground(), empty, *poster().children[1:]))
    sample = Sample("a", picture_of(document), document)
    assert boxes_of(document) == tuple(layer.bounds for layer in poster().layers[1:])
    cld = scored(sample, flattened(document)[0]).cld
    assert cld is not None
    assert len(cld.assigned.layers) == 3


def test_nothing_cannot_be_scored():
    with pytest.raises(InvalidRequest, match="without layers"):
        scored(sample_of(poster()), Document(EXTENT))


def test_colour_under_little_alpha_counts_only_in_the_protocol():
    """Half of the true pixels have alpha 1 of 255 and are of another colour in the prediction."""
    pixels = np.zeros((10, 20, 4), np.uint8)
    pixels[:] = (200, 100, 50, 255)
    pixels[:, 10:, 3] = 1
    wrong = pixels.copy()
    wrong[:, 10:, :3] = (200, 100, 152)
    place = Bounds(0, 0, 20, 10)
    truth, found = (
        Document(place.extent, (replace(ground(), bounds=place, pixels=array),))
        for array in (pixels, wrong)
    )
    scores = scored(Sample("a", picture_of(truth), truth), found)
    colours = scores.layerd.colours[0]
    assert scores.layerd.at(0).rgb_l1 == pytest.approx(0.5 * 0.4 / 3)
    assert colours.weighted_l1 == pytest.approx(0.4 / 3 / 256)
    assert colours.premul_l1 == pytest.approx(0.4 / 3 / 256, rel=1e-4)
