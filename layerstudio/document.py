"""The layered document: immutable values that cannot be invalid.

Children are ordered **bottom to top**. Edits return a new document and share the pixels they
do not touch; arrays are read-only once a layer holds them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerstudio.color import Pixels
from layerstudio.errors import InvalidDocument
from layerstudio.geometry import Bounds, Extent, check_extent


class BlendMode(StrEnum):
    """Photoshop's 27 modes, and pass-through, which only groups may have."""

    NORMAL = "normal"
    DISSOLVE = "dissolve"
    DARKEN = "darken"
    MULTIPLY = "multiply"
    COLOR_BURN = "color-burn"
    LINEAR_BURN = "linear-burn"
    DARKER_COLOR = "darker-color"
    LIGHTEN = "lighten"
    SCREEN = "screen"
    COLOR_DODGE = "color-dodge"
    LINEAR_DODGE = "linear-dodge"
    LIGHTER_COLOR = "lighter-color"
    OVERLAY = "overlay"
    SOFT_LIGHT = "soft-light"
    HARD_LIGHT = "hard-light"
    VIVID_LIGHT = "vivid-light"
    LINEAR_LIGHT = "linear-light"
    PIN_LIGHT = "pin-light"
    HARD_MIX = "hard-mix"
    DIFFERENCE = "difference"
    EXCLUSION = "exclusion"
    SUBTRACT = "subtract"
    DIVIDE = "divide"
    HUE = "hue"
    SATURATION = "saturation"
    COLOR = "color"
    LUMINOSITY = "luminosity"
    PASS_THROUGH = "pass-through"


class Role(StrEnum):
    """What a layer is for in the picture."""

    BACKGROUND = "background"
    OBJECT = "object"
    TEXT = "text"
    SHAPE = "shape"
    SHADOW = "shadow"
    HIGHLIGHT = "highlight"
    LINE_ART = "line-art"
    FLAT_COLOUR = "flat-colour"
    EFFECT = "effect"


@dataclass(frozen=True)
class TextContent:
    """Live text of a layer whose pixels show it; enough for SVG, PPTX and HTML to set it again.

    ``size`` is the font size in canvas pixels, ``color`` 8-bit RGB, ``box`` the place of the text
    on the canvas, ``lines`` are in ``string`` separated by newlines.
    ``baseline`` is the canvas y of the first line's baseline, None where unknown.
    """

    string: str
    font: str
    size: float
    color: tuple[int, int, int]
    box: Bounds
    bold: bool = False
    italic: bool = False
    align: str = "left"
    baseline: float | None = None
    confidence: float = 1.0

    def __post_init__(self) -> None:
        _require(self.size > 0, f"Text of size {self.size} is impossible.")
        _require(self.align in ("left", "center", "right"), f"Unknown alignment {self.align!r}.")


@dataclass(frozen=True)
class Provenance:
    """Where a layer's pixels came from."""

    method: str
    seed: int | None = None
    prompt: str | None = None
    weights: str | None = None
    revision: str | None = None
    source_sha256: str | None = None


@dataclass(frozen=True, eq=False)
class Mask:
    """A second alpha: ``pixels`` (h, w) uint8 or uint16; ``outside`` (0 or 1) beyond ``bounds``."""

    bounds: Bounds
    pixels: NDArray
    outside: int = 0
    enabled: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "pixels", _frozen_pixels(self.pixels, self.bounds, channels=None))
        _require(self.outside in (0, 1), f"A mask is 0 or 1 outside, not {self.outside!r}.")

    def moved(self, dx: int, dy: int) -> Mask:
        return replace(self, bounds=self.bounds.moved(dx, dy))


