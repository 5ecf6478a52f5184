"""TIFF with a page per layer: what GIMP, ImageMagick and scan tools read; not Photoshop's layers.

The first page is the flattened picture, so that viewers show it; then come the layers, bottom
first, cropped, each at its place (XPosition, YPosition) and with its name. Masks are part of the
alpha that others see. The first page's description holds the document, its sub-images (SubIFDs)
the original alphas and the masks, so that reading gives back everything.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tifffile import TiffWriter

from layerstudio.composite import composite_pixels
from layerstudio.document import BlendMode, Document, Group, Layer, Mask, Node
from layerstudio.errors import InvalidRequest
from layerstudio.geometry import Bounds
from layerstudio.io import manifest, recipe
from layerstudio.io.limits import DEFAULT_LIMITS, Limits
from layerstudio.io.ora_stack import with_mask_applied
from layerstudio.io.tiff_reading import XMP, read_tiff
from layerstudio.ops.bleed import bleed as bleed_colour

# Tags of TIFF 6.0 (Adobe 1992).
_PAGE_NAME, _X_POSITION, _Y_POSITION = 285, 286, 287
_BYTE, _ASCII, _RATIONAL = 1, 2, 5
_PAGE_OF_MANY = 2  # NewSubfileType, bit 1
_ROWS_PER_STRIP = 128
_CLASSIC_BYTES = 2**32 - 2**25  # offsets of a classic TIFF have 32 bits
_PARTS = 1000  # of a unit of resolution, in which places are given
_FURTHEST = (2**32 - 1) // _PARTS  # pixels: places are 32-bit fractions
_EMPTY = np.zeros((1, 1, 4), np.uint8)


@dataclass
class _Pages:
    """What goes where: pages of colour, and gray sub-images of the first page."""

    bleed: bool
    layers: list[tuple[Layer, NDArray]] = field(default_factory=list)
    grays: list[NDArray] = field(default_factory=list)

    def store(self, node: Node, mask: Mask | None) -> str:
        if mask is not None:
            return self._gray(mask.pixels)
        assert isinstance(node, Layer), node
        pixels = bleed_colour(node.pixels) if self.bleed else node.pixels
        reference = f"page {len(self.layers) + 1}"
        if node.mask is not None and node.mask.enabled:
            reference += f", {self._gray(node.pixels[..., 3])}"
            pixels = with_mask_applied(pixels, node.bounds, node.mask)
        self.layers.append((node, pixels))
        return reference

    def _gray(self, values: NDArray) -> str:
        self.grays.append(values)
        return f"alpha {len(self.grays) - 1}"


def write(document: Document, path: Path, *, bleed: bool = True) -> tuple[str, ...]:
    """Write ``document``; ``bleed`` spreads colour under alpha 0 so that no fringe can appear.

    Raises ``InvalidRequest`` for layers that lie too far off the canvas for the format.
    """
    pages = _Pages(bleed)
    data = manifest.describe(document, pages.store)
    # Positions are not negative in a TIFF: all pages move, the first one too, by the same way.
    corner = Bounds.around([Bounds(0, 0, 1, 1), *(layer.bounds for layer, _ in pages.layers)])
    if max(corner.width, corner.height) > _FURTHEST:
        raise InvalidRequest(
            f"The layers lie {corner.extent} pixels apart, too far for a TIFF.",
            advice="Move them closer.",
        )
    size = sum(pixels.nbytes for _, pixels in pages.layers) + sum(g.nbytes for g in pages.grays)
    size += document.extent.pixel_count * 4 * document.dtype.itemsize
    common = _common(document)
    with TiffWriter(path, bigtiff=size > _CLASSIC_BYTES) as writer:
        writer.write(
            bleed_colour(composite_pixels(document)),
            description=manifest.dumps(data),
            subifds=len(pages.grays),
            extratags=[
                *_place("composite", Bounds.full(document.extent), corner, document.dpi),
                (XMP, _BYTE, None, recipe.to_xmp(document), True),
            ],
            **common | _COLOUR,
        )
        for values in pages.grays:
            writer.write(np.ascontiguousarray(values), photometric="minisblack", **common)
        for layer, pixels in pages.layers:
            writer.write(
                pixels,
                subfiletype=_PAGE_OF_MANY,
                extratags=_place(layer.name, layer.bounds, corner, document.dpi),
                **common | _COLOUR,
            )
    return tuple(_notes(document))


def read(path: Path, limits: Limits = DEFAULT_LIMITS) -> Document:
    """Read a TIFF of any program, a layer per page; raises ``UnreadableFile``."""
    return read_tiff(path, limits)


_COLOUR: dict[str, Any] = {"photometric": "rgb", "extrasamples": ["unassalpha"]}


def _common(document: Document) -> dict[str, Any]:
    return {
        "compression": "adobe_deflate",
        "compressionargs": {"level": 1},
        "predictor": True,
        "rowsperstrip": _ROWS_PER_STRIP,
        "resolution": (document.dpi, document.dpi),
        "resolutionunit": "inch",
        "iccprofile": document.icc_profile,
        "software": recipe.TOOL,
        "metadata": None,
        "maxworkers": 2,
    }


def _place(name: str, bounds: Bounds, corner: Bounds, dpi: float) -> list[tuple]:
    """Tags with the page's name (UTF-8, as GIMP reads it) and its place in resolution units."""
    text = name.replace("\0", "").encode(errors="replace") + b"\0"
    unit = max(1, round(dpi * _PARTS))  # the resolution's thousandths survive as a fraction
    x, y = ((place - start) * _PARTS for place, start in zip(bounds[:2], corner[:2], strict=True))
    return [
        (_PAGE_NAME, _ASCII, len(text), text, True),
        (_X_POSITION, _RATIONAL, 1, (x, unit), True),
        (_Y_POSITION, _RATIONAL, 1, (y, unit), True),
    ]


def _notes(document: Document) -> Iterator[str]:
    """What other programs do not see; LayerStudio reads it from the description."""
    nodes = [node for _, node in document.walk()]
    if any(isinstance(node, Group) for node in nodes):
        yield "TIFF has no groups: other programs see their layers one above the other."
    plain = {BlendMode.NORMAL, BlendMode.PASS_THROUGH}
    lost = {
        "opacity": any(node.opacity < 1 for node in nodes),
        "blend modes": any(node.blend not in plain for node in nodes),
        "hidden layers": any(not node.visible for node in nodes),
        "clipping": any(node.clipped for node in nodes),
        "masks of groups": any(isinstance(node, Group) and node.mask for node in nodes),
    }
    if any(lost.values()):
        what = ", ".join(name for name, is_lost in lost.items() if is_lost)
        yield f"TIFF pages have no {what}: other programs show the layers without."
    if any(isinstance(node, Layer) and node.mask for node in nodes):
        yield "The masks of layers are part of the alpha that other programs see."
