"""BiRefNet against the published one, under weights drawn from their names."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from seeded import listed_shapes, parity_tensors, seeded_state
from tiny_mattes import TINY_SWIN, tiny_birefnet, tiny_lama

from layerstudio.errors import MismatchedWeights
from layerstudio.models.birefnet import BiRefNet
from layerstudio.models.swin import (
    SWIN_L,
    SWIN_T,
    Swin,
    SwinSize,
    joined,
    offset_index,
    strangers_of_roll,
    windows_of,
)

torch.set_num_threads(1)
TOLERANCE = 1e-4  # measured: 1e-6


@pytest.fixture(scope="module")
def published_state() -> dict[str, torch.Tensor]:
    """The weights of the fixture; those that steer the sampling are drawn small."""
    state = seeded_state(listed_shapes("birefnet_swin_t"), 81)
    for key in state:
        if key.endswith("relative_position_index"):
            state[key] = offset_index(SWIN_T.window)
        elif ".offset_conv." in key or ".modulator_conv." in key:
            state[key] *= 0.3
    return state


@pytest.mark.parametrize(
    ("listing", "size"), [("birefnet_swin_t", SWIN_T), ("birefnet_swin_l", SWIN_L)]
)
def test_keys_and_shapes_are_the_published_ones(listing, size):
    with torch.device("meta"):
        network = BiRefNet(size)
    expected = listed_shapes(listing)
    assert {k: tuple(t.shape) for k, t in network.state_dict().items()} == expected
    backbone = {key[3:]: shape for key, shape in expected.items() if key.startswith("bb.")}
    assert SwinSize.of(backbone) == size


def test_features_and_logits_are_the_published_ones(published_state):
    tensors = parity_tensors("birefnet_swin_t_128")
    network = BiRefNet.from_published(
        {f"module._orig_mod.{k}": t for k, t in published_state.items()}
    )
    with torch.inference_mode():
        features = network.features(tensors["x"])
        logits = network(tensors["x"])
    for name, found in zip(("x1", "x2", "x3"), features, strict=False):
        assert (found - tensors[name]).abs().max() < TOLERANCE
    assert (logits - tensors["logits"]).abs().max() < TOLERANCE


def test_pictures_of_a_batch_are_strangers():
    network = tiny_birefnet()
    pictures = torch.randn(3, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        together = network(pictures)
        alone = torch.cat([network(one[None]) for one in pictures])
    assert together.shape == (3, 1, 64, 96)
    assert (together - alone).abs().max() < 1e-5
    assert together.std() > 0.01


def test_any_precision_of_the_file_loads_and_can_be_chosen():
    state = {
        key: tensor.half() if tensor.is_floating_point() else tensor
        for key, tensor in tiny_birefnet().state_dict().items()
    }
    full = BiRefNet.from_published(state)
    assert {p.dtype for p in full.parameters()} == {torch.float32}
    half = BiRefNet.from_published(state, dtype=torch.bfloat16)
    x = torch.randn(1, 3, 32, 64)
    with torch.inference_mode():
        assert (half(x.bfloat16()).float() - full(x)).abs().max() < 0.1


def test_what_is_no_birefnet_is_named():
    state = tiny_birefnet().state_dict()
    short = {key: tensor for key, tensor in state.items() if not key.startswith("decoder.gdt")}
    with pytest.raises(MismatchedWeights, match=r"BiRefNet.*gdt_convs_4\.0\.weight is missing"):
        BiRefNet.from_published(short)
    with pytest.raises(MismatchedWeights, match=r"bb\.patch_embed"):
        BiRefNet.from_published({"conv.weight": torch.zeros(3, 3)})
    with pytest.raises(MismatchedWeights) as caught:
        BiRefNet.from_published(tiny_lama().state_dict())
    assert caught.value.advice == "It looks like LaMa, which fills holes."


@settings(deadline=None, max_examples=25)
@given(st.integers(2, 5), st.integers(1, 3), st.integers(1, 3), st.data())
def test_rolled_windows_part_what_was_apart(window, rows, columns, data):
    """By the definition: tokens are neighbours if their windows before rolling touch them both."""
    shift = data.draw(st.integers(1, window - 1))
    grid = torch.arange(rows * columns * window**2).view(1, rows * window, columns * window, 1)
    assert torch.equal(joined(windows_of(grid, window), window), grid)
    rolled = windows_of(grid.roll((-shift, -shift), (1, 2)), window)[0, ..., 0]
    y, x = rolled // (columns * window), rolled % (columns * window)
    strangers = strangers_of_roll(window, shift, torch.device("cpu"))
    for r in range(rows):
        for c in range(columns):
            far = ((y[r, c][:, None] - y[r, c]).abs() >= window) | (
                (x[r, c][:, None] - x[r, c]).abs() >= window
            )
            found = strangers[int(r == rows - 1), int(c == columns - 1)]
            # In the only window of an axis nobody is far, and those that came round are apart.
            assert not (far & ~found).any()
            if rows > 1 and columns > 1:
                assert torch.equal(far, found)


def test_backbone_takes_sides_that_fill_no_window():
    backbone = Swin(TINY_SWIN).eval()
    with torch.inference_mode():
        shapes = [tuple(f.shape) for f in backbone(torch.randn(2, 3, 37, 61))]
    assert shapes == [(2, 8, 10, 16), (2, 16, 5, 8), (2, 32, 3, 4), (2, 64, 2, 2)]
