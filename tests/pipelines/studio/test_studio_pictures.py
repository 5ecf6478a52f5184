"""What ``studio`` sees in a picture, and how its layers are made to recompose to it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_studio import tiny_studio

from layerstudio.color import U8, to_float, to_u8
from layerstudio.composite import composite
from layerstudio.document import Role
from layerstudio.geometry import Bounds, Extent
from layerstudio.models.studio_codec import latents_of, straight
from layerstudio.models.studio_network import BACKGROUND, FIRST, PATCH, SIDE, VIEWS
from layerstudio.picture import Picture
from layerstudio.pipelines.stacking import layer_of
from layerstudio.pipelines.studio.model import StudioModel
from layerstudio.pipelines.studio.pixels import guess
from layerstudio.pipelines.studio.sampling import decoded
from layerstudio.pipelines.studio.seeing import views
from layerstudio.pipelines.studio.settling import corrected, settled

PLAIN = (40, 160, 220)


@pytest.fixture(scope="module")
def model() -> StudioModel:
    made = tiny_studio()
    # With all 256 directions a picture goes through the encoder without loss.
    codec = type(made.codec)(channels=256, width=4, blocks=1)
    return StudioModel(codec.eval(), made.network, made.vocabulary)


def picture_of(height: int, width: int, *boxes: Bounds) -> Picture:
    pixels = np.full((height, width, 4), (*PLAIN, 255), np.uint8)
    for index, box in enumerate(boxes):
        pixels[box.slices] = (200, 30 + 60 * index, 10, 255)
    return Picture(pixels)


@pytest.mark.parametrize("extent", [Extent(256, 256), Extent(300, 171), Extent(97, 140)])
def test_a_thing_is_seen_in_its_square_and_plain_behind(model: StudioModel, extent: Extent) -> None:
    boxes = {FIRST: Bounds(10, 20, 50, 50), FIRST + 1: Bounds(40, 60, 33, 33)}
    inset = [Bounds(b.x + 2, b.y + 2, b.width - 4, b.height - 4) for b in boxes.values()]
    picture = picture_of(extent.height, extent.width, *inset)
    found = views(model, picture.pixels, extent, boxes)
    assert {number: own.shape[1] for number, own in found.items()} == dict.fromkeys(
        (BACKGROUND, *boxes), VIEWS
    )
    top = decoded(model, found[FIRST + 1][:, 0], coarse=True)[:, 16:112, 16:112]
    assert torch.allclose(top[:3], torch.tensor([200, 90, 10]).view(3, 1, 1) / 255, atol=0.02)
    plain = torch.tensor(PLAIN).view(3, 1, 1) / 255
    for number, own in found.items():
        shown, behind = own.unbind(1)
        filled = decoded(model, behind, coarse=True)
        assert torch.allclose(filled[:3], plain.expand_as(filled[:3]), atol=0.02), number
        rows = round(len(shown) ** 0.5)
        pixels = straight(model.codec.preview(latents_of(shown[None], PATCH, rows)))[0]
        assert bool((pixels[3] < 0.5).any()) == (number == BACKGROUND and extent.width != SIDE)


def test_holes_of_a_plate_are_filled_in_the_second_view(model: StudioModel) -> None:
    pixels = picture_of(120, 200).pixels.copy()
    pixels[30:80, 40:110] = 0
    shown, behind = views(model, pixels, Extent(200, 120), {})[BACKGROUND].unbind(1)
    plain = torch.tensor(PLAIN).view(3, 1, 1) / 255
    filled = decoded(model, behind, coarse=True)
    assert torch.allclose(filled[:3], plain.expand_as(filled[:3]), atol=0.02)
    assert filled[3].min() > 0.98 and decoded(model, shown, coarse=True)[3].min() < 0.02


@settings(max_examples=20, deadline=None)
@given(st.integers(9, 70), st.integers(9, 70), st.integers(0, 2**32 - 1), st.booleans())
def test_settled_layers_recompose(height: int, width: int, seed: int, deep: bool) -> None:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (height, width, 4), np.uint8)
    pixels[..., 3] = 255
    own = pixels if not deep else pixels.astype(np.uint16) * 257
    size = min(height, width) - 4
    made = {BACKGROUND: layer_of("Background", noise(rng, height, width, 255), Role.BACKGROUND)}
    boxes = {}
    for number in (FIRST, FIRST + 1):
        box = Bounds(int(rng.integers(0, width - size)), int(rng.integers(0, 4)), size, size)
        made[number] = layer_of("Thing", noise(rng, size, size), Role.OBJECT, box)
        boxes[number] = box
    document = settled(Picture(own), made, boxes)
    assert [layer.name for layer in document.layers] == ["Background", "Thing", "Thing"]
    off = np.abs(composite(document)[..., :3] - to_float(pixels)[..., :3])
    assert off.max() <= 1.01 / 255


def noise(rng: np.random.Generator, height: int, width: int, alpha: int | None = None) -> U8:
    pixels = rng.integers(0, 256, (height, width, 4), np.uint8)
    pixels[..., 3] = rng.choice([0, 90, 255], (height, width)) if alpha is None else alpha
    return pixels


def test_behind_a_thing_the_background_meets_what_is_around() -> None:
    """The network's background is too dark; its pattern stays, and its level is put right."""
    height, width, box = 120, 150, Bounds(40, 30, 50, 50)
    picture = picture_of(height, width, box)
    pattern = (np.arange(width) // 5 % 2 * 20)[None, :, None].astype(np.int16)
    true = np.clip(np.array(PLAIN) + np.zeros((height, width, 1), np.int16) + pattern, 0, 255)
    pixels = picture.pixels.copy()
    pixels[..., :3] = true
    pixels[box.slices] = (200, 30, 10, 255)
    dark = np.dstack([true - 35, np.full((height, width), 255)]).clip(0, 255).astype(np.uint8)
    thing = np.full((50, 50, 4), (200, 30, 10, 255), np.uint8)
    made = {
        BACKGROUND: layer_of("Background", dark, Role.BACKGROUND),
        FIRST: layer_of("Thing", thing, Role.OBJECT, box),
    }
    document = settled(Picture(pixels), made, {FIRST: Bounds(36, 24, 60, 60)})
    ground = document.layers[0].pixels[..., :3].astype(int)
    assert np.abs(ground - true).max() <= 2
    assert np.array_equal(document.layers[1].pixels, thing)


def test_what_differs_from_the_background_belongs_to_the_box_that_holds_it() -> None:
    """The network gave each thing but half of its own; the upper takes none of the lower's."""
    lower, upper = Bounds(20, 30, 50, 50), Bounds(60, 50, 40, 40)
    picture = picture_of(120, 150, lower, upper)
    plain = picture_of(120, 150).pixels
    made = {BACKGROUND: layer_of("Background", plain, Role.BACKGROUND)}
    for number, box in ((FIRST, lower), (FIRST + 1, upper)):
        pixels = picture.pixels[box.slices].copy()
        pixels[box.height // 2 :, :, 3] = 0
        made[number] = layer_of("Thing", pixels, Role.OBJECT, box)
    ground, *things = settled(picture, made, {FIRST: lower, FIRST + 1: upper}).layers
    assert np.array_equal(ground.pixels, plain)
    assert [layer.bounds for layer in things] == [lower, upper]
    assert np.array_equal(things[1].pixels, picture.pixels[upper.slices])
    assert (things[0].pixels[:20, :, 3] == 255).all()


def test_what_is_known_is_kept_and_a_guess_is_opaque() -> None:
    rng = np.random.default_rng(1)
    made, shown = rng.random((2, 31, 45, 3), dtype=np.float32)
    known = rng.random((31, 45)) < 0.4
    found = corrected(made, shown, known)
    assert np.array_equal(found[known], shown[known])
    assert 0 <= found.min() <= found.max() <= 1
    clear = np.dstack([shown, known.astype(np.float32)])
    filled = guess(clear)
    assert np.array_equal(to_u8(filled[known]), to_u8(clear[known]))
    assert (filled[..., 3] == 1).all()
