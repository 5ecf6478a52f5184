"""Random documents, and what it means that two are the same."""

import numpy as np
from hypothesis import strategies as st

from layerstudio.document import (
    BlendMode,
    Document,
    Group,
    Layer,
    Mask,
    Provenance,
    Role,
    TextContent,
)
from layerstudio.geometry import Bounds, Extent

MODES = [mode for mode in BlendMode if mode is not BlendMode.PASS_THROUGH]
NAMES = st.one_of(
    st.sampled_from(
        ["", "レイヤー 1", "../../etc/passwd", "CON", "a/b\\c:*?", "x" * 400, "é\u0301👩‍🎨"]
    ),
    st.text(max_size=12),
)
OPACITIES = st.one_of(st.just(1.0), st.floats(0, 1))


@st.composite
def bounds(draw):
    """Small rectangles in, partly in, and off a small canvas; some of them empty."""
    side = st.integers(0, 9)
    return Bounds(draw(st.integers(-8, 20)), draw(st.integers(-8, 20)), draw(side), draw(side))


def noise(draw, shape):
    rng = np.random.default_rng(draw(st.integers(0, 2**20)))
    dtype = draw(st.sampled_from([np.uint8, np.uint16]))
    pixels = rng.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)
    if len(shape) == 3:
        pixels[rng.random(shape[:2]) < 0.3, 3] = 0
    return pixels


@st.composite
def masks(draw):
    place = draw(bounds())
    pixels = noise(draw, place.extent.shape)
    return Mask(place, pixels, draw(st.integers(0, 1)), draw(st.booleans()))


@st.composite
def texts(draw):
    return TextContent(
        string=draw(st.text(max_size=9)),
        font="DejaVu Sans",
        size=draw(st.floats(0.5, 500)),
        color=draw(st.tuples(*[st.integers(0, 255)] * 3)),
        box=draw(bounds()),
        bold=draw(st.booleans()),
        align=draw(st.sampled_from(["left", "center", "right"])),
        baseline=draw(st.none() | st.floats(-99, 99)),
        confidence=draw(st.floats(0, 1)),
    )


def shared(draw):
    return {
        "name": draw(NAMES),
        "opacity": draw(OPACITIES),
        "visible": draw(st.booleans()),
        "locked": draw(st.booleans()),
        "clipped": draw(st.booleans()),
        "mask": draw(st.none() | masks()),
    }


@st.composite
def layers(draw):
    place = draw(bounds())
    return Layer(
        bounds=place,
        pixels=noise(draw, (*place.extent.shape, 4)),
        blend=draw(st.sampled_from(MODES)),
        role=draw(st.sampled_from(list(Role))),
        text=draw(st.none() | texts()),
        provenance=draw(
            st.none() | st.builds(Provenance, st.text(max_size=5), seed=st.none() | st.integers())
        ),
        **shared(draw),
    )


@st.composite
def groups(draw, children):
    return Group(
        children=tuple(draw(st.lists(children, max_size=3))),
        blend=draw(st.sampled_from(list(BlendMode))),
        **shared(draw),
    )


NODES = st.recursive(layers(), groups, max_leaves=4)


@st.composite
def documents(draw):
    return Document(
        extent=Extent(draw(st.integers(1, 23)), draw(st.integers(1, 17))),
        children=tuple(draw(st.lists(NODES, max_size=3))),
        icc_profile=draw(st.none() | st.binary(min_size=1, max_size=40)),
        dpi=draw(st.sampled_from([72.0, 96.0, 300.0, 35.5])),
        metadata=draw(st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2)),
        request=draw(st.none() | st.just({"task": "decompose", "boxes": [[1, 2, 3, 4]]})),
        notes=tuple(draw(st.lists(st.text(max_size=5), max_size=2))),
    )


def assert_same(a, b, *, hidden_colour=True):
    """Every field of two documents; colour under alpha 0 only where ``hidden_colour``."""
    for name in ("extent", "icc_profile", "dpi", "metadata", "request", "notes"):
        assert getattr(a, name) == getattr(b, name), name
    nodes_a, nodes_b = list(a.walk()), list(b.walk())
    assert [path for path, _ in nodes_a] == [path for path, _ in nodes_b]
    for (_, node_a), (_, node_b) in zip(nodes_a, nodes_b, strict=True):
        assert_same_node(node_a, node_b, hidden_colour)


def assert_same_node(a, b, hidden_colour):
    assert type(a) is type(b)
    for name in ("name", "opacity", "blend", "visible", "locked", "clipped", "bounds"):
        assert getattr(a, name) == getattr(b, name), name
    assert (a.mask is None) == (b.mask is None)
    if a.mask is not None:
        assert (a.mask.bounds, a.mask.outside, a.mask.enabled) == (
            b.mask.bounds,
            b.mask.outside,
            b.mask.enabled,
        )
        assert_same_pixels(a.mask.pixels, b.mask.pixels)
    if isinstance(a, Layer):
        assert (a.role, a.text, a.provenance) == (b.role, b.text, b.provenance)
        shown = slice(None) if hidden_colour else a.pixels[..., 3] > 0
        assert_same_pixels(a.pixels[shown], b.pixels[shown])
        assert_same_pixels(a.pixels[..., 3], b.pixels[..., 3])


def assert_same_pixels(a, b):
    assert a.dtype == b.dtype
    assert np.array_equal(a, b)
