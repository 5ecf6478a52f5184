"""Panels on a photograph with a guide: strips that others hide, and which shadows reach them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from drawn_photographs import photograph, reading

from layerstudio.document import Role
from layerstudio.pipelines.flat.scene import find_elements
from layerstudio.pipelines.peel.guide import NetworkGuide

SHAPE = (301, 397)
PLUM, TEAL, SIGNAL = (150, 40, 120), (20, 150, 160), (250, 210, 30)


class Page:
    """A photograph, and on it what is drawn, as a sure network would read it."""

    def __init__(self, seed=3):
        self.image = photograph(seed, SHAPE)
        self.maps = {name: np.zeros(SHAPE, np.float32) for name in ("shape", "drawing", "shadow")}

    def lay(self, mask, colour, kind):
        self.image[mask] = colour
        for name in ("shape", "drawing"):
            self.maps[name][mask] = float(name == kind)

    def shade(self, alpha):
        self.image *= 1 - alpha[..., None]
        self.maps["shadow"] = np.maximum(self.maps["shadow"], alpha)

    def elements(self):
        pixels = np.clip(np.rint(self.image), 0, 255).astype(np.uint8)
        drawn = self.maps["shape"] + self.maps["drawing"]
        guide = NetworkGuide(reading(SHAPE, background=1 - drawn, **self.maps))
        return find_elements(pixels, lossy=False, guide=guide)


def box(x, y, width, height):
    mask = np.zeros(SHAPE, bool)
    mask[y : y + height, x : x + width] = True
    return mask


def disc(x, y, radius):
    mask = np.zeros(SHAPE, np.uint8)
    cv2.circle(mask, (x, y), radius, 1, -1)
    return mask > 0


def shadow_of(mask):
    moved = np.roll(mask.astype(np.float32), (7, 6), (0, 1))
    return 0.45 * np.asarray(cv2.GaussianBlur(moved, (0, 0), 4), np.float32)


@pytest.mark.parametrize("from_x", [22, 31])
def test_a_strip_that_a_panel_hides_for_the_most_part_goes_on_beneath_it(from_x):
    page = Page()
    page.lay(box(0, 0, 36, SHAPE[0]), TEAL, "shape")
    page.lay(box(from_x, 30, 200, 240), PLUM, "shape")
    strip, panel = (item for item in page.elements() if item.role is Role.SHAPE)
    assert strip.bounds.width == pytest.approx(36, abs=2)
    assert strip.bounds.height == SHAPE[0]
    assert (strip.alpha[5:-5, 3:33] > 0.99).all()
    assert panel.bounds.x == pytest.approx(from_x, abs=2)


@pytest.mark.parametrize("reaches", [True, False])
def test_a_shadow_lies_on_a_panel_where_it_darkens_it_and_else_beneath(reaches):
    page, panel, drawing = Page(), box(200, 60, 160, 180), disc(150, 150, 49)
    if reaches:
        page.lay(panel, PLUM, "shape")
    page.shade(shadow_of(drawing))
    if not reaches:
        page.maps["shadow"][panel] = 0
        page.lay(panel, PLUM, "shape")
    page.lay(drawing & ~panel, SIGNAL, "drawing")
    roles = [item.role for item in page.elements()]
    assert roles.count(Role.SHADOW) == 1
    assert (roles.index(Role.SHADOW) > roles.index(Role.SHAPE)) == reaches
