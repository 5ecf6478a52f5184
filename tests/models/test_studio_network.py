"""What ``studio`` is told of a picture to be taken apart, and what it does with it."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from layerstudio.models.studio_network import (
    BACKGROUND,
    CANVAS_CELLS,
    CELLS,
    FIRST,
    PATCH,
    SIDE,
    VIEWS,
    Place,
    StudioNetwork,
    StudioSize,
)

ONE = [Place(BACKGROUND, words=(1,)), Place(FIRST, (10.0, 30.0, 77.0), (2, 3))]
OTHER = [
    Place(BACKGROUND, seen=True),
    Place(FIRST, (90.0, 9.0, 50.0), seen=True),
    Place(FIRST + 1, (100.0, 20.0, 64.0), (4,), seen=True),
]
TOKENS = CANVAS_CELLS**2 + CELLS**2


@pytest.fixture(scope="module")
def network() -> StudioNetwork:
    torch.manual_seed(5)
    size = StudioSize(
        words=6, channels=3, text_width=8, head_dim=12, heads=2, double_blocks=1, single_blocks=1,
        axes=(4, 4, 4),
    )  # fmt: skip
    made = StudioNetwork(size)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return made.eval()


@cache
def _bare() -> StudioNetwork:
    size = StudioSize(words=2, channels=1, head_dim=12, heads=1, double_blocks=0, single_blocks=0,
                      text_width=4, axes=(4, 4, 4))  # fmt: skip
    return StudioNetwork(size)


def test_documents_of_one_sequence_do_not_see_each_other(network: StudioNetwork) -> None:
    tokens = [torch.randn(TOKENS, network.values), torch.randn(TOKENS + 16, network.values)]
    seen = [torch.zeros(TOKENS, VIEWS, network.values)]
    seen.append(torch.randn(TOKENS + 16, VIEWS, network.values))
    levels = torch.tensor([0.7, 0.4])
    with torch.inference_mode():
        sheet = network.lay_out([ONE, OTHER])
        both = network(torch.cat(tokens), torch.cat(seen), levels, sheet)
        alone = network(tokens[0], seen[0], levels[:1], network.lay_out([ONE]))
        last = network(tokens[1], seen[1], levels[1:], network.lay_out([OTHER]))
    assert torch.allclose(both, torch.cat([alone, last]), atol=1e-5)


def test_open_gates_pass_what_is_seen(network: StudioNetwork) -> None:
    """A gate is of one latent pixel of one view, of all its channels."""
    out = network.transformer.proj_out
    kept = out.weight.detach().clone(), out.bias.detach().clone()
    tokens = torch.randn(TOKENS + 16, network.values)
    seen = torch.randn(TOKENS + 16, VIEWS, network.values)
    view, pixel = 1, 5
    with torch.inference_mode():
        out.weight.zero_()
        out.bias.zero_()
        out.bias[network.values :] = -30.0
        out.bias[network.values + view * PATCH**2 + pixel] = 30.0
        found = network(tokens, seen, torch.tensor([0.5]), network.lay_out([OTHER]))
        out.weight.copy_(kept[0])
        out.bias.copy_(kept[1])
    by_pixel = found.unflatten(1, (-1, PATCH**2))
    expected = torch.zeros_like(by_pixel)
    expected[..., pixel] = seen[:, view].unflatten(1, (-1, PATCH**2))[..., pixel]
    assert torch.allclose(by_pixel, expected, atol=1e-5)


def test_only_seen_layers_know_what_lies_over_them(network: StudioNetwork) -> None:
    sheet = network.lay_out([ONE, OTHER])
    ground, _, seen_ground, lower, upper = sheet.covered.split([64, 16, 64, 16, 16])
    assert not ground.any() and not upper.any()
    assert sheet.seen.tolist() == [False] * TOKENS + [True] * (TOKENS + 16)
    # The boxes over the background, with what they share counted once, in latent pixels of 8.
    pixels = SIDE / CANVAS_CELLS / PATCH
    area = (50**2 + 64**2 - 40 * 39) / pixels**2
    assert float(seen_ground.sum()) == pytest.approx(area, rel=0.12)
    assert float(lower.sum()) == pytest.approx(40 * 39 / 50**2 * 256, rel=1e-4)


@settings(max_examples=30, deadline=None)
@given(st.integers(-20, 250), st.integers(-20, 250), st.integers(1, 300))
def test_shares_covered_add_up_to_the_box_on_the_canvas(left: int, top: int, side: int) -> None:
    bare = _bare()
    above = Place(FIRST, (float(left), float(top), float(side)), seen=True)
    sheet = bare.lay_out([[Place(BACKGROUND, seen=True), above]])
    across = max(0, min(SIDE, left + side) - max(0, left))
    down = max(0, min(SIDE, top + side) - max(0, top))
    covered = sheet.covered[: CANVAS_CELLS**2]
    assert float(covered.sum()) * 64 == pytest.approx(across * down, abs=0.5)
    assert 0 <= float(covered.min()) <= float(covered.max()) <= 1 + 1e-5
