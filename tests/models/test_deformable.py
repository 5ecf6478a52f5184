"""Deformable convolution: ours, torchvision's, and where both are an ordinary one."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.ops import deform_conv2d

from layerstudio.models.deformable import deformable_convolution, sampled_convolution

torch.set_num_threads(1)


def drawn(batch: int, height: int, width: int, kernel: int, reach: float):
    generator = torch.Generator().manual_seed(batch + 7 * height + 31 * width + kernel)
    taps = kernel**2
    return (
        torch.randn(batch, 5, height, width, generator=generator),
        torch.randn(batch, 2 * taps, height, width, generator=generator) * reach,
        torch.rand(batch, taps, height, width, generator=generator) * 2,
        torch.randn(6, 5, kernel, kernel, generator=generator) / (5 * taps) ** 0.5,
    )


@settings(deadline=None, max_examples=30)
@given(
    st.integers(1, 3), st.integers(1, 23), st.integers(1, 23), st.sampled_from([1, 3, 7]),
    st.sampled_from([0.4, 3.0, 40.0]),
)  # fmt: skip
def test_ours_is_torchvisions(batch, height, width, kernel, reach):
    x, offset, modulation, weight = drawn(batch, height, width, kernel, reach)
    expected = deform_conv2d(x, offset, weight, padding=kernel // 2, mask=modulation)
    found = sampled_convolution(x, offset, modulation, weight)
    assert (found - expected).abs().max() < 1e-5


@pytest.mark.parametrize("kernel", [1, 3, 7])
def test_without_offsets_it_is_a_convolution(kernel):
    x, offset, modulation, weight = drawn(2, 9, 14, kernel, 0.0)
    found = deformable_convolution(x, offset, torch.ones_like(modulation), weight)
    assert (found - F.conv2d(x, weight, padding=kernel // 2)).abs().max() < 1e-5


def test_memory_layout_does_not_matter():
    x, *rest = drawn(2, 11, 8, 3, 2.0)
    last = [t.contiguous(memory_format=torch.channels_last) for t in (x, *rest[:2])]
    assert torch.allclose(sampled_convolution(*last, rest[2]), sampled_convolution(x, *rest))


def test_half_precision_places_are_found_in_float32():
    """Only the inputs are rounded: the result is that of float32 for the same inputs."""
    inputs = [tensor.half() for tensor in drawn(1, 40, 300, 3, 2.0)]
    found = deformable_convolution(*inputs)
    expected = sampled_convolution(*(tensor.float() for tensor in inputs))
    assert found.dtype == torch.float16
    assert (found.float() - expected).abs().max() < 2e-3


def test_gradients_reach_every_input():
    inputs = [tensor.double().requires_grad_() for tensor in drawn(1, 4, 5, 3, 0.3)]
    assert torch.autograd.gradcheck(sampled_convolution, inputs)
