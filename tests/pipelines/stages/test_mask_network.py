"""Masks enlarged in bands are those that the libraries make at once."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from layerstudio.geometry import Bounds, Extent
from layerstudio.pipelines.stages import mask_network
from layerstudio.pipelines.stages.contracts import Segment
from layerstudio.pipelines.stages.mask_network import Frame


def blobs(height, width, seed):
    """Smooth logits of both signs."""
    noise = torch.randn(1, 1, 5, 6, generator=torch.Generator().manual_seed(seed))
    return functional.interpolate(noise, (height, width), mode="bicubic")[0, 0]


def enlarged(logits, shape):
    return functional.interpolate(logits[None, None], shape, mode="bilinear")[0, 0]


def on_canvas(frame, logits):
    return Segment(*frame.mask(logits)).on_canvas(frame.extent)


@given(
    cells=st.tuples(st.integers(3, 24), st.integers(3, 24)),
    shape=st.tuples(st.integers(1, 97), st.integers(1, 131)),
    seed=st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_a_stretched_grid_is_interpolated_as_torch_does(cells, shape, seed):
    logits = blobs(*cells, seed)
    expected = enlarged(logits, shape)
    frame = Frame(Extent(shape[1], shape[0]))
    bounds, mask = frame.mask(logits)
    found = Segment(bounds, mask).on_canvas(frame.extent)
    # Only where a logit is within rounding of 0 may the two fall on different sides.
    assert not (found != (expected > 0).numpy())[expected.abs().numpy() > 1e-5].any()
    assert bounds == Bounds.of_mask(found)


@pytest.mark.parametrize(("height", "width"), [(37, 61), (301, 40), (64, 64), (5, 200)])
def test_a_padded_grid_is_what_sam_postprocesses(height, width, monkeypatch):
    """Kirillov et al.'s order: to the network's square, cut, to the picture."""
    monkeypatch.setattr(mask_network, "_BAND", 300)  # several bands
    side = 64
    scale = side / max(height, width)
    used = Extent(int(width * scale + 0.5), int(height * scale + 0.5))
    logits = blobs(16, 16, height)
    square = enlarged(logits, (side, side))[: used.height, : used.width]
    expected = enlarged(square, (height, width)) > 0
    frame = Frame(Extent(width, height), side, used)
    assert (on_canvas(frame, logits) == expected.numpy()).all()


def test_nothing_above_zero_is_an_empty_mask():
    bounds, mask = Frame(Extent(50, 30)).mask(torch.full((8, 8), -1.0))
    assert bounds.is_empty
    assert mask.size == 0


def test_a_small_thing_on_a_hundred_megapixels_costs_little(monkeypatch):
    """No array of the whole picture is made: only the part around it is ever enlarged."""
    frame = Frame(Extent(12345, 8101))
    logits = torch.full((256, 256), -4.0)
    logits[100:104, 200:203] = 4.0
    sizes = []
    bands = mask_network._bands

    def watched(*given):
        for band in bands(*given):
            sizes.append(band.numel())
            yield band

    monkeypatch.setattr(mask_network, "_bands", watched)
    bounds, mask = frame.mask(logits)
    assert sum(sizes) < 400 * 400
    centre = (bounds.x + bounds.width / 2, bounds.y + bounds.height / 2)
    assert centre == pytest.approx((201.5 / 256 * 12345, 102 / 256 * 8101), abs=2)
    assert mask.mean() > 0.9


def test_the_coarse_grid_is_cut_to_the_picture():
    frame = Frame(Extent(100, 50), 64, Extent(64, 32))
    assert frame.coarse(torch.zeros(3, 16, 16)).shape == (3, 8, 16)
    assert np.shape(Frame(Extent(100, 50)).coarse(torch.zeros(3, 16, 16))) == (3, 16, 16)