@dataclass(frozen=True, eq=False)
class Layer:
    """Pixels at a place: ``pixels`` (h, w, 4) uint8 or uint16, straight alpha, sRGB unless the
    document's ICC profile says otherwise. An empty layer has empty ``bounds``."""

    name: str
    bounds: Bounds
    pixels: Pixels
    opacity: float = 1.0
    blend: BlendMode = BlendMode.NORMAL
    visible: bool = True
    locked: bool = False
    clipped: bool = False
    mask: Mask | None = None
    role: Role = Role.OBJECT
    text: TextContent | None = None
    provenance: Provenance | None = None

    def __post_init__(self) -> None:
        _check_node(self)
        _require(
            self.blend is not BlendMode.PASS_THROUGH, "Only a group can pass through its backdrop."
        )
        object.__setattr__(self, "pixels", _frozen_pixels(self.pixels, self.bounds, channels=4))

    @property
    def is_empty(self) -> bool:
        return self.bounds.is_empty

    def moved(self, dx: int, dy: int) -> Layer:
        """The layer, its mask and its live text at another place."""
        return replace(
            self,
            bounds=self.bounds.moved(dx, dy),
            mask=self.mask and self.mask.moved(dx, dy),
            text=self.text and _moved_text(self.text, dx, dy),
        )

    def cropped_to_content(self) -> Layer:
        """The same picture without rows and columns of alpha 0 around it."""
        content = Bounds.of_mask(self.pixels[..., 3] > 0)
        if content.extent == self.bounds.extent:
            return self
        bounds = content.moved(self.bounds.x, self.bounds.y)
        return replace(self, bounds=bounds, pixels=self.pixels[content.slices].copy())


@dataclass(frozen=True, eq=False)
class Group:
    """Layers treated as one. ``blend`` other than pass-through isolates the children."""

    name: str
    children: tuple[Node, ...] = ()
    opacity: float = 1.0
    blend: BlendMode = BlendMode.PASS_THROUGH
    visible: bool = True
    locked: bool = False
    clipped: bool = False
    mask: Mask | None = None

    def __post_init__(self) -> None:
        _check_node(self)
        object.__setattr__(self, "children", tuple(self.children))

    @property
    def bounds(self) -> Bounds:
        """The smallest rectangle around all children, hidden ones too."""
        return Bounds.around(child.bounds for child in self.children)

    def moved(self, dx: int, dy: int) -> Group:
        return replace(
            self,
            children=tuple(child.moved(dx, dy) for child in self.children),
            mask=self.mask and self.mask.moved(dx, dy),
        )


Node = Layer | Group
NodePath = tuple[int, ...]  # child indices from the document down, bottom to top


@dataclass(frozen=True, eq=False)
class Document:
    """A canvas and the layers on it.

    ``request`` is the JSON form of the request that made it, ``notes`` lists what a reader or
    method could not represent, ``metadata`` is free text by key.
    """

    extent: Extent
    children: tuple[Node, ...] = ()
    icc_profile: bytes | None = None
    dpi: float = 72.0
    metadata: Mapping[str, str] = field(default_factory=dict)
    request: Mapping[str, Any] | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_extent(self.extent)
        _require(0 < self.dpi < 1e6, f"A resolution of {self.dpi} dots per inch is impossible.")
        object.__setattr__(self, "children", tuple(self.children))
        object.__setattr__(self, "notes", tuple(self.notes))
        object.__setattr__(self, "metadata", MappingProxyType(dict(self.metadata)))

    def walk(self) -> Iterator[tuple[NodePath, Node]]:
        """Every node with its path, bottom to top, a group before its children."""
        yield from _walk(self.children, ())

    @property
    def layers(self) -> tuple[Layer, ...]:
        """All layers, bottom to top, without their groups."""
        return tuple(node for _, node in self.walk() if isinstance(node, Layer))

    @property
    def dtype(self) -> np.dtype:
        """uint16 as soon as one layer is, else uint8."""
        deep = any(layer.pixels.dtype == np.uint16 for layer in self.layers)
        return np.dtype(np.uint16 if deep else np.uint8)

    def at(self, path: NodePath) -> Node:
        """The node at a path; raises ``InvalidDocument`` where there is none."""
        children: tuple[Node, ...] = self.children
        node: Node | None = None
        for index in path:
            if not 0 <= index < len(children):
                raise InvalidDocument(f"There is no layer at {_dotted(path)}.")
            node = children[index]
            children = node.children if isinstance(node, Group) else ()
        if node is None:
            raise InvalidDocument("A path needs at least one index.")
        return node

    def replaced(self, path: NodePath, *nodes: Node) -> Document:
        """``nodes`` in the place of the node at ``path``; none of them deletes it."""
        self.at(path)
        return replace(self, children=_replaced(self.children, path, nodes))

    def inserted(self, path: NodePath, node: Node) -> Document:
        """``node`` at ``path``; what was there and above moves up."""
        *parent, index = path
        siblings = self._children_of(tuple(parent))
        if not 0 <= index <= len(siblings):
            raise InvalidDocument(f"There is no place {_dotted(path)} to insert a layer.")
        changed = (*siblings[:index], node, *siblings[index:])
        return self._with_children(tuple(parent), changed)

    def removed(self, path: NodePath) -> Document:
        return self.replaced(path)

    def save(self, path: str | Path, **options: Any) -> Path:
        """Write the document in the format of the suffix; see ``layerstudio.io.save``."""
        from layerstudio.io import save  # io reads and writes documents, so it imports this module

        return save(self, path, **options)

    def _children_of(self, path: NodePath) -> tuple[Node, ...]:
        if not path:
            return self.children
        node = self.at(path)
        if not isinstance(node, Group):
            raise InvalidDocument(f"The node at {_dotted(path)} is a layer, not a group.")
        return node.children

    def _with_children(self, path: NodePath, children: tuple[Node, ...]) -> Document:
        if not path:
            return replace(self, children=children)
        node = self.at(path)
        assert isinstance(node, Group), path
        return self.replaced(path, replace(node, children=children))


