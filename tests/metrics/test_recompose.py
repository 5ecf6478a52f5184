"""Recomposition error against known differences, at both depths and with transparency."""

import math

import numpy as np
import pytest

from layerstudio.color import to_depth
from layerstudio.document import Document, Layer
from layerstudio.errors import InvalidRequest
from layerstudio.geometry import Bounds, Extent
from layerstudio.metrics.recompose import recomposition_error

EXTENT = Extent(37, 1031)  # higher than two bands


def picture(dtype=np.uint8) -> np.ndarray:
    rng = np.random.default_rng(3)
    pixels = rng.integers(0, 250, (*EXTENT.shape, 4), np.uint8)
    pixels[..., 3] = 255
    return to_depth(pixels, dtype)


def document(pixels: np.ndarray) -> Document:
    return Document(EXTENT, (Layer("all", Bounds.full(EXTENT), pixels),))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_same_picture_has_no_error(dtype):
    result = recomposition_error(document(picture(dtype)), picture(dtype))
    assert result == (0, 0, math.inf, 0)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_known_differences(dtype):
    level = np.iinfo(dtype).max // 255
    changed = picture(dtype)
    changed[5, 6, 0] += 2 * level
    changed[1030, 36, 1] += 5 * level
    result = recomposition_error(document(changed), picture(dtype))
    values = 3 * EXTENT.pixel_count
    assert result.max_error == pytest.approx(5 / 255, rel=1e-6)
    assert result.mean_error == pytest.approx(7 / 255 / values, rel=1e-6)
    assert result.psnr == pytest.approx(10 * math.log10(255**2 * values / 29), rel=1e-6)
    assert result.share_off_by_2 == pytest.approx(1 / EXTENT.pixel_count)


def test_one_level_is_exactly_one_255th():
    changed = picture()
    changed[..., 2] += 1
    assert recomposition_error(document(changed), picture()).max_error == 1 / 255


def test_invisible_colour_does_not_count_but_alpha_does():
    clear, other = picture(), picture()
    clear[:100, :, 3] = other[:100, :, 3] = 0
    other[:100, :, :3] = 0
    assert recomposition_error(document(clear), other).max_error == 0
    other[3, 3, 3] = 51
    result = recomposition_error(document(clear), other)
    assert result.max_error == pytest.approx(51 / 255)
    assert result.mean_error == 0


def test_another_size_is_refused():
    with pytest.raises(InvalidRequest, match="37 x 1031"):
        recomposition_error(document(picture()), picture()[:, 1:])
