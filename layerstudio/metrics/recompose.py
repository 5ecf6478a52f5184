"""Recomposition: whether a stack, put together again, is the picture it was made from."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from layerstudio.color import F32, Pixels, full_scale
from layerstudio.composite import composite_pixels
from layerstudio.document import Document
from layerstudio.errors import InvalidRequest
from layerstudio.geometry import Bounds, Extent
from layerstudio.metrics.similarity import psnr_of_mse

# Bounds the float copies to some 100 MB on pictures 4096 pixels wide.
_BAND_ROWS = 512


class Recomposition(NamedTuple):
    """Differences in units of full scale, in [0, 1]: one 8-bit level is 1/255.

    ``max_error`` is the largest in any channel, alpha included; ``mean_error`` and ``psnr`` (dB,
    infinite where nothing differs) are over the colour channels; ``share_off_by_2`` is the share
    of pixels, in [0, 1], with any channel off by more than 2/255.
    """

    max_error: float
    mean_error: float
    psnr: float
    share_off_by_2: float


def recomposition_error(document: Document, picture_pixels: Pixels) -> Recomposition:
    """The flattened ``document`` against ``picture_pixels`` (h, w, 4), uint8 or uint16, straight.

    The document is flattened to integers of the picture's depth. Colours are compared
    premultiplied, so that invisible colour does not count. Raises ``InvalidRequest`` where the
    picture has another size than the document.
    """
    extent = document.extent
    if picture_pixels.shape != (*extent.shape, 4):
        raise InvalidRequest(
            f"The picture of {Extent.of(picture_pixels)} pixels and the document of {extent} "
            "cannot be compared."
        )
    largest = total = squares = 0.0
    off = 0
    for top in range(0, extent.height, _BAND_ROWS):
        bottom = min(extent.height, top + _BAND_ROWS)
        band = Bounds.from_edges(0, top, extent.width, bottom)
        shown = composite_pixels(document, band, picture_pixels.dtype)
        levels = _difference(shown, picture_pixels[band.slices])
        largest = max(largest, float(levels.max()))
        colour = levels[..., :3]
        total += float(colour.sum(dtype=np.float64))
        squares += float(np.square(colour).sum(dtype=np.float64))
        off += int(np.count_nonzero(levels.max(axis=-1) > 2))
    values = 3 * extent.pixel_count
    return Recomposition(
        max_error=largest / 255,
        mean_error=total / values / 255,
        psnr=psnr_of_mse(squares / values),
        share_off_by_2=off / extent.pixel_count,
    )


def _difference(one: Pixels, other: Pixels) -> F32:
    """|difference| of premultiplied (h, w, 4), in 8-bit levels."""
    scale = full_scale(one.dtype)
    if min(one[..., 3].min(), other[..., 3].min()) == scale:
        difference = cv2.absdiff(one, np.ascontiguousarray(other)).astype(np.float32)
    else:
        difference = np.abs(_premultiplied(one) - _premultiplied(other))
    return difference * np.float32(255 / scale)


def _premultiplied(pixels: Pixels) -> F32:
    """Premultiplied (h, w, 4) float32 in the integers' own scale."""
    premul = pixels.astype(np.float32)
    premul[..., :3] *= premul[..., 3:] / np.float32(full_scale(pixels.dtype))
    return premul
