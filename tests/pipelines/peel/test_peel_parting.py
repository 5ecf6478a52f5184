"""Drawings that touch, panels that hide them, shadows between them: apart and in their order."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from drawn_photographs import reading

from layerstudio.document import Role
from layerstudio.geometry import Bounds, Extent
from layerstudio.pipelines.flat.analysis import analyse
from layerstudio.pipelines.flat.element import Element
from layerstudio.pipelines.peel.parting import parted
from layerstudio.pipelines.peel.stacking import raised, stacked

SHAPE = (181, 263)
RED, BLUE, GREY = (210, 40, 40), (40, 60, 200), (235, 235, 235)


def disc(x, y, radius):
    mask = np.zeros(SHAPE, np.uint8)
    cv2.circle(mask, (x, y), radius, 1, -1)
    return mask.astype(bool)


def plain(value):
    return np.full(SHAPE, value, np.float32)


def reading_of(border, upper):
    quarter = plain(0.25)
    kinds = dict.fromkeys(("background", "shape", "text", "drawing"), quarter)
    return reading(SHAPE, **kinds, border=border.astype(np.float32), upper=upper.astype(np.float32))


def element_of(mask, colours, role=Role.OBJECT, shape="drawing"):
    alpha = mask.astype(np.float32)
    return Element(role, Bounds.full(Extent.of(mask)), alpha, colours, shape).cropped()


def two_discs():
    """The picture, the lower disc (red), the upper one (blue) and where they meet."""
    lower, upper = disc(92, 90, 50), disc(165, 90, 46)
    colours = np.full((*SHAPE, 3), GREY, np.float32)
    colours[lower] = RED
    colours[upper] = BLUE
    kernel = np.ones((5, 5), np.uint8)
    rim = cv2.dilate(upper.astype(np.uint8), kernel) - cv2.erode(upper.astype(np.uint8), kernel)
    border = (rim > 0) & (cv2.dilate(lower.astype(np.uint8), kernel) > 0)
    return colours, lower, upper, border


@pytest.mark.parametrize("blue_above", [True, False])
def test_two_drawings_are_parted_in_their_order_and_the_lower_goes_on_beneath(blue_above):
    colours, lower, upper, border = two_discs()
    drawing = element_of(lower | upper, colours)
    analysis = analyse(colours.astype(np.uint8), lossy=False)
    sides = upper if blue_above else ~upper
    found = parted(analysis, drawing, reading_of(border, sides), np.zeros(SHAPE, bool))
    assert len(found) == 2
    tints = [np.abs(np.array(item.mean_colour()) - BLUE).max() < 30 for item in found]
    assert tints == ([False, True] if blue_above else [True, False])
    common = found[0].bounds.intersection(found[1].bounds)
    over = [item.alpha[common.relative_to(item.bounds).slices] > 0.5 for item in found]
    assert (over[0] & over[1]).sum() > 100, "the lower drawing reaches beneath the upper"


@pytest.mark.parametrize("case", ["no border", "edge of a panel"])
def test_a_drawing_without_borders_of_its_own_stays_whole(case):
    colours, lower, upper, border = two_discs()
    drawing = element_of(lower | upper, colours)
    analysis = analyse(colours.astype(np.uint8), lossy=False)
    edges = border if case == "edge of a panel" else np.zeros(SHAPE, bool)
    seen = np.zeros(SHAPE, bool) if case == "no border" else border
    assert parted(analysis, drawing, reading_of(seen, upper), edges) == [drawing]


def test_a_panel_along_whose_edge_a_drawing_ends_lies_above_it():
    body = disc(100, 90, 60)
    panel_mask = np.zeros(SHAPE, bool)
    panel_mask[60:101, 130:250] = True
    colours = np.full((*SHAPE, 3), RED, np.float32)
    panel = element_of(panel_mask, np.full((*SHAPE, 3), BLUE, np.float32), Role.SHAPE, "rectangle")
    cut = element_of(body & ~panel_mask, colours)
    assert raised([panel], [cut], plain(0)) == ([panel], [cut]), "not where it is not seen to end"
    ends = cv2.dilate(panel_mask.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(np.float32)
    kept, stack = raised([panel], [cut], ends * np.float32(0.2))
    assert kept == [] and stack[-1] is panel
    assert stack[0].alpha.sum() > cut.alpha.sum(), "the drawing goes on beneath the panel"
    across = element_of(body, colours)
    assert raised([panel], [across], ends * np.float32(0.2)) == ([panel], [across])
    small = element_of(disc(220, 80, 12), colours)
    assert raised([panel], [small, cut], ends * np.float32(0.2))[1][1:] == [panel, small], (
        "carried by the panel"
    )


def test_a_shadow_lies_right_beneath_its_caster_and_off_what_it_darkens():
    below, caster = disc(80, 90, 45), disc(150, 90, 40)
    dark = np.float32(0.4) * cv2.GaussianBlur(disc(154, 96, 40).astype(np.float32), (0, 0), 4)
    lit = np.full((*SHAPE, 3), RED, np.float32)
    first = element_of(below, lit * (1 - dark[..., None]))
    second = element_of(caster, np.full((*SHAPE, 3), BLUE, np.float32))
    black = np.zeros((*SHAPE, 3), np.float32)
    shadow = Element(Role.SHADOW, Bounds.full(Extent.of(dark)), dark, black, "shadow").cropped()
    made = stacked([first, second], [shadow])
    assert [item.role for item in made] == [Role.OBJECT, Role.SHADOW, Role.OBJECT]
    inside = made[0].alpha > 0.5
    assert np.abs(made[0].colour[inside] - RED).max() < 2
