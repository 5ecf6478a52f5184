"""Every form of a picture becomes the same tensor."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from layerstudio.errors import InvalidRequest
from layerstudio.geometry import Extent
from layerstudio.pipelines.layerdiffuse.rgba_input import as_rgba, resized

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 7, 4), dtype=np.uint8)
TENSOR = torch.from_numpy(PIXELS).movedim(-1, 0) / 255


@pytest.mark.parametrize(
    "form",
    [
        Image.fromarray(PIXELS),
        PIXELS,
        PIXELS.astype(np.uint16) * 257,
        PIXELS.astype(np.float32) / 255,
        PIXELS[None],
        torch.from_numpy(PIXELS).movedim(-1, 0),
        torch.from_numpy(PIXELS.astype(np.uint16) * 257).movedim(-1, 0),
        PIXELS[:, ::-1].copy()[:, ::-1],
        TENSOR,
        TENSOR.half(),
        TENSOR[None],
        [Image.fromarray(PIXELS)],
    ],
)
def test_forms_are_one(form):
    half = getattr(form, "dtype", None) == torch.float16
    torch.testing.assert_close(as_rgba(form), TENSOR[None], atol=1e-3 if half else 1e-6, rtol=0)


def test_what_is_missing_is_opaque_or_grey():
    rgb = as_rgba(PIXELS[..., :3])
    assert torch.equal(rgb[:, :3], TENSOR[None, :3]) and (rgb[:, 3] == 1).all()
    grey = as_rgba(Image.fromarray(PIXELS[..., 0]))
    assert torch.equal(grey[:, 0], grey[:, 2]) and torch.equal(grey[:, 0], TENSOR[None, 0])


def test_pictures_of_many_sizes_get_the_first_ones():
    found = as_rgba([PIXELS, Image.new("RGB", (20, 30), "red")])
    assert found.shape == (2, 4, 5, 7)
    torch.testing.assert_close(found[1, :, 2, 2], torch.tensor([1.0, 0, 0, 1]))


@given(st.tuples(st.integers(1, 40), st.integers(1, 40)))
def test_hidden_colour_does_not_bleed_when_resized(size):
    """A red square on transparent green: whatever can be seen of any size is red."""
    source = torch.zeros(1, 4, 16, 16)
    source[:, 1] = 1
    source[..., 4:12, 4:12] = torch.tensor([1.0, 0, 0, 1])[:, None, None]
    found = resized(source, Extent(*size))
    visible = found[:, 3] > 0.02
    assert found.min() >= 0 and found.max() <= 1 and found.shape[-2:] == size[::-1]
    assert (found[:, 1][visible] < 1e-3).all() and (found[:, 0][visible] > 0.99).all()


@pytest.mark.parametrize(
    "wrong",
    ["a file", [], np.zeros((4, 4)), np.zeros((4, 4, 5)), PIXELS.astype(np.float32), None],
    ids=str,
)
def test_anything_else_is_refused(wrong):
    with pytest.raises(InvalidRequest):
        as_rgba(wrong)
