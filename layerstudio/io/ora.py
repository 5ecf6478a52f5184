"""OpenRaster: the layered format that Krita, GIMP and MyPaint share.

Masks and clipping, which the format lacks, are baked into the pixels that other programs see.
``layerstudio.json`` and ``layerstudio/`` in the same archive keep the originals: as long as
``stack.xml`` is the one written with them, reading gives the document back exactly. Programs that
edit the file drop them or change ``stack.xml``; then the stack is what counts.
"""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, indent, tostring

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL.ImageCms import ImageCmsProfile, createProfile

from layerstudio.color import Pixels, to_depth
from layerstudio.composite import composite_pixels
from layerstudio.document import BlendMode, Document, Layer, Mask, Node
from layerstudio.errors import UnreadableFile
from layerstudio.io import manifest, pngs
from layerstudio.io.archive import Shelf, add, in_threads, open_zip
from layerstudio.io.limits import DEFAULT_LIMITS, Limits
from layerstudio.io.ora_reading import read_stack
from layerstudio.io.ora_stack import OPERATORS, is_isolated, plain
from layerstudio.io.png_codec import encode_png
from layerstudio.io.xml_text import xml_text
from layerstudio.ops.bleed import bleed as bleed_colour

MIMETYPE = "image/openraster"
VERSION = "0.0.6"
MANIFEST = "layerstudio.json"
_THUMBNAIL_SIDE = 256
_EMPTY = np.zeros((1, 1, 4), np.uint8)  # a layer without pixels still needs a picture
_STACK_HASH = "stack_sha256"


def write(document: Document, path: Path, *, bleed: bool = True) -> tuple[str, ...]:
    """Write ``document``; ``bleed`` spreads colour under alpha 0 so that no fringe can appear."""
    shown = plain(document)
    sources = _Sources()
    stack = _stack_xml(shown.document, sources)
    data = manifest.describe(
        document, sources.store, **{_STACK_HASH: hashlib.sha256(stack).hexdigest()}
    )
    flat = composite_pixels(document)

    def encode(item: tuple[str, NDArray]) -> tuple[str, bytes]:
        name, pixels = item
        if pixels.ndim == 2:
            return name, encode_png(pixels)
        spread = bleed_colour(pixels) if bleed else pixels
        return name, encode_png(spread, icc=_profile(document, pixels))

    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        add(archive, "mimetype", MIMETYPE)
        add(archive, "stack.xml", stack, packed=True)
        add(archive, MANIFEST, manifest.dumps(data), packed=True)
        for name, png in in_threads(encode, [("mergedimage.png", flat), *sources.files.items()]):
            add(archive, name, png)
        add(archive, "Thumbnails/thumbnail.png", encode_png(_thumbnail(flat)))
    return shown.notes


def _profile(document: Document, pixels: Pixels) -> bytes | None:
    """Krita stops and asks about 16-bit pictures without a profile, so those get sRGB's."""
    if document.icc_profile is None and pixels.dtype == np.uint16:
        return ImageCmsProfile(createProfile("sRGB")).tobytes()
    return document.icc_profile


class _Sources:
    """The pictures of the archive by name; an array that is used twice is stored once."""

    def __init__(self) -> None:
        self.files: dict[str, NDArray] = {}
        self._names: dict[tuple, str] = {}

    def data(self, pixels: NDArray) -> str:
        """The name of a layer's picture as every program sees it."""
        return self._name(_EMPTY if pixels.size == 0 else pixels, "data/layer")

    def store(self, node: Node, mask: Mask | None) -> str:
        """The name of an original; one that the stack shows too is shared with it."""
        if mask is not None:
            return self._name(mask.pixels, "layerstudio/mask")
        assert isinstance(node, Layer), node
        return self._name(node.pixels, "layerstudio/layer")

    def _name(self, pixels: NDArray, prefix: str) -> str:
        # The address of the first pixel and the shape tell arrays apart while all are alive.
        key = (pixels.ctypes.data, pixels.shape, pixels.strides, pixels.dtype)
        if key not in self._names:
            name = f"{prefix}{len(self.files):03d}.png"
            self._names[key] = name
            self.files[name] = pixels
        return self._names[key]


def _stack_xml(document: Document, sources: _Sources) -> bytes:
    resolution = str(max(1, round(document.dpi)))
    image = Element(
        "image",
        version=VERSION,
        w=str(document.extent.width),
        h=str(document.extent.height),
        xres=resolution,
        yres=resolution,
    )
    root = SubElement(image, "stack")
    for index, node in enumerate(reversed(document.children)):
        _add_node(root, node, sources, selected=index == 0)
    indent(image)
    return tostring(image, encoding="UTF-8", xml_declaration=True)


def _add_node(parent: Element, node: Node, sources: _Sources, *, selected: bool) -> None:
    attributes = {
        "name": xml_text(node.name),
        "opacity": f"{node.opacity:.6f}",
        "visibility": "visible" if node.visible else "hidden",
    }
    if node.locked:
        attributes["edit-locked"] = "true"
    if selected:
        attributes["selected"] = "true"
    if isinstance(node, Layer):
        attributes |= {
            "composite-op": OPERATORS[node.blend],
            "src": sources.data(node.pixels),
            "x": str(node.bounds.x),
            "y": str(node.bounds.y),
        }
        SubElement(parent, "layer", attributes)
        return
    isolated = is_isolated(node)
    attributes["composite-op"] = OPERATORS[node.blend if isolated else BlendMode.NORMAL]
    attributes["isolation"] = "isolate" if isolated else "auto"
    stack = SubElement(parent, "stack", attributes)
    for child in reversed(node.children):
        _add_node(stack, child, sources, selected=False)


def _thumbnail(flat: Pixels) -> Pixels:
    """At most 256 pixels a side, 8 bits, averaged with premultiplied colour."""
    height, width = flat.shape[:2]
    scale = min(1.0, _THUMBNAIL_SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small: NDArray = cv2.resize(bleed_colour(flat), size, interpolation=cv2.INTER_AREA)
    return to_depth(small, np.uint8)


def read(path: Path, limits: Limits = DEFAULT_LIMITS) -> Document:
    """Read a file of any program; raises ``UnreadableFile`` for what is none or too large.

    What the format has and documents have not is noted.
    """
    with open_zip(path, limits) as shelf:
        stack = shelf.read("stack.xml")
        return _original(stack, shelf, limits) or read_stack(stack, shelf, limits)


def _original(stack: bytes, shelf: Shelf, limits: Limits) -> Document | None:
    """The document that ``write`` was given; None where another program changed the file."""
    if MANIFEST not in shelf.names():
        return None
    try:
        text = shelf.read(MANIFEST)
        limits.check_text(text, MANIFEST)
        data = manifest.loads(text)
        if data is None or data.get(_STACK_HASH) != hashlib.sha256(stack).hexdigest():
            return None
        return pngs.restore(data, shelf, limits)
    except UnreadableFile:
        return None
