"""Shadows on photographs: told from texture, fitted, one after another."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from drawn_photographs import photograph

from layerstudio.document import Role
from layerstudio.geometry import Bounds, Extent
from layerstudio.pipelines.flat.drop_shadow import DropShadow
from layerstudio.pipelines.flat.element import Element
from layerstudio.pipelines.peel.darkening import believed_shadows, strongest, unit_of

SHAPE = (331, 417)
THROWN = DropShadow(3.0, 6.0, 5.0, 0.5)


def disc(x, y, radius=42):
    mask = np.zeros(SHAPE, np.uint8)
    cv2.circle(mask, (x, y), radius, 255, -1, cv2.LINE_AA)
    return mask.astype(np.float32) / 255


def element(alpha):
    colour = np.zeros((*alpha.shape, 3), np.float32)
    return Element(Role.OBJECT, Bounds.full(Extent.of(alpha)), alpha, colour).cropped()


def scene(seed, throws):
    """Two discs, of which some throw a shadow; what a network would see of these: half."""
    image = photograph(seed, SHAPE)
    alphas = [disc(105, 120), disc(290, 190)]
    shadows = [THROWN.cast(alpha) for alpha in alphas]
    seen = np.zeros(SHAPE, np.float32)
    for shadow, thrown in zip(shadows, throws, strict=True):
        if thrown:
            image = image * (1 - shadow[..., None])
            seen = np.maximum(seen, 0.5 * shadow)
    covered = np.maximum(*alphas) > 0.02
    seen[covered] = 0
    for alpha in alphas:
        image = image + alpha[..., None] * (np.float32((220, 60, 60)) - image)
    return np.rint(image).astype(np.float32), covered, [element(a) for a in alphas], shadows, seen


def overlap(one, other):
    return float(np.minimum(one, other).sum() / np.maximum(one, other).sum())


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("throws", [(True, True), (True, False), (False, True), (False, False)])
def test_each_shadow_that_is_thrown_is_found_and_no_other(seed, throws):
    image, covered, casters, shadows, seen = scene(seed, throws)
    found = believed_shadows(image, covered, casters, seen)
    assert [number for number, _, _ in found] == [n for n, thrown in enumerate(throws) if thrown]
    for number, bounds, alpha in found:
        whole = np.zeros(SHAPE, np.float32)
        whole[bounds.slices] = alpha
        assert overlap(whole, shadows[number]) > 0.7


def test_what_the_network_does_not_see_must_be_plain():
    image, covered, _, _, seen = scene(1, (True, False))
    caster, full, unit = element(disc(105, 120)), Bounds.full(Extent.of(covered)), unit_of(covered)
    sure = strongest(image, covered, caster, full, seen, unit)
    unseen = strongest(image, covered, caster, full, np.zeros_like(seen), unit)
    assert sure is not None and unseen is not None
    assert unseen.worth == sure.worth and unseen.belief() < sure.belief()


def test_where_no_photograph_shows_nothing_is_said():
    image, covered, casters, _, seen = scene(2, (True, True))
    everything = np.ones_like(covered)
    assert believed_shadows(image, everything, casters, seen) == []
    assert believed_shadows(image, covered, [], seen) == []
    tiny, corner = np.ones((3, 3), np.float32), Bounds(0, 0, 3, 3)
    black = np.zeros((3, 3, 3), np.float32)
    assert strongest(black, tiny > 2, element(tiny), corner, tiny, 3.0) is None
