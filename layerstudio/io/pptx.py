"""PowerPoint: one slide on which every layer is its own named picture, or live text.

Office Open XML (ECMA-376 Part 1) through python-pptx. Slides know no blend modes, masks, clipping
or group opacity: those are worked into the pictures first, so that the slide shows the composite.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from pptx import Presentation
from pptx.opc.package import Part
from pptx.opc.packuri import PackURI
from pptx.shapes.base import BaseShape
from pptx.shapes.shapetree import GroupShapes, SlideShapes
from pptx.util import Emu

from layerstudio.document import BlendMode, Document, Group, Layer, Node
from layerstudio.errors import InvalidRequest
from layerstudio.geometry import Bounds, Extent
from layerstudio.io.archive import add
from layerstudio.io.placed import depth_notes, placed_layer
from layerstudio.io.pptx_marks import describe, fade, hide, lock
from layerstudio.io.pptx_text import add_text_box
from layerstudio.io.recipe import NAMESPACE, to_json
from layerstudio.io.text_lines import LIVE, check_text_option, live_text, live_text_notes
from layerstudio.io.xml_text import xml_text
from layerstudio.ops.bake import bake_unsupported

EMU_PER_INCH = 914_400
# ST_SlideSizeCoordinate, ECMA-376 Part 1, 19.7.11: 1 to 56 inches.
MIN_SIDE, MAX_SIDE = EMU_PER_INCH, 56 * EMU_PER_INCH
_BLANK_LAYOUT = 6  # of python-pptx's own template
_CUSTOM_XML = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/customXml"


def write(
    document: Document, path: Path, *, text: str = LIVE, dpi: float | None = None
) -> tuple[str, ...]:
    """Write ``document`` as a presentation of one slide.

    ``text="live"`` makes text boxes of layers whose text is known well enough, ``"pixels"`` keeps
    all as pictures. ``dpi`` is the pixels per inch of slide, by default the document's; it gives
    way where the slide would not be 1 to 56 inches. Raises ``InvalidRequest`` for other values.
    """
    check_text_option(text)
    scale = SlideScale.of(document.extent, document.dpi if dpi is None else dpi)
    baked, notes = bake_unsupported(document, frozenset({BlendMode.NORMAL}))
    presentation = Presentation()
    presentation.slide_width, presentation.slide_height = Emu(scale.width), Emu(scale.height)
    presentation.core_properties.title = xml_text(document.metadata.get("title", ""))[:255]
    presentation.core_properties.author = xml_text(document.metadata.get("author", ""))[:255]
    slide = presentation.slides.add_slide(presentation.slide_layouts[_BLANK_LAYOUT])
    writer = _SlideWriter(baked, scale, text)
    writer.add_all(slide.shapes, baked.children, visible=True)
    _attach_recipe(presentation, to_json(document))
    _save(presentation, path)
    return (
        *depth_notes(document),
        *scale.notes,
        *notes,
        *writer.notes,
        *live_text_notes(writer.live),
    )


def _save(presentation: Any, path: Path) -> None:
    """As the library saves it, but for the time of day that it writes on every part."""
    saved = BytesIO()
    presentation.save(saved)
    with zipfile.ZipFile(saved) as parts, zipfile.ZipFile(path, "w") as archive:
        for part in parts.infolist():
            packed = part.compress_type != zipfile.ZIP_STORED
            add(archive, part.filename, parts.read(part), packed=packed)


@dataclass(frozen=True)
class SlideScale:
    """``emu`` is English Metric Units (1/914,400 inch) per pixel; the slide's sides are in EMU."""

    emu: float
    width: int
    height: int
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, extent: Extent, dpi: float) -> SlideScale:
        """Raises ``InvalidRequest`` unless ``dpi`` is above 0."""
        if not 0 < dpi < float("inf"):
            raise InvalidRequest(f"A slide of {dpi} pixels per inch is impossible.")
        wanted = EMU_PER_INCH / dpi
        smallest, largest = MIN_SIDE / min(extent), MAX_SIDE / max(extent)
        emu = min(max(wanted, smallest), largest)
        notes = []
        if emu != wanted:
            notes.append(
                f"The slide was scaled to {EMU_PER_INCH / emu:.4g} pixels per inch to fit."
            )
        if smallest > largest:
            notes.append("The slide is wider than the picture: sides are 1 to 56 inches.")
        width, height = (min(max(round(side * emu), MIN_SIDE), MAX_SIDE) for side in extent)
        return cls(emu, width, height, tuple(notes))

    def place(self, bounds: Bounds) -> tuple[Emu, Emu, Emu, Emu]:
        """Left, top, width, height; edges are rounded, so that neighbours stay neighbours."""
        left, top, right, bottom = (
            round(side * self.emu) for side in (bounds.x, bounds.y, bounds.right, bounds.bottom)
        )
        return Emu(left), Emu(top), Emu(right - left), Emu(bottom - top)


class _SlideWriter:
    """Shapes for nodes, bottom to top as slides order them; notes on the way."""

    def __init__(self, document: Document, scale: SlideScale, text: str) -> None:
        self.document = document
        self.scale = scale
        self.text = text
        self.notes: list[str] = []
        self.live: list[str] = []

    def add_all(
        self, shapes: SlideShapes | GroupShapes, nodes: Sequence[Node], visible: bool
    ) -> None:
        for node in nodes:
            shown = visible and node.visible
            shape = (
                self.add_group(shapes, node, shown)
                if isinstance(node, Group)
                else self.add_layer(shapes, node)
            )
            if shape is None:
                self.notes.append(f"{node.name!r} is empty and was left out.")
                continue
            describe(shape, node)
            if not shown:
                hide(shape)
            if node.locked:
                lock(shape)

    def add_group(
        self, shapes: SlideShapes | GroupShapes, group: Group, visible: bool
    ) -> BaseShape | None:
        # Programs disagree on whether a hidden group hides its shapes, so each is hidden too.
        if all(self.is_blank(layer) for layer in Document(Extent(1, 1), (group,)).layers):
            return None
        shape = shapes.add_group_shape()
        self.add_all(shape.shapes, group.children, visible)
        return shape

    def add_layer(self, shapes: SlideShapes | GroupShapes, layer: Layer) -> BaseShape | None:
        if live_text(layer, self.text):
            self.live.append(layer.name)
            return add_text_box(shapes, layer, self.scale.emu)
        placed = placed_layer(layer, self.document.icc_profile)
        if placed is None:
            return None
        shape = shapes.add_picture(BytesIO(placed.png), *self.scale.place(placed.bounds))
        fade(shape, layer.opacity)
        return shape

    def is_blank(self, layer: Layer) -> bool:
        return not live_text(layer, self.text) and not layer.pixels[..., 3].any()


def _attach_recipe(presentation, recipe: str) -> None:
    """The recipe as a custom XML part, which office programs keep and do not show."""
    xml = f'<?xml version="1.0" encoding="UTF-8"?>\n<recipe xmlns="{NAMESPACE}">{recipe}</recipe>'
    package = presentation.part.package
    part = Part(PackURI("/customXml/item1.xml"), "application/xml", package, xml.encode())
    presentation.part.relate_to(part, _CUSTOM_XML)
