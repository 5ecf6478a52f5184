"""Which letters the network may take for details of a drawing."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from layerstudio.document import Role
from layerstudio.geometry import Bounds, Extent
from layerstudio.pipelines.flat.element import Element
from layerstudio.pipelines.flat.lettering import Lettering
from layerstudio.pipelines.peel.guide import NetworkGuide
from layerstudio.pipelines.peel.reading import Reading

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
    none = np.zeros(SHAPE, np.float32)
    guide = NetworkGuide(Reading(**maps, veil=none, shadow=none, border=none, upper=none))
    assert guide.is_text(letters) is stays
