"""Translucent panels on photographs: where the network sees them, as dark as the picture says."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_photographs import photograph, reading

from layerstudio.geometry import Bounds
from layerstudio.pipelines.flat.analysis import analyse
from layerstudio.pipelines.peel.veils import guided_veils

SHAPE = (301, 397)
TINT = np.float32((60, 90, 220))
LEFT, RIGHT = Bounds(40, 60, 150, 170), Bounds(206, 60, 150, 170)


def veiled(image, boxes, opacity):
    """The picture, and where a network sees the veils, to four pixels."""
    picture, seen = image.copy(), np.zeros(SHAPE, np.float32)
    for box in boxes:
        view = picture[box.slices]
        view += (TINT - view) * np.float32(opacity)
        seen[Bounds(box.x // 4 * 4, box.y // 4 * 4, box.width, box.height).slices] = 0.95
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8), seen


def veils_of(pixels, seen, drawn=None):
    drawn = np.zeros(SHAPE, bool) if drawn is None else drawn
    return guided_veils(analyse(pixels, lossy=False), reading(SHAPE, veil=seen), drawn)


@pytest.mark.parametrize("opacity", [0.45, 0.8])
def test_veils_side_by_side_are_two(opacity):
    pixels, seen = veiled(photograph(5, SHAPE), (LEFT, RIGHT), opacity)
    found = sorted(veils_of(pixels, seen), key=lambda veil: veil.bounds.x)
    assert len(found) == 2
    for veil, box in zip(found, (LEFT, RIGHT), strict=True):
        assert veil.bounds.intersection(box).area > 0.93 * max(veil.bounds.area, box.area)
        assert abs(float(veil.alpha.max()) - opacity) < 0.1


def test_a_veil_under_a_drawing_from_edge_to_edge_is_one():
    pixels, seen = veiled(photograph(5, SHAPE), (LEFT,), 0.5)
    drawn = np.zeros(SHAPE, bool)
    drawn[130:150, 20:220] = True
    pixels[drawn] = (250, 240, 20)
    seen[drawn] = 0
    (veil,) = veils_of(pixels, seen, drawn)
    assert veil.bounds.intersection(LEFT).area > 0.93 * LEFT.area


def test_where_nothing_tells_the_opacity_it_is_a_usual_one():
    sky = np.full((*SHAPE, 3), (150, 180, 210), np.float32)
    pixels, seen = veiled(sky, (LEFT,), 0.5)
    (veil,) = veils_of(pixels, seen)
    assert 0.5 <= veil.alpha.max() <= 0.8
    bare = (pixels[100, 100] - veil.alpha.max() * np.array(veil.mean_colour())) / (
        1 - veil.alpha.max()
    )
    assert np.abs(bare - sky[0, 0]).max() < 12


@pytest.mark.parametrize("opacity", [0.5, 0.75])
def test_a_border_of_another_colour_does_not_hide_the_opacity(opacity):
    pixels, seen = veiled(photograph(5, SHAPE), (LEFT,), opacity)
    border = np.ones(LEFT.extent.shape, bool)
    border[6:-6, 6:-6] = False
    pixels[LEFT.slices][border] = (230, 235, 90)
    (veil,) = veils_of(pixels, seen)
    assert abs(float(veil.alpha.max()) - opacity) < 0.2
    assert np.abs(np.array(veil.mean_colour()) - TINT).max() < 40


def test_frayed_reading_makes_no_other_outline():
    pixels, seen = veiled(photograph(5, SHAPE), (LEFT,), 0.6)
    seen[LEFT.bottom - 16 : LEFT.bottom - 8, LEFT.x - 36 : LEFT.x] = 0.9
    (veil,) = veils_of(pixels, seen)
    assert veil.bounds.intersection(LEFT).area > 0.93 * max(veil.bounds.area, LEFT.area)


def test_what_no_photograph_could_look_like_under_a_veil_is_none():
    pixels, seen = veiled(photograph(5, SHAPE), (LEFT,), 0.7)
    assert len(veils_of(pixels, seen)) == 1
    inner = Bounds(LEFT.x + 12, LEFT.y + 12, LEFT.width - 24, LEFT.height - 24)
    pixels[inner.slices] = 255 * np.random.default_rng(0).integers(0, 2, (*inner.extent.shape, 3))
    assert veils_of(pixels, seen) == []
