"""Names for layers of which nothing is known but how they look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from layerstudio.color import Pixels, to_float
from layerstudio.document import Layer, Role
from layerstudio.geometry import Extent
from layerstudio.pipelines.flat.naming import colour_name

_OPAQUE = 0.9  # mean alpha on the whole canvas from which the lowest layer is the background
_LOOKED_AT = 256  # pixels of the longer side: a coarser grid has the same colours


def named(layers: Sequence[Layer], extent: Extent) -> list[Layer]:
    """``layers`` (bottom to top) called by number, commonest colour and place.

    The network says what a layer looks like and nothing of what it is, so that names say no more.
    The lowest is the background if it is opaque nearly everywhere.
    """
    return [_named(layer, number, extent) for number, layer in enumerate(layers, start=1)]


def _named(layer: Layer, number: int, extent: Extent) -> Layer:
    step = max(1, max(layer.pixels.shape[:2]) // _LOOKED_AT)
    pixels = layer.pixels[::step, ::step]
    alpha = to_float(pixels[..., 3])
    if not alpha.any():
        return replace(layer, name=f"Layer {number}, empty")
    share = float(alpha.mean()) * layer.bounds.area / extent.pixel_count
    if number == 1 and share >= _OPAQUE:
        return replace(layer, name="Background", role=Role.BACKGROUND)
    return replace(layer, name=f"Layer {number}, {_colour(pixels)}{_place(layer, extent, step)}")


def _colour(pixels: Pixels) -> str:
    """The commonest of a coarse cube of colours, by alpha."""
    alpha = to_float(pixels[..., 3]).ravel()
    colour = to_float(pixels[..., :3]).reshape(-1, 3)
    bins = np.minimum((colour * 6).astype(np.intp), 5) @ np.array([36, 6, 1])
    most = np.bincount(bins, alpha, 216).argmax()
    chosen = bins == most
    mean = np.average(colour[chosen], axis=0, weights=alpha[chosen])
    return colour_name([float(value) * 255 for value in mean])


def _place(layer: Layer, extent: Extent, step: int) -> str:
    """In which ninth of the canvas the middle of what shows lies, if all of it lies near there."""
    alpha = layer.pixels[::step, ::step, 3].astype(np.float64)
    ys, xs = np.nonzero(alpha > alpha.max() / 2)
    x = layer.bounds.x + step * xs
    y = layer.bounds.y + step * ys
    if np.ptp(x) > extent.width / 2 or np.ptp(y) > extent.height / 2:
        return ""
    column = int(3 * (x.mean() + 0.5) / extent.width)
    row = int(3 * (y.mean() + 0.5) / extent.height)
    words = " ".join(filter(None, (_ROWS[min(row, 2)], _COLUMNS[min(column, 2)])))
    return f", {words or 'middle'}"


_ROWS = ("top", "", "bottom")
_COLUMNS = ("left", "", "right")
