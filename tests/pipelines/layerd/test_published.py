"""The peel loop with parity, against the released code's own figures and a plain version of it."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seeded import parity_tensors

from benchmarks import naive_peel
from layerstudio.errors import Cancelled
from layerstudio.pipelines.layerd.published import Published, peel_as_published
from layerstudio.progress import CancelToken


def median_fill(rgb, holes):
    """The fixture's inpainting: each channel's median of what is known, cut off to levels."""
    filled = rgb.copy()
    filled[holes] = np.median(rgb[~holes], axis=0).astype(np.uint8)
    return filled


def in_turn(*mattes):
    left = list(mattes)
    return lambda rgb: left.pop(0) if left else np.zeros(rgb.shape[:2])


def test_loop_is_the_published_one():
    known = {key: tensor.numpy() for key, tensor in parity_tensors("layerd_loop_default").items()}
    seen = []
    layers = peel_as_published(
        known["image"],
        in_turn(known["matte0"], known["matte1"]),
        median_fill,
        progress=seen.append,
    )
    assert len(layers) == 3
    for index, layer in enumerate(layers):
        assert np.array_equal(layer, known[f"layer_{index}"]), index
    assert [report.fraction for report in seen] == pytest.approx([0, 1 / 3, 2 / 3])


def test_nothing_found_is_the_picture_itself():
    rgb = np.random.default_rng(0).integers(0, 256, (21, 33, 3), dtype=np.uint8)
    (layer,) = peel_as_published(rgb, in_turn(), median_fill)
    assert np.array_equal(layer[..., :3], rgb) and (layer[..., 3] == 255).all()


def test_it_stops_between_two_peels():
    cancel = CancelToken()

    def matting(rgb):
        cancel.cancel()
        return np.ones(rgb.shape[:2])

    with pytest.raises(Cancelled):
        peel_as_published(np.zeros((9, 9, 3), np.uint8), matting, median_fill, cancel=cancel)


@st.composite
def posters(draw):
    """Flat shapes on flat ground, and mattes that miss a part of them, as networks do."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    height, width = draw(st.integers(20, 90)), draw(st.integers(20, 110))
    rgb = np.empty((height, width, 3), np.uint8)
    rgb[:] = rng.integers(0, 256, 3)
    mattes = []
    for _ in range(2):
        matte = np.zeros((height, width))
        for _ in range(draw(st.integers(1, 3))):
            centre = (int(rng.integers(width)), int(rng.integers(height)))
            radius = int(rng.integers(3, 18))
            cv2.circle(
                rgb, centre, radius, tuple(map(int, rng.integers(0, 256, 3))), -1, cv2.LINE_AA
            )
            cv2.circle(matte, centre, max(1, radius - int(rng.integers(3))), 0.98, -1)
        mattes.insert(0, np.clip(cv2.GaussianBlur(matte, (0, 0), 0.8), 0, 1))
    return rgb, mattes


@settings(max_examples=40, deadline=None)
@given(poster=posters(), scale=st.sampled_from([0.0, 0.015, 0.05]), refine=st.booleans())
def test_loop_is_that_of_the_whole_canvas(poster, scale, refine):
    rgb, mattes = poster
    options = Published(kernel_scale=scale, refine_foreground=refine)
    found = peel_as_published(rgb, in_turn(*mattes), cv2_fill, options)
    expected = naive_peel.peel(
        rgb, in_turn(*mattes), cv2_fill, scale=scale, refine_foreground=refine
    )
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert np.array_equal(ours, theirs)


def cv2_fill(rgb, holes):
    return cv2.inpaint(rgb, holes.astype(np.uint8), 3, cv2.INPAINT_TELEA)
