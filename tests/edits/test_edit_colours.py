"""Recolouring and adjusting: formulas, identities, what stays."""

import math

import numpy as np
import pytest
from edit_documents import flat, nested, noise
from hypothesis import given, settings
from hypothesis import strategies as st

from layerstudio import edits
from layerstudio.document import Document, Group, Layer, TextContent
from layerstudio.edits.recolour import dominant_colour
from layerstudio.errors import InvalidRequest
from layerstudio.geometry import Bounds, Extent
from layerstudio.oklab import from_oklab, oklab, to_oklab

DEPTHS = pytest.mark.parametrize("dtype", [np.uint8, np.uint16])


def of_layer(layer: Layer, edit) -> Layer:
    document = Document(Extent(9, 9), (flat("below", Bounds(0, 0, 9, 9), (1, 2, 3, 255)), layer))
    edited = edit(document, [(1,)])
    assert edited.selection == ((1,),)
    assert edited.document.at((0,)) is document.at((0,))
    changed = edited.document.at((1,))
    assert isinstance(changed, Layer)
    return changed


def rgb(layer: Layer) -> np.ndarray:
    return layer.pixels[..., :3] / np.iinfo(layer.pixels.dtype).max


@DEPTHS
def test_oklab_agrees_with_ours_and_comes_back(dtype):
    planes = np.random.default_rng(1).integers(0, np.iinfo(dtype).max + 1, (3, 31, 17), dtype)
    lab = to_oklab(planes)
    colours = (planes / np.iinfo(dtype).max).reshape(3, -1).T.astype(np.float32)
    assert np.abs(lab.reshape(3, -1).T - oklab(colours)).max() < 1e-5
    step = 0 if dtype == np.uint8 else 2
    assert np.abs(from_oklab(lab, np.dtype(dtype)).astype(int) - planes).max() <= step


@DEPTHS
@given(st.integers(0, 0xFFFFFF), st.integers(0, 0xFFFFFF))
@settings(max_examples=30, deadline=None)
def test_a_flat_layer_takes_on_the_wanted_colour(dtype, start, goal):
    red, green, blue = start.to_bytes(3, "big")
    layer = flat("l", Bounds(1, 1, 5, 4), (red, green, blue, 90), dtype)
    changed = of_layer(layer, lambda d, p: edits.recolour(d, p, f"#{goal:06x}"))
    assert np.abs(rgb(changed) * 255 - list(goal.to_bytes(3, "big"))).max() <= 1.01
    assert np.array_equal(changed.pixels[..., 3], layer.pixels[..., 3])
    assert changed.pixels.dtype == dtype


def test_shading_stays_in_order_and_black_and_white_stay():
    ramp = np.linspace(0, 1, 101)[:, None]
    base = np.array([0.1, 0.3, 0.8])
    colours = np.where(ramp < 0.5, 2 * ramp * base, base + (2 * ramp - 1) * (1 - base))
    pixels = np.full((40, 101, 4), 255, np.uint8)
    pixels[..., :3] = np.rint(255 * base)
    pixels[0, :, :3] = np.rint(255 * colours)
    changed = of_layer(
        Layer("l", Bounds(0, 0, 101, 40), pixels), lambda d, p: edits.recolour(d, p, "#e0a020")
    )
    shaded = changed.pixels[0, :, :3]
    assert tuple(shaded[0]) == (0, 0, 0) and tuple(shaded[-1]) == (255, 255, 255)
    lightness = to_oklab(np.ascontiguousarray(shaded.T[:, None]))[0, 0]
    assert np.diff(lightness).min() > -0.01
    assert np.abs(changed.pixels[20, 3].astype(int) - (0xE0, 0xA0, 0x20, 255)).max() <= 1


def test_the_dominant_colour_is_what_most_of_the_alpha_has():
    pixels = np.zeros((10, 10, 4), np.uint8)
    pixels[:6] = (250, 10, 10, 20)
    pixels[6:] = (10, 10, 250, 255)
    assert list(dominant_colour([pixels])) == [10, 10, 250]  # type: ignore
    pixels[..., 3] = 0
    assert dominant_colour([pixels]) is None


def test_half_an_amount_goes_half_the_way_and_none_nowhere():
    layer = flat("l", Bounds(0, 0, 4, 4), (200, 40, 40, 255))
    half = of_layer(layer, lambda d, p: edits.recolour(d, p, "#2828c8", 0.5))
    ends = [np.array([[200], [40], [40]], np.uint8), np.array([[40], [40], [200]], np.uint8)]
    middle = (to_oklab(ends[0]) + to_oklab(ends[1])) / 2
    got = to_oklab(np.ascontiguousarray(half.pixels[0, :1, :3].T))
    assert np.abs(got - middle).max() < 0.01
    assert of_layer(layer, lambda d, p: edits.recolour(d, p, "#2828c8", 0)) is layer
    clear = flat("l", Bounds(0, 0, 4, 4), (200, 40, 40, 0))
    assert of_layer(clear, lambda d, p: edits.recolour(d, p, "#2828c8")) is clear


