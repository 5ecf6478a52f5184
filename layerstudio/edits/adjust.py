"""Brightness, contrast, colour: adjustments of the pixels' colours, alpha untouched.

They act on the document's encoded values (sRGB's, without a profile), in this order, each left out
at its neutral value:

- invert: v' = 1 - v;
- gamma: v' = v^(1 / gamma), above 1 lightens;
- brightness b: v' = v + b (1 - v) for b > 0, v (1 + b) for b < 0: 1 is white, -1 black;
- contrast c: v' = 1/2 + k (v - 1/2), with k = 1 / (1 - c) for c > 0 and 1 + c for c < 0: 1 leaves
  only the channels' extremes, -1 grey;
- temperature t: red to the power 2^(-t/2), blue to 2^(t/2), above 0 warmer; black and white stay;
- hue and saturation: the matrices ``hueRotate`` and ``saturate`` of Filter Effects Module Level 1,
  13.1 (feColorMatrix), with saturate's factor 1 + s, which is 0 to 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32, full_scale, to_depth
from layerstudio.document import Document, NodePath
from layerstudio.edits.checks import flag, number
from layerstudio.edits.colour_planes import ColourChange, with_colours
from layerstudio.edits.editing import Edited, changed_layers

_STEEPEST = 1e6  # contrast beyond which more makes no difference at 16 bits

# Filter Effects Module Level 1, 13.1: the luminance of sRGB's primaries, and the two rotations.
_LUMINANCE = np.array([0.213, 0.715, 0.072])
_TO_GREY = np.tile(_LUMINANCE, (3, 1))
_SINE = np.array([[-0.213, -0.715, 0.928], [0.143, 0.140, -0.283], [-0.787, 0.715, 0.072]])


def adjust(
    document: Document,
    paths: Sequence[NodePath],
    *,
    brightness: float = 0.0,
    contrast: float = 0.0,
    saturation: float = 0.0,
    hue: float = 0.0,
    temperature: float = 0.0,
    gamma: float = 1.0,
    invert: bool = False,
) -> Edited:
    """The chosen layers, also those in chosen groups, with other colours; live text's colour too.

    ``hue`` is in degrees, -180 to 180; ``gamma`` 0.1 to 10; the rest -1 to 1. See the module for
    the formulas. Pixels are shared where nothing is asked for.
    """
    curves = _Curves(
        brightness=number(brightness, "Brightness", -1, 1),
        contrast=number(contrast, "Contrast", -1, 1),
        temperature=number(temperature, "Temperature", -1, 1),
        gamma=number(gamma, "Gamma", 0.1, 10),
        invert=flag(invert, "Invert"),
    )
    mix = _mix(number(hue, "Hue", -180, 180), number(saturation, "Saturation", -1, 1))
    if curves == _Curves() and mix is None:
        return changed_layers(document, paths, lambda layer: layer)

    change = _change(curves, mix)
    return changed_layers(document, paths, lambda layer: with_colours(layer, change))


@dataclass(frozen=True)
class _Curves:
    """What is done to each channel by itself."""

    brightness: float = 0.0
    contrast: float = 0.0
    temperature: float = 0.0
    gamma: float = 1.0
    invert: bool = False

    def table(self, levels: int) -> F32:
        """(3, levels): the new value in [0, 1] of each level of red, green and blue."""
        value = np.linspace(0.0, 1.0, levels)
        if self.invert:
            value = 1 - value
        value = value ** (1 / self.gamma)
        lift = max(self.brightness, 0.0)
        value = (value + lift * (1 - value)) * (1 + min(self.brightness, 0.0))
        slope = 1 + self.contrast
        if self.contrast > 0:
            slope = min(_STEEPEST, 1 / max(1 - self.contrast, 1 / _STEEPEST))
        value = np.clip(0.5 + slope * (value - 0.5), 0, 1)
        powers = [2 ** (-self.temperature / 2), 1.0, 2 ** (self.temperature / 2)]
        return np.stack([value**power for power in powers]).astype(np.float32)


def _mix(hue: float, saturation: float) -> F32 | None:
    """(3, 3) on encoded RGB, None where it would change nothing."""
    if hue == 0 and saturation == 0:
        return None
    grey = np.eye(3) - _TO_GREY
    angle = np.radians(hue)
    turned = _TO_GREY + np.cos(angle) * grey + np.sin(angle) * _SINE
    return ((_TO_GREY + (1 + saturation) * grey) @ turned).astype(np.float32)


def _change(curves: _Curves, mix: F32 | None) -> ColourChange:
    """The whole adjustment of planes of one depth."""

    def change(planes: NDArray) -> NDArray:
        levels = curves.table(full_scale(planes.dtype) + 1)
        if mix is None:
            levels = to_depth(levels, planes.dtype)
        values = np.stack([table[plane] for table, plane in zip(levels, planes, strict=True)])
        if mix is None:
            return values
        return to_depth((mix @ values.reshape(3, -1)).reshape(values.shape), planes.dtype)

    return change
