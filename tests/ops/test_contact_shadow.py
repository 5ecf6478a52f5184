"""A shadow laid under a thing on textured ground is found, measured and taken away."""

import cv2
import numpy as np
import pytest

from layerstudio.color import to_float, to_u8
from layerstudio.ops.contact_shadow import contact_shadow, without_shadow

SHAPE = (151, 203)


@pytest.fixture(scope="module")
def ground():
    rng = np.random.default_rng(2)
    grain = cv2.GaussianBlur(rng.normal(0, 1, SHAPE).astype(np.float32), (0, 0), 1) * 0.06
    colour = np.array([0.62, 0.55, 0.42], np.float32)
    return np.clip(colour * (1 + grain[..., None]), 0, 1)


@pytest.fixture(scope="module")
def caster():
    canvas = np.zeros(SHAPE, np.uint8)
    cv2.rectangle(canvas, (80, 30), (125, 105), 1, -1)
    return canvas > 0


@pytest.fixture(scope="module")
def light():
    patch = np.zeros(SHAPE, np.float32)
    cv2.ellipse(patch, (102, 106), (30, 9), 0, 0, 360, 1.0, -1)
    return 1 - 0.5 * cv2.GaussianBlur(patch, (0, 0), 4)


def pictured(ground, light, caster):
    shown = ground * light[..., None]
    shown[caster] = (0.2, 0.3, 0.7)
    return to_u8(shown)


def test_it_is_found_and_taken_away(ground, light, caster):
    rgb = pictured(ground, light, caster)
    shadow = contact_shadow(rgb, caster, caster)
    assert shadow is not None and shadow.alpha.min() >= 0 and shadow.alpha.max() < 1
    seen = np.zeros(SHAPE, np.float32)
    seen[shadow.bounds.slices] = shadow.alpha
    free = ~caster & (light < 0.9)
    assert np.abs(seen - (1 - light))[free].mean() < 0.35 * (1 - light)[free].mean()
    lit = to_float(without_shadow(rgb, shadow))
    before = np.abs(to_float(rgb) - ground)[free].mean()
    assert np.abs(lit - ground)[free].mean() < 0.4 * before


def test_ground_without_a_shadow(ground, caster):
    rgb = pictured(ground, np.ones(SHAPE, np.float32), caster)
    assert contact_shadow(rgb, caster, caster) is None


def test_a_coloured_patch_is_no_shadow(ground, light, caster):
    red = 1 - (1 - light[..., None]) * np.array([0.0, 1.0, 1.6], np.float32)
    rgb = to_u8(np.where(caster[..., None], np.float32(0.3), ground * red))
    assert contact_shadow(rgb, caster, caster) is None


def test_no_ground_to_look_at(ground, caster):
    rgb = pictured(ground, np.ones(SHAPE, np.float32), caster)
    assert contact_shadow(rgb, caster, np.ones(SHAPE, bool)) is None
    speck = np.zeros(SHAPE, bool)
    speck[50:54, 50:54] = True
    assert contact_shadow(rgb, speck, speck) is None
