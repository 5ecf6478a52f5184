"""The stack of an OpenRaster file as a document."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from layerstudio.color import Pixels
from layerstudio.document import BlendMode, Document, Group, Layer, Node
from layerstudio.errors import UnreadableFile
from layerstudio.geometry import MAX_SIDE, Bounds, Extent
from layerstudio.io.archive import Shelf, in_threads
from layerstudio.io.limits import Limits
from layerstudio.io.ora_stack import MODES
from layerstudio.io.png_codec import decode_png, png_extent, png_icc
from layerstudio.io.profiles import rgb_profile

_MAX_PLACE = 2.0**30  # beyond it, sums of places leave 32 bits


def read_stack(stack: bytes, shelf: Shelf, limits: Limits) -> Document:
    """The document that ``stack.xml`` describes; raises ``UnreadableFile``."""
    limits.check_text(stack, "stack.xml")
    image = _parsed(stack)
    extent = Extent(int(_number(image, "w", 0)), int(_number(image, "h", 0)))
    if not (1 <= extent.width <= MAX_SIDE and 1 <= extent.height <= MAX_SIDE):
        raise UnreadableFile(f"The canvas of {extent} pixels is impossible.")
    limits.check_extent(extent, "The canvas")
    root = image.find("stack")
    if root is None:
        raise UnreadableFile("stack.xml has no stack of layers.")
    elements = list(_layers(root, limits, depth=1))
    if len(elements) > limits.nodes:
        raise UnreadableFile(f"There are more than {limits.nodes:,} layers.")
    uses = Counter(_source(element) for element in elements)
    names = list(uses)
    pictures = _pictures(uses, shelf, limits)
    builder = _Builder(pictures)
    children = builder.children(root)
    dpi = _number(image, "xres", 72.0)
    return Document(
        extent=extent,
        children=children,
        icc_profile=rgb_profile(png_icc(shelf.read(names[0]))) if names else None,
        dpi=dpi if 0 < dpi < 1e6 else 72.0,
        notes=tuple(dict.fromkeys(builder.notes)),
    )


def _parsed(stack: bytes) -> Element:
    try:
        image = fromstring(stack)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise UnreadableFile(f"stack.xml is damaged: {str(error)[:200]}.") from error
    if image.tag != "image":
        raise UnreadableFile("stack.xml does not describe an image.")
    return image


def _layers(stack: Element, limits: Limits, depth: int) -> Iterator[Element]:
    if depth > limits.depth:
        raise UnreadableFile(f"The groups are nested deeper than {limits.depth} levels.")
    for element in stack:
        limits.check_name(element.get("name", ""))
        if element.tag == "stack":
            yield from _layers(element, limits, depth + 1)
        elif element.tag == "layer":
            yield element


def _pictures(uses: Mapping[str, int], shelf: Shelf, limits: Limits) -> dict[str, Pixels]:
    """All pictures decoded, after their sizes together, for each use, proved to be allowed."""
    total = 0
    for name, count in uses.items():
        total += png_extent(shelf.read(name)).pixel_count * count
        if total > limits.total_pixels:
            raise UnreadableFile(f"The layers have more than {limits.total_pixels:,} pixels.")
    decoded = in_threads(lambda name: decode_png(shelf.read(name), limits), uses)
    return dict(zip(uses, decoded, strict=True))


@dataclass
class _Builder:
    """Elements to nodes, noting what is lost."""

    pictures: dict[str, Pixels]
    notes: list[str] = field(default_factory=list)

    def children(self, stack: Element) -> tuple[Node, ...]:
        """Bottom to top; the file has the topmost first."""
        nodes: list[Node] = []
        for element in reversed(stack):
            if element.tag == "layer":
                nodes.append(self._layer(element))
            elif element.tag == "stack":
                nodes.append(self._group(element))
            elif isinstance(element.tag, str):
                name = element.get("name", "")
                self.notes.append(f"The {element.tag[:40]} {name[:80]!r} could not be read.")
        return tuple(nodes)

    def _layer(self, element: Element) -> Layer:
        pixels = self.pictures[_source(element)]
        x, y = (int(_number(element, key, 0, -_MAX_PLACE, _MAX_PLACE)) for key in ("x", "y"))
        bounds = Bounds(x, y, *Extent.of(pixels))
        if not pixels[..., 3].any() and bounds.extent == Extent(1, 1):
            bounds, pixels = Bounds(0, 0, 0, 0), pixels[:0, :0]
        return Layer(bounds=bounds, pixels=pixels, blend=self._mode(element), **_shared(element))

    def _group(self, element: Element) -> Group:
        mode = self._mode(element)
        shared = _shared(element)
        # The baseline specification isolates whatever has an opacity or mode of its own.
        through = element.get("isolation") == "auto" and shared["opacity"] == 1
        if through and mode is BlendMode.NORMAL:
            mode = BlendMode.PASS_THROUGH
        return Group(children=self.children(element), blend=mode, **shared)

    def _mode(self, element: Element) -> BlendMode:
        operator = element.get("composite-op", "svg:src-over")
        if operator not in MODES:
            name = element.get("name", "")
            self.notes.append(
                f"{name[:80]!r} is composited by {operator[:40]!r}, which is read as normal."
            )
        return MODES.get(operator, BlendMode.NORMAL)


def _shared(element: Element) -> dict:
    return {
        "name": element.get("name", ""),
        "opacity": _number(element, "opacity", 1.0, 0.0, 1.0),
        "visible": element.get("visibility", "visible") != "hidden",
        "locked": element.get("edit-locked") == "true",
    }


def _source(element: Element) -> str:
    source = element.get("src")
    if source is None:
        raise UnreadableFile(f"The layer {element.get('name', '')[:80]!r} has no picture.")
    return source


def _number(
    element: Element, key: str, default: float, low: float = -math.inf, high: float = math.inf
) -> float:
    """An attribute as a number within ``low`` and ``high``."""
    text = element.get(key)
    try:
        value = default if text is None else float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UnreadableFile(f"stack.xml is damaged: {key} is {str(text)[:40]!r}.")
    return min(max(value, low), high)
