"""What the network is asked, and when its word counts."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from drawn_photographs import reading

from layerstudio.document import Role
from layerstudio.geometry import Bounds, Extent
from layerstudio.pipelines.flat.element import Element
from layerstudio.pipelines.flat.lettering import Lettering
from layerstudio.pipelines.peel.guide import NetworkGuide

SHAPE = (83, 191)


def lettering():
    ink = np.zeros(SHAPE, np.uint8)
    cv2.putText(ink, "MARKET", (12, 56), cv2.FONT_HERSHEY_SIMPLEX, 1.2, 255, 5, cv2.LINE_AA)
    alpha = ink.astype(np.float32) / 255
    colour = np.zeros((*SHAPE, 3), np.float32)
    element = Element(Role.TEXT, Bounds.full(Extent.of(ink)), alpha, colour, "text").cropped()
    return Lettering(element, element.alpha > 0), alpha > 0.5


@pytest.mark.parametrize(
    ("ink_is", "around_is", "stays"),
    [
        ("text", "background", True),
        ("drawing", "background", True),  # bold letters on open ground
        ("drawing", "shape", True),
        ("drawing", "drawing", False),  # on the side of a bus
        ("text", "drawing", True),
    ],
)
def test_only_letters_amid_a_drawing_are_its_details(ink_is, around_is, stays):
    letters, ink = lettering()
    maps = {name: np.full(SHAPE, 0.05, np.float32) for name in
            ("background", "shape", "text", "drawing")}  # fmt: skip
    maps[around_is][~ink] = 0.85
    maps[ink_is][ink] = 0.85
    assert NetworkGuide(reading(SHAPE, **maps)).is_text(letters) is stays


@pytest.mark.parametrize(("seen", "told"), [("shape", True), ("drawing", False), ("veil", None)])
def test_what_a_panel_is_is_told_where_it_is_plain(seen, told):
    bounds = Bounds(20, 11, 60, 33)
    region = np.zeros(bounds.extent.shape, bool)
    region[4:-4, 4:-4] = True
    likely = np.zeros(SHAPE, np.float32)
    likely[bounds.slices][region] = 0.9
    guide = NetworkGuide(reading(SHAPE, **{seen: likely}))
    assert guide.is_panel(bounds, region) is told
    soft = np.zeros(SHAPE, bool)
    soft[20:30, 30:60] = soft[70:80, 100:130] = True  # on it and beside it
    shaded = guide.shaded(soft)
    assert shaded[75, 110] and shaded[25, 40] == (seen != "veil")
    shadow = np.where(soft, 0.3, 0).astype(np.float32)
    assert (
        NetworkGuide(reading(SHAPE, **{seen: likely}, shadow=shadow)).shaded(soft) == soft
    ).all()


@pytest.mark.parametrize(
    ("text", "drawing", "is_text"), [(0.4, 0.05, True), (0.4, 0.3, False), (0.1, 0.0, False)]
)
def test_thin_letters_are_text_where_they_are_hardly_drawn(text, drawing, is_text):
    letters, ink = lettering()
    maps = {"text": np.where(ink, text, 0), "drawing": np.where(ink, drawing, 0.2)}
    guide = NetworkGuide(reading(SHAPE, **{k: v.astype(np.float32) for k, v in maps.items()}))
    assert guide.is_written(letters.element) is is_text
