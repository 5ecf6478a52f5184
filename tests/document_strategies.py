"""Random documents for property tests: small canvases, every feature of the tree."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from layerstudio.document import BlendMode, Document, Group, Layer, Mask, Node
from layerstudio.geometry import Bounds, Extent

# Modes whose slope is bounded by a few units, so that rounding stays rounding.
SMOOTH_MODES = (
    BlendMode.NORMAL,
    BlendMode.NORMAL,
    BlendMode.DISSOLVE,
    BlendMode.DARKEN,
    BlendMode.MULTIPLY,
    BlendMode.SCREEN,
    BlendMode.LINEAR_BURN,
    BlendMode.LINEAR_DODGE,
    BlendMode.LINEAR_LIGHT,
    BlendMode.OVERLAY,
    BlendMode.HARD_LIGHT,
    BlendMode.PIN_LIGHT,
    BlendMode.DIFFERENCE,
    BlendMode.EXCLUSION,
    BlendMode.SUBTRACT,
    BlendMode.LUMINOSITY,
)
EXTENT = Extent(13, 9)
OPACITIES = st.sampled_from((0.0, 0.3, 0.5, 1.0, 1.0, 1.0))


@st.composite
def places(draw: st.DrawFn) -> Bounds:
    """On, partly off or wholly off the canvas, sometimes empty."""
    x, y = draw(st.integers(-8, 14)), draw(st.integers(-8, 10))
    return Bounds(x, y, draw(st.integers(0, 16)), draw(st.integers(0, 12)))


@st.composite
def rasters(draw: st.DrawFn, bounds: Bounds, channels: int) -> np.ndarray:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dtype = draw(st.sampled_from((np.uint8, np.uint8, np.uint16)))
    top = np.iinfo(dtype).max
    pixels = rng.integers(0, top + 1, (*bounds.extent.shape, channels)).astype(dtype)
    alpha = pixels[..., -1]
    alpha[rng.random(alpha.shape) < draw(st.sampled_from((0.0, 0.3, 1.0)))] = top
    alpha[rng.random(alpha.shape) < draw(st.sampled_from((0.0, 0.3, 0.9)))] = 0
    return pixels


@st.composite
def masks(draw: st.DrawFn) -> Mask | None:
    if not draw(st.booleans()):
        return None
    bounds = draw(places())
    pixels = draw(rasters(bounds, 1))[..., 0]
    return Mask(bounds, pixels, draw(st.integers(0, 1)), draw(st.sampled_from((True, True, False))))


@st.composite
def layers(draw: st.DrawFn, modes=SMOOTH_MODES) -> Layer:
    bounds = draw(places())
    return Layer(
        "layer",
        bounds,
        draw(rasters(bounds, 4)),
        draw(OPACITIES),
        draw(st.sampled_from(modes)),
        visible=draw(st.sampled_from((True, True, True, False))),
        clipped=draw(st.sampled_from((False, False, True))),
        mask=draw(masks()),
    )


@st.composite
def groups(draw: st.DrawFn, children: st.SearchStrategy[Node]) -> Group:
    return Group(
        "group",
        tuple(draw(st.lists(children, max_size=3))),
        draw(OPACITIES),
        draw(st.sampled_from((*SMOOTH_MODES, *[BlendMode.PASS_THROUGH] * len(SMOOTH_MODES)))),
        visible=draw(st.sampled_from((True, True, True, False))),
        clipped=draw(st.sampled_from((False, False, True))),
        mask=draw(masks()),
    )


def nodes() -> st.SearchStrategy[Node]:
    return st.recursive(layers(), groups, max_leaves=6)


@st.composite
def documents(draw: st.DrawFn) -> Document:
    return Document(EXTENT, tuple(draw(st.lists(nodes(), min_size=1, max_size=5))))
