"""Changes of a layer's colours, plane by plane and band by band; alpha stays as it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from layerstudio.color import Pixels
from layerstudio.composite import bands, on_all_cores
from layerstudio.document import Layer
from layerstudio.geometry import Bounds, Extent

# (3, h, w) uint8 or uint16, red, green and blue, to new planes of the same kind. Each pixel's
# answer depends on that pixel alone.
ColourChange = Callable[[NDArray], NDArray]


def with_colours(layer: Layer, change: ColourChange) -> Layer:
    """The layer with ``change`` of its pixels' colours and of its live text's."""
    if layer.is_empty:
        return layer
    text = layer.text
    if text is not None:
        one = np.array(text.color, np.uint8).reshape(3, 1, 1)
        red, green, blue = map(int, change(one).ravel())
        text = replace(text, color=(red, green, blue))
    return replace(layer, pixels=_changed(layer.pixels, change), text=text)


def _changed(pixels: Pixels, change: ColourChange) -> Pixels:
    """By bands of rows that fit a core's cache, on all cores."""
    result = np.empty_like(pixels, order="C")

    def work(band: Bounds) -> None:
        *colours, alpha = cv2.split(pixels[band.slices])
        changed = change(np.stack(colours))
        result[band.slices] = cv2.merge([*changed, alpha])

    on_all_cores(work, bands(Bounds.full(Extent.of(pixels))))
    return result
