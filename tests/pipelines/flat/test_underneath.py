"""Drawings are whole beneath letters that stand on them, and only there."""

import numpy as np
import pytest
from drawn_pictures import Drawing, ellipse, on_canvas, words

from layerstudio.document import Role
from layerstudio.geometry import Bounds
from layerstudio.pipelines.flat.element import Element
from layerstudio.pipelines.flat.lettering import Lettering
from layerstudio.pipelines.flat.underneath import beneath_letters

SHAPE = (173, 261)
RED, CREAM = (200, 30, 40), (250, 250, 244)


def badge_with(place):
    """A disc with a hole where letters at ``place`` are, these letters, and the whole disc."""
    disc = ellipse(SHAPE, 120, 85, 70)
    ink = words(SHAPE, place, "Sale", 26)
    drawing = Drawing(SHAPE, CREAM).lay(disc, RED).lay(ink, CREAM)
    colour = drawing.shown.copy()
    alpha = np.where(ink > 0, np.float32(0), disc)
    element = Element(Role.OBJECT, Bounds(0, 0, *SHAPE[::-1]), alpha, colour, "drawing").cropped()
    bounds = Bounds.of_mask(ink > 0)
    tint = np.full((*bounds.extent.shape, 3), CREAM, np.float32)
    text = Element(Role.TEXT, bounds, ink[bounds.slices], tint, "text")
    return element, Lettering(text, text.alpha > 0), disc


@pytest.mark.parametrize("place", [(90, 70), (101, 33)])
def test_a_badge_is_whole_beneath_its_letters(place):
    badge, letters, disc = badge_with(place)
    found = beneath_letters(badge, [letters])
    assert np.abs(on_canvas(found, SHAPE) - disc).max() < 0.01
    assert np.abs(found.colour[found.alpha > 0.99] - RED).max() < 1


def test_letters_beside_a_drawing_leave_it_as_it_is():
    badge, letters, _ = badge_with((182, 110))
    assert beneath_letters(badge, [letters]) is badge
    assert beneath_letters(badge, []) is badge
