"""What a network made that holds nothing of its own, taken out: it fills as many layers as asked.

All at the working size, on layers of the whole canvas, bottom to top, straight alpha.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from layerstudio.color import F32, to_float, to_u8
from layerstudio.document import Layer

_SEEN = 8 / 255  # alpha below which an autoencoder's haze lies, and nothing that was meant
_SPECK = 5e-4  # share of the canvas below which a layer is no layer of its own
_SAME = 6 / 255  # colour differences that an autoencoder makes by itself
_NEAR = 5  # pixels over which differences are averaged
_SHARE = 0.02  # of its own pixels in which a copy may differ


def without_empty(layers: Sequence[Layer]) -> list[Layer]:
    """Those in which something shows at all; the lowest if it is none."""
    return [layer for layer in layers if _shows(layer)] or list(layers[:1])


def tidied(layers: Sequence[Layer]) -> list[Layer]:
    """Without empty layers, without those that add nothing to what lies beneath them (copies of
    it, and opaque copies of parts), and with specks merged into the layer beneath.

    What another layer hides stays: it is there to be uncovered.
    """
    kept: list[Layer] = []
    beneath_premul: F32 | None = None
    for layer in without_empty(layers):
        rgba = to_float(layer.pixels)
        if beneath_premul is None:
            kept, beneath_premul = [layer], _premul(rgba)
            continue
        together_premul = _over(rgba, beneath_premul)
        # Means over a few pixels: what an autoencoder adds by itself is noise around nothing.
        difference = cv2.blur(together_premul - beneath_premul, (_NEAR, _NEAR))
        changed = np.abs(difference).max(axis=-1) > _SAME
        if changed.sum() <= _SHARE * (rgba[..., 3] > _SEEN).sum():
            continue
        beneath_premul = together_premul
        if rgba[..., 3].mean() < _SPECK:
            kept[-1] = _merged(kept[-1], rgba)
        else:
            kept.append(layer)
    return kept


def _shows(layer: Layer) -> bool:
    """More pixels than stray ones are more than haze."""
    alpha = to_float(layer.pixels[..., 3])
    return bool((alpha > _SEEN).mean() > _SPECK / 10)


def _merged(lower: Layer, rgba: F32) -> Layer:
    together_premul = _over(rgba, _premul(to_float(lower.pixels)))
    colour = together_premul[..., :3] / np.maximum(together_premul[..., 3:], np.float32(1e-6))
    return replace(lower, pixels=to_u8(np.dstack([colour, together_premul[..., 3]])))


def _premul(rgba: F32) -> F32:
    return np.concatenate((rgba[..., :3] * rgba[..., 3:], rgba[..., 3:]), axis=-1)


def _over(rgba: F32, beneath_premul: F32) -> F32:
    """Source-over, premultiplied."""
    return np.asarray(_premul(rgba) + (1 - rgba[..., 3:]) * beneath_premul, np.float32)
