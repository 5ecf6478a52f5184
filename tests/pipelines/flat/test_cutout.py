"""What the analysis is shown of transparent pictures, and what is kept of its answer."""

import numpy as np
import pytest
from drawn_elements import CANVAS, background, box

from layerstudio.document import Role
from layerstudio.pipelines.flat.cutout import cut_to_alpha, show_opaque


def picture(colour=(200, 40, 40), window=(slice(20, 60), slice(30, 90)), alpha=255):
    """A rectangle of two shades on nothing, with a hole that keeps it from being a plate."""
    pixels = np.zeros((*CANVAS.extent.shape, 4), np.uint8)
    pixels[window] = (*colour, alpha)
    pixels[window][::2, :, 0] //= 2
    pixels[30:50, 40:80] = 0
    return pixels


@pytest.mark.parametrize("colour", [(255, 0, 255), (0, 255, 255), (255, 255, 255), (0, 0, 0)])
def test_the_key_is_far_from_every_colour(colour):
    cutout = show_opaque(picture(colour))
    assert cutout.key is not None
    shown = cutout.straight[cutout.alpha > 0].astype(int)
    assert np.abs(shown - cutout.key).max(axis=1).min() > 60
    assert (cutout.rgb[cutout.alpha == 0] == cutout.key).all()


def test_a_photograph_behind_that_shows_nothing_is_dropped():
    cutout = show_opaque(picture())
    behind = background(shape="photograph")
    covering = box(30, 20, 60, 40)
    assert [e.role for e in cut_to_alpha([behind, covering], cutout)] == [Role.OBJECT]
    beside = box(30, 20, 6, 6)
    kept = cut_to_alpha([behind, beside], cutout)
    assert [e.role for e in kept] == [Role.BACKGROUND, Role.OBJECT]
    assert kept[0].bounds == (30, 20, 60, 40)


def test_a_gradient_of_the_key_is_dropped():
    cutout = show_opaque(picture())
    behind = background(cutout.key, "linear")
    behind.colour[20:60] -= 90
    assert [e.role for e in cut_to_alpha([behind, box(30, 20, 60, 40)], cutout)] == [Role.OBJECT]


def test_faint_pixels_go_to_their_neighbour_and_far_ones_stand_alone():
    pixels = picture()
    pixels[20:60, 91:93] = (200, 40, 40, 3)
    pixels[110:113, 190:193] = (9, 9, 9, 60)
    far, near = cut_to_alpha([box(30, 20, 60, 40)], show_opaque(pixels))
    assert near.bounds == (30, 20, 63, 40)
    assert far.bounds == (190, 110, 3, 3)
    assert far.alpha.max() == pytest.approx(60 / 255)


def test_an_evenly_translucent_fill_is_unmixed_from_the_key():
    cutout = show_opaque(picture(alpha=128))
    colour = np.array([200.0, 40.0, 40.0])
    opacity = 128 / 255
    mixed = opacity * colour + (1 - opacity) * np.array(cutout.key)
    (fill,) = cut_to_alpha([box(30, 20, 60, 40, mixed)], cutout)
    np.testing.assert_allclose(fill.colour[0, 0], colour, atol=0.01)
    assert fill.alpha.max() == pytest.approx(opacity)
