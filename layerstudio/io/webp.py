"""The flattened picture as one lossless WebP, with the recipe as XMP."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from layerstudio.color import to_depth
from layerstudio.composite import composite_pixels
from layerstudio.document import Document
from layerstudio.errors import InvalidRequest
from layerstudio.io import recipe
from layerstudio.io.png import FLATTENED
from layerstudio.ops.bleed import bleed

MAX_SIDE = 16383  # RFC 9649, 3.4: 14 bits each for width - 1 and height - 1
# libwebp's 0..6 and 0..100. Method 0 makes files half as large again; more effort than this
# takes up to five times longer and saves less than 1 % (measured on a photograph and a drawing).
_METHOD, _QUALITY = 1, 0
_X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT, _INCH = 282, 283, 296, 2  # Exif 3.0, 4.6.5


def write(document: Document, path: Path) -> tuple[str, ...]:
    """8 bits, every visible pixel exact; raises ``InvalidRequest`` for sides above 16,383."""
    if document.extent.longest_side > MAX_SIDE:
        raise InvalidRequest(
            f"A WebP has at most {MAX_SIDE:,} pixels a side, this picture is {document.extent}.",
            advice="Save it as .png or .tif.",
        )
    pixels = bleed(to_depth(composite_pixels(document), np.uint8))
    # Without exact, libwebp overwrites colour under alpha 0, and resampling shows fringes again.
    Image.fromarray(pixels).save(
        path,
        "WEBP",
        lossless=True,
        exact=True,
        method=_METHOD,
        quality=_QUALITY,
        icc_profile=document.icc_profile or b"",
        xmp=recipe.to_xmp(document),
        exif=_resolution(document.dpi),
    )
    notes = [FLATTENED] if len(document.layers) > 1 else []
    if document.dtype == np.uint16:
        notes.append("WebP has 8 bits a channel: 16-bit colour is rounded.")
    return tuple(notes)


def _resolution(dpi: float) -> Image.Exif:
    exif = Image.Exif()
    exif[_X_RESOLUTION] = exif[_Y_RESOLUTION] = dpi
    exif[_RESOLUTION_UNIT] = _INCH
    return exif
