"""Elements drawn by hand, for the tests of what comes after the analysis."""

import numpy as np

from layerstudio.document import Role
from layerstudio.geometry import Bounds
from layerstudio.pipelines.flat.element import Element

CANVAS = Bounds(0, 0, 200, 120)


def box(x, y, width, height, colour=(200, 40, 40), role=Role.OBJECT, shape="drawing", alpha=1.0):
    """A rectangle of one colour."""
    return Element(
        role,
        Bounds(x, y, width, height),
        np.full((height, width), alpha, np.float32),
        np.full((height, width, 3), colour, np.float32),
        shape,
    )


def background(colour=(250, 250, 250), shape="plain"):
    return box(*CANVAS, colour, Role.BACKGROUND, shape)


def shadow(x, y, width, height):
    return box(x, y, width, height, (0, 0, 0), Role.SHADOW, "shadow", 0.4)


def panel(x, y, width, height, colour=(255, 255, 255)):
    return box(x, y, width, height, colour, Role.SHAPE, "rectangle")


def flattened(elements, canvas=CANVAS):
    """Premultiplied colour and alpha (h, w, 4) of the elements on each other."""
    shown = np.zeros((*canvas.extent.shape, 4), np.float32)
    for element in elements:
        view = shown[element.bounds.slices]
        weight = element.alpha[..., None]
        source = np.dstack([element.colour, np.ones_like(element.alpha)])
        view += (source - view) * weight
    return shown
