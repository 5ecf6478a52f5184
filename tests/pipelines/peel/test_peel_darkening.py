"""Shadows on photographs: told from texture, fitted, one after another."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from layerstudio.document import Role
from layerstudio.geometry import Bounds, Extent
from layerstudio.pipelines.flat.drop_shadow import DropShadow
from layerstudio.pipelines.flat.element import Element
from layerstudio.pipelines.peel.darkening import believed_shadows, strongest, unit_of

SHAPE = (331, 417)
THROWN = DropShadow(3.0, 6.0, 5.0, 0.5)


def photograph(seed):
    """Patches of light with edges, as leaves, with fine grain."""
    rng = np.random.default_rng(seed)
    image = np.full((*SHAPE, 3), 120, np.float32)
    for _ in range(60):
        x, y, size = rng.integers(0, SHAPE[1]), rng.integers(0, SHAPE[0]), rng.integers(8, 60)
        patch = np.zeros(SHAPE, np.float32)
        centre, axes = (int(x), int(y)), (int(size), int(size // 2))
        cv2.ellipse(patch, centre, axes, float(rng.uniform(0, 180)), 0, 360, 1.0, -1, cv2.LINE_AA)
        patch = cv2.GaussianBlur(patch, (0, 0), float(rng.uniform(0.5, 6)))[..., None]
        image += 0.5 * patch * (np.float32(rng.uniform(40, 230, 3)) - image)
    return np.clip(image + rng.normal(0, 2, image.shape), 0, 255).astype(np.float32)


def disc(x, y, radius=42):
    mask = np.zeros(SHAPE, np.uint8)
    cv2.circle(mask, (x, y), radius, 255, -1, cv2.LINE_AA)
    return mask.astype(np.float32) / 255


def element(alpha):
    colour = np.zeros((*alpha.shape, 3), np.float32)
    return Element(Role.OBJECT, Bounds.full(Extent.of(alpha)), alpha, colour).cropped()


def scene(seed, throws):
    """Two discs, of which some throw a shadow; what a network would see of these: half."""
    image = photograph(seed)
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
    sure = strongest(image, covered, disc(105, 120), seen, unit_of(covered))
    unseen = strongest(image, covered, disc(105, 120), np.zeros_like(seen), unit_of(covered))
    assert sure is not None and unseen is not None
    assert unseen.worth == sure.worth and unseen.belief() < sure.belief()


def test_where_no_photograph_shows_nothing_is_said():
    image, covered, casters, _, seen = scene(2, (True, True))
    everything = np.ones_like(covered)
    assert believed_shadows(image, everything, casters, seen) == []
    assert believed_shadows(image, covered, [], seen) == []
    tiny = np.ones((3, 3), np.float32)
    assert strongest(np.zeros((3, 3, 3), np.float32), tiny > 2, tiny, tiny, 3.0) is None
