"""Small documents for tests of edits, and how near two pictures are."""

from __future__ import annotations

import numpy as np
from document_strategies import EXTENT, nodes
from hypothesis import strategies as st

from layerstudio.composite import composite
from layerstudio.document import BlendMode, Document, Group, Layer, NodePath, clipping_runs
from layerstudio.geometry import Bounds, Extent


def flat(
    name: str, bounds: Bounds, color: tuple[int, ...], dtype: type = np.uint8, **attributes
) -> Layer:
    """A layer of one 8-bit RGBA colour."""
    scale = np.iinfo(dtype).max // 255
    pixels = np.empty((*bounds.extent.shape, 4), dtype)
    pixels[:] = np.array(color, dtype) * dtype(scale)
    return Layer(name, bounds, pixels, **attributes)


def noise(name: str, bounds: Bounds, dtype: type = np.uint8, seed: int = 0, **attributes) -> Layer:
    """A layer of random colour and alpha."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, np.iinfo(dtype).max + 1, (*bounds.extent.shape, 4)).astype(dtype)
    return Layer(name, bounds, pixels, **attributes)


def nested() -> Document:
    """Background "0", group "1" of a layer and a group of two layers, clipped layer "2"."""
    inner = Group(
        "inner",
        (
            noise("leaf", Bounds(3, 2, 5, 6), np.uint16, 1),
            noise("shade", Bounds(-2, 1, 9, 4), seed=2, blend=BlendMode.MULTIPLY),
        ),
    )
    return Document(
        Extent(13, 9),
        (
            flat("background", Bounds(0, 0, 13, 9), (200, 180, 90, 255)),
            Group("outer", (noise("low", Bounds(1, 1, 7, 5), seed=3), inner)),
            noise("clipped", Bounds(0, 0, 11, 9), seed=4, clipped=True),
        ),
    )


def same_picture(before: Document, after: Document, tolerance: float = 0.0) -> None:
    """Both composites, premultiplied, differ by no more than ``tolerance`` anywhere."""
    assert before.extent == after.extent
    assert difference(before, after) <= tolerance


def difference(before: Document, after: Document) -> float:
    pictures = [composite(document) for document in (before, after)]
    for picture in pictures:
        picture[..., :3] *= picture[..., 3:]
    return float(np.abs(pictures[0] - pictures[1]).max())


@st.composite
def documents_and_runs(draw: st.DrawFn) -> tuple[Document, list[NodePath]]:
    """A document and neighbouring siblings in it: whole runs of bases and what is clipped."""
    children = tuple(draw(st.lists(nodes(), min_size=1, max_size=5)))
    document = Document(EXTENT, children)
    parents = [(), *(path for path, node in document.walk() if isinstance(node, Group))]
    parents = [path for path in parents if path == () or document.at(path).children]  # type: ignore
    parent = draw(st.sampled_from(parents))
    siblings = document.at(parent).children if parent else document.children  # type: ignore
    sizes = [1 + len(clipped) for _, clipped in clipping_runs(siblings)]
    first = draw(st.integers(0, len(sizes) - 1))
    last = draw(st.integers(first, len(sizes) - 1))
    indices = range(sum(sizes[:first]), sum(sizes[: last + 1]))
    return document, [(*parent, index) for index in indices]


def any_path(document: Document) -> st.SearchStrategy[NodePath]:
    return st.sampled_from([path for path, _ in document.walk()])