def clipping_runs(nodes: Sequence[Node]) -> list[tuple[Node, list[Node]]]:
    """Each base with the clipped nodes right above it; a clipped node at the bottom is a base."""
    runs: list[tuple[Node, list[Node]]] = []
    for node in nodes:
        if node.clipped and runs:
            runs[-1][1].append(node)
        else:
            runs.append((node, []))
    return runs


def _walk(children: tuple[Node, ...], path: NodePath) -> Iterator[tuple[NodePath, Node]]:
    for index, node in enumerate(children):
        yield (*path, index), node
        if isinstance(node, Group):
            yield from _walk(node.children, (*path, index))


def _replaced(
    children: tuple[Node, ...], path: NodePath, nodes: tuple[Node, ...]
) -> tuple[Node, ...]:
    index, *rest = path
    if rest:
        group = children[index]
        assert isinstance(group, Group), path
        nodes = (replace(group, children=_replaced(group.children, tuple(rest), nodes)),)
    return (*children[:index], *nodes, *children[index + 1 :])


def _moved_text(text: TextContent, dx: int, dy: int) -> TextContent:
    baseline = None if text.baseline is None else text.baseline + dy
    return replace(text, box=text.box.moved(dx, dy), baseline=baseline)


def _dotted(path: NodePath) -> str:
    return ".".join(map(str, path)) or "the root"


def _check_node(node: Layer | Group) -> None:
    _require(
        0.0 <= node.opacity <= 1.0, f"The opacity of {node.name!r} is {node.opacity}, not 0 to 1."
    )
    object.__setattr__(node, "blend", BlendMode(node.blend))


def _frozen_pixels(pixels: NDArray, bounds: Bounds, channels: int | None) -> NDArray:
    """A read-only view, once dtype and shape are what ``bounds`` promises."""
    _require(
        pixels.dtype in (np.uint8, np.uint16), f"Pixels are uint8 or uint16, not {pixels.dtype}."
    )
    _require(bounds.width >= 0 and bounds.height >= 0, f"{bounds} has a negative side.")
    expected = bounds.extent.shape if channels is None else (*bounds.extent.shape, channels)
    _require(pixels.shape == expected, f"Pixels of shape {pixels.shape} do not fill {expected}.")
    view = pixels.view()
    view.flags.writeable = False
    return view


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise InvalidDocument(message)
