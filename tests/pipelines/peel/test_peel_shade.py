"""Soft shadows on smooth backgrounds: seen where they lie, and given to what throws them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from drawn_photographs import reading

from layerstudio.document import Role
from layerstudio.geometry import Bounds, Extent
from layerstudio.pipelines.flat.analysis import analyse, dilate, residual
from layerstudio.pipelines.flat.drop_shadow import DropShadow
from layerstudio.pipelines.flat.element import Element, lay_over
from layerstudio.pipelines.flat.shadows import soft_darkness
from layerstudio.pipelines.peel.shade import cast_shadows, guided_soft

SHAPE = (211, 283)
GROUND = (228, 206, 160)
THROWN = DropShadow(5.0, 6.0, 5.0, 0.5)


def disc(x, y, radius):
    mask = np.zeros(SHAPE, np.uint8)
    cv2.circle(mask, (x, y), radius, 255, -1, cv2.LINE_AA)
    return mask.astype(np.float32) / 255


def scene(tints):
    """Discs side by side, each with a shadow of its tint or none, from left to right upwards:
    the picture, the backdrop, the discs, and the shadows' alpha."""
    backdrop = np.full((*SHAPE, 3), GROUND, np.float32)
    picture = backdrop.copy()
    discs, shadows = [], []
    for number, tint in enumerate(tints):
        alpha = disc(60 + 78 * number, 100, 40)
        shadow = THROWN.cast(alpha) if tint is not None else np.zeros(SHAPE, np.float32)
        picture += (np.float32(tint or (0, 0, 0)) - picture) * shadow[..., None]
        colour = np.broadcast_to(np.float32((60, 90 + 60 * number, 220)), (*SHAPE, 3))
        picture += (colour - picture) * alpha[..., None]
        full = Bounds.full(Extent.of(alpha))
        discs.append(Element(Role.OBJECT, full, alpha, colour.copy(), "drawing").cropped())
        shadows.append(shadow)
    return np.rint(picture).astype(np.uint8), backdrop, discs, shadows


def reading_of(drawn, shadow):
    """What a network would say that is right up to a few pixels."""
    drawing = cv2.GaussianBlur(drawn.astype(np.float32), (0, 0), 2)
    dark = np.maximum.reduce(shadow) * (drawing < 0.5)
    return reading(SHAPE, background=1 - drawing, drawing=drawing, shadow=dark.astype(np.float32))


def taken_apart(tints):
    picture, backdrop, discs, shadows = scene(tints)
    analysis = analyse(picture, lossy=False)
    drawn = np.zeros(SHAPE, bool)
    for item in discs:
        drawn[item.bounds.slices] |= item.alpha > 0.5
    reading = reading_of(drawn, shadows)
    soft = guided_soft(analysis, backdrop, soft_darkness(analysis, backdrop), reading)
    hidden = (residual(picture, backdrop) > analysis.tolerance) & ~soft
    found = cast_shadows(analysis, backdrop, soft, discs, hidden, reading.shadow)
    return picture, backdrop, drawn, shadows, soft, found


BLACK, BROWN, GREEN = (0, 0, 0), (40, 18, 0), (0, 36, 20)


@pytest.mark.parametrize("tints", [(BLACK, BLACK), (BROWN, GREEN, BLACK), (BLACK, None, BROWN)])
def test_each_shadow_is_given_to_what_throws_it_hidden_part_and_all(tints):
    picture, backdrop, drawn, shadows, soft, found = taken_apart(tints)
    true = [shadow for shadow in shadows if shadow.any()]
    assert len(found) == len(true)
    for element, shadow in zip(found, true, strict=True):
        alpha = np.zeros(SHAPE, np.float32)
        alpha[element.bounds.slices] = element.alpha
        assert np.abs(alpha - shadow)[shadow > 0.02].mean() < 0.05
        assert element.role is Role.SHADOW
    whole = backdrop.copy()
    for element in found:
        lay_over(whole, element)
    shown = soft & ~dilate(drawn, 3)
    assert residual(picture, whole)[shown].mean() < 3


def test_soft_darkness_is_seen_under_several_tints_at_once_and_no_drawing_is():
    _, _, drawn, shadows, soft, _ = taken_apart((BROWN, GREEN, BLACK))
    dark = np.maximum.reduce(shadows) > 0.05
    open_ground = dark & ~dilate(drawn, 2)
    assert soft[open_ground].mean() > 0.97
    assert not soft[~dilate(~drawn, 2)].any()


def test_darkness_that_nobody_takes_for_a_shadow_is_none():
    picture, backdrop, discs, _ = scene((BLACK, None))
    analysis = analyse(picture, lossy=False)
    drawn = np.zeros(SHAPE, bool)
    for item in discs:
        drawn[item.bounds.slices] |= item.alpha > 0.5
    unseen = reading_of(drawn, [np.zeros(SHAPE, np.float32)])
    soft = guided_soft(analysis, backdrop, soft_darkness(analysis, backdrop), unseen)
    assert soft.any()
    assert cast_shadows(analysis, backdrop, soft, discs, drawn, unseen.shadow) == []
    assert cast_shadows(analysis, backdrop, soft, [], drawn, unseen.shadow) == []
