"""Tiles: they cover, they fade, and decoding in tiles leaves no seam."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from seeded import seeded_input
from tiny_checkpoints import tiny_vae
from tiny_layerdiffuse import decoder_state
from torch import Tensor

from layerstudio.models.tiles import tiles
from layerstudio.models.transparent_vae import TransparencyDecoder, decode_rgba

steps = st.integers(1, 12)


@given(height=steps, width=steps, side=st.integers(2, 5), overlap=st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_parts_of_a_picture_add_up_to_it(height: int, width: int, side: int, overlap: int) -> None:
    height, width, side, overlap = 64 * height, 64 * width, 64 * side, 64 * min(overlap, side - 1)
    picture = seeded_input("picture", (1, 2, height, width), 1)
    total, count = torch.zeros_like(picture), 0
    for tile in tiles(height, width, side, overlap):
        part = tile.cut(picture)
        assert max(part.shape[2:]) <= side and not any(n % 64 for n in part.shape[2:])
        assert tile.cut(picture[..., ::8, ::8], 8).shape[2:] == tuple(
            n // 8 for n in part.shape[2:]
        )
        tile.add(part, total)
        count += 1
    assert torch.allclose(total, picture, atol=1e-5)
    assert (count == 1) == (max(height, width) <= side)


@given(length=st.integers(3, 12), side=st.integers(2, 5))
@settings(max_examples=20, deadline=None)
def test_tiles_fade_in_steps_of_their_overlap(length: int, side: int) -> None:
    """Where a tile ends it weighs next to nothing, so that no seam can show."""
    for tile in tiles(64, 64 * length, 64 * side, 64):
        share = tile.columns.share
        edges = (tile.columns.start > 0, tile.columns.stop < 64 * length)
        assert share[0] < 1 / 64 if edges[0] else share[0] == 1
        assert share[-1] < 1 / 64 if edges[1] else share[-1] == 1
        assert (share[1:] - share[:-1]).abs().max() <= 1.1 / 64


@pytest.fixture(scope="module")
def decoder() -> TransparencyDecoder:
    return TransparencyDecoder.from_published(decoder_state(4, 2), family="sdxl")


def jumps(difference: Tensor, position: int) -> Tensor:
    """Between the columns on both sides of ``position``."""
    return (difference[..., position] - difference[..., position - 1]).abs()


@given(height=st.integers(60, 190), width=st.integers(330, 500))
@settings(max_examples=4, deadline=None)
def test_no_seam_where_tiles_meet(decoder: TransparencyDecoder, height: int, width: int) -> None:
    """Tiles see less than the whole picture, so they differ from it; but not by steps."""
    height, width = (-(-side // 64) * 64 for side in (height, width))
    vae = tiny_vae("sdxl")
    latents = seeded_input("latents", (1, 4, height // 8, width // 8), 4)
    whole = decode_rgba(vae, decoder, latents, augment=1, tile=None)
    side, overlap = 256, 64
    tiled = decode_rgba(vae, decoder, latents, augment=1, tile=side)
    difference = tiled - whole
    borders = {
        column
        for tile in tiles(height, width, side, overlap)
        for column in (tile.columns.start, tile.columns.stop)
        if 0 < column < width
    }
    assert borders
    everywhere = (difference[..., 1:] - difference[..., :-1]).abs().mean()
    for border in borders:
        assert jumps(difference, border).mean() < 1.5 * everywhere + 2 / 255


def test_odd_tiles_are_refused(decoder: TransparencyDecoder) -> None:
    with pytest.raises(AssertionError, match="side 100"):
        list(tiles(128, 128, 100, 64))
    with pytest.raises(AssertionError, match="pad pictures to multiples of 64"):
        decode_rgba(tiny_vae("sdxl"), decoder, torch.zeros(1, 4, 8, 9))
