"""CLD's protocol against the values of the published code, and in cases known by hand."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from layerstudio.errors import InvalidRequest
from layerstudio.geometry import Bounds
from layerstudio.metrics import cld

FIXTURES = Path(__file__).parents[1] / "fixtures" / "metrics"
PUBLISHED = json.loads((FIXTURES / "cld.json").read_text())
STACKS = np.load(FIXTURES / "cld.npz")


def evaluated(case: str) -> cld.CldScore:
    boxes = [Bounds(*box) for box in PUBLISHED[case]["boxes"]]
    return cld.evaluate(STACKS[f"{case}_predicted"], STACKS[f"{case}_truth"], boxes)


@pytest.mark.parametrize("case", PUBLISHED)
def test_values_are_the_published_codes(case: str):
    score, expected = evaluated(case), PUBLISHED[case]
    np.testing.assert_allclose(score.layers, expected["layers"], rtol=0, atol=1e-6)
    np.testing.assert_allclose(score[1:], expected["composite"], rtol=0, atol=1e-6)


def test_layers_of_all_samples_weigh_the_same():
    scores = [evaluated(case) for case in PUBLISHED if len(PUBLISHED[case]["layers"]) > 1]
    means = cld.aggregate(scores)
    layers = np.array([row for score in scores for row in score.layers])
    np.testing.assert_allclose(means[:6], layers.mean(axis=0))
    assert means.composite_ssim == pytest.approx(np.mean([s.composite_ssim for s in scores]))


def sheet(colour: tuple[int, int, int, int]) -> np.ndarray:
    return np.full((12, 15, 4), colour, np.uint8)


def test_masks_and_colour_on_grey_by_hand():
    truth = sheet((10, 10, 10, 0))
    truth[:, :10, 3] = 255
    predicted = sheet((14, 10, 10, 0))
    predicted[:, 5:, 3] = 255
    predicted[:, :5, 3] = 25  # below a tenth of 255: not covered
    (row,) = cld.evaluate([predicted], [truth], [Bounds(0, 0, 15, 12)]).layers
    assert row.iou == pytest.approx(5 / 15)
    assert (row.precision, row.recall, row.f1) == (0.5, 0.5, 0.5)
    # The thirds differ: 25/255 of the colour on grey, cut off, against 10; 14 against 10 in red;
    # the colour against grey.
    shown = [int(14 * 25 / 255 + 128 * 230 / 255), int(10 * 25 / 255 + 128 * 230 / 255)]
    first = (shown[0] - 10) ** 2 + 2 * (shown[1] - 10) ** 2
    third = (14 - 128) ** 2 + 2 * (10 - 128) ** 2
    mse = (first + (14 - 10) ** 2 + third) / 9
    assert row.psnr == pytest.approx(10 * math.log10(255**2 / mse))


def test_equal_pictures_and_given_pictures():
    layer = sheet((200, 10, 30, 255))
    boxes = [Bounds(0, 0, 15, 12)]
    same = cld.evaluate([layer], [layer], boxes)
    assert same.composite_psnr == math.inf
    assert same.composite_ssim == pytest.approx(1)
    other = cld.evaluate([layer], [layer], boxes, predicted_picture=sheet((195, 10, 30, 255)))
    assert other.composite_psnr == pytest.approx(10 * math.log10(255**2 / (25 / 3)))


def test_what_cannot_be_scored_is_refused():
    layer = sheet((1, 2, 3, 255))
    with pytest.raises(InvalidRequest, match="as many boxes"):
        cld.evaluate([layer], [layer], [])
    with pytest.raises(InvalidRequest, match="7 x 7"):
        cld.evaluate([layer], [layer], [Bounds(2, 2, 6, 9)])
    with pytest.raises(InvalidRequest, match="no scores"):
        cld.aggregate([])