@DEPTHS
def test_curves_follow_their_formulas(dtype):
    layer = noise("l", Bounds(0, 0, 16, 13), dtype)
    v = rgb(layer)
    cases = [
        ({"invert": True}, 1 - v),
        ({"gamma": 2.2}, v ** (1 / 2.2)),
        ({"brightness": 0.3}, v + 0.3 * (1 - v)),
        ({"brightness": -0.4}, v * 0.6),
        ({"contrast": 0.5}, np.clip(0.5 + 2 * (v - 0.5), 0, 1)),
        ({"contrast": -1.0}, np.full_like(v, 0.5)),
        ({"temperature": 0.6}, v ** np.array([2**-0.3, 1, 2**0.3])),
        ({"invert": True, "brightness": -1.0}, np.zeros_like(v)),
        ({"contrast": 1.0}, (v > 0.5).astype(float)),
    ]
    for settings_, expected in cases:
        changed = of_layer(layer, lambda d, p, s=settings_: edits.adjust(d, p, **s))
        assert np.abs(rgb(changed) - expected).max() <= 0.51 / np.iinfo(dtype).max + 1e-6, settings_
        assert np.array_equal(changed.pixels[..., 3], layer.pixels[..., 3])


@DEPTHS
def test_hue_and_saturation(dtype):
    layer = noise("l", Bounds(0, 0, 16, 13), dtype)
    grey = rgb(layer) @ [0.213, 0.715, 0.072]
    dull = of_layer(layer, lambda d, p: edits.adjust(d, p, saturation=-1))
    assert np.abs(rgb(dull) - grey[..., None]).max() < 0.003
    # feColorMatrix hueRotate 120 as the specification writes it out.
    c, s = math.cos(math.radians(120)), math.sin(math.radians(120))
    luminance = np.tile([0.213, 0.715, 0.072], (3, 1))
    cosine = np.array([[0.787, -0.715, -0.072], [-0.213, 0.285, -0.072], [-0.213, -0.715, 0.928]])
    sine = np.array([[-0.213, -0.715, 0.928], [0.143, 0.140, -0.283], [-0.787, 0.715, 0.072]])
    turned = of_layer(layer, lambda d, p: edits.adjust(d, p, hue=120))
    expected = np.clip(rgb(layer) @ (luminance + c * cosine + s * sine).T, 0, 1)
    assert np.abs(rgb(turned) - expected).max() <= 0.51 / np.iinfo(dtype).max + 1e-5


def test_neutral_adjustments_share_everything():
    document = nested()
    assert edits.adjust(document, [(0,), (1,)]).document is document


def test_groups_are_adjusted_layer_by_layer_and_text_follows():
    document = nested()
    inverted = edits.adjust(document, [(1,)], invert=True).document
    for path in ((1, 0), (1, 1, 0), (1, 1, 1)):
        before, after = document.at(path), inverted.at(path)
        assert isinstance(before, Layer) and isinstance(after, Layer)
        full = np.iinfo(before.pixels.dtype).max
        assert np.array_equal(after.pixels[..., :3], full - before.pixels[..., :3])
    text = TextContent("Hi", "Sans", 9.0, (200, 10, 30), Bounds(0, 0, 4, 4))
    layer = flat("t", Bounds(0, 0, 4, 4), (200, 10, 30, 255), text=text)
    changed = of_layer(layer, lambda d, p: edits.adjust(d, p, invert=True))
    assert changed.text is not None and changed.text.color == (55, 245, 225)
    blue = of_layer(layer, lambda d, p: edits.recolour(d, p, "#0000ff"))
    assert blue.text is not None and blue.text.color == tuple(blue.pixels[0, 0, :3])


def test_a_group_changes_as_one():
    """The large red part turns blue; the white and the small green one do not turn blue too."""
    parts = (
        flat("red", Bounds(0, 0, 9, 9), (200, 20, 20, 255)),
        flat("white", Bounds(0, 0, 5, 5), (255, 255, 255, 255), np.uint16),
        flat("green", Bounds(0, 0, 2, 2), (20, 160, 20, 255)),
    )
    document = Document(Extent(9, 9), (Group("g", parts),))
    group = edits.recolour(document, [(0,)], "#2040c0").document.at((0,))
    assert isinstance(group, Group)
    red, white, green = group.children
    assert isinstance(red, Layer) and isinstance(white, Layer) and isinstance(green, Layer)
    assert np.abs(red.pixels[0, 0].astype(int) - (0x20, 0x40, 0xC0, 255)).max() <= 1
    assert white.pixels.min() > 65535 * 0.98
    assert np.abs(green.pixels[0, 0, :3].astype(int) - (0x20, 0x40, 0xC0)).max() > 30


def test_empty_and_single_pixel_layers():
    for bounds in (Bounds(0, 0, 0, 0), Bounds(-40, 3, 1, 1)):
        document = Document(Extent(9, 9), (noise("l", bounds),))
        edits.adjust(document, [(0,)], saturation=0.5, gamma=2)
        edits.recolour(document, [(0,)], "#00ff00")


@pytest.mark.parametrize(
    "settings_",
    [{"gamma": 0}, {"gamma": math.nan}, {"hue": 181}, {"saturation": "1"}, {"invert": 1}],
)
def test_bad_settings_are_refused(settings_):
    with pytest.raises(InvalidRequest):
        edits.adjust(nested(), [(0,)], **settings_)
    with pytest.raises(InvalidRequest, match="colour"):
        edits.recolour(nested(), [(0,)], "blue")
    with pytest.raises(InvalidRequest, match="amount"):
        edits.recolour(nested(), [(0,)], "#0000ff", 1.5)
