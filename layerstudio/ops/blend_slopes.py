"""Stacks of separable blend modes as functions that can be solved: colours, and their slopes.

Planes are (3, n) float32 in [0, 1]; the lowest layer is opaque, so that the backdrop always is.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from layerstudio.blend import BLEND_FUNCTIONS
from layerstudio.color import F32
from layerstudio.document import BlendMode

# Separable, and with a slope almost everywhere: all but dissolve, hard mix and those that compare
# or exchange whole colours.
BLENDABLE = (
    BlendMode.NORMAL,
    BlendMode.DARKEN,
    BlendMode.MULTIPLY,
    BlendMode.COLOR_BURN,
    BlendMode.LINEAR_BURN,
    BlendMode.LIGHTEN,
    BlendMode.SCREEN,
    BlendMode.COLOR_DODGE,
    BlendMode.LINEAR_DODGE,
    BlendMode.OVERLAY,
    BlendMode.SOFT_LIGHT,
    BlendMode.HARD_LIGHT,
    BlendMode.VIVID_LIGHT,
    BlendMode.LINEAR_LIGHT,
    BlendMode.PIN_LIGHT,
    BlendMode.DIFFERENCE,
    BlendMode.EXCLUSION,
    BlendMode.SUBTRACT,
    BlendMode.DIVIDE,
)
_STEP = np.float32(1 / 256)  # of differences: where a mode has a kink, the slope across it


class Shown(NamedTuple):
    """``colour`` (3, n) of a stack of k layers, and its slopes by each layer's colour, (k, 3, n),
    and by its alpha, (k, 3, n)."""

    colour: F32
    by_colour: F32
    by_alpha: F32


def shown_colour(modes: tuple[BlendMode, ...], alphas: F32, colours: F32) -> F32:
    """(3, n) of layers with ``alphas`` (k, n) and ``colours`` (k, 3, n), bottom to top."""
    colour = colours[0].copy()
    for mode, alpha, own in zip(modes[1:], alphas[1:], colours[1:], strict=True):
        colour += alpha * (BLEND_FUNCTIONS[mode](colour, own) - colour)
    return colour


def shown_with_slopes(modes: tuple[BlendMode, ...], alphas: F32, colours: F32) -> Shown:
    """C = (1 - a) C_b + a B(C_b, C_s), layer by layer (W3C Compositing and Blending Level 1, 10,
    for an opaque backdrop), and the chain rule from the top down."""
    backdrops, blends = [colours[0]], []
    for mode, alpha, own in zip(modes[1:], alphas[1:], colours[1:], strict=True):
        blends.append(BLEND_FUNCTIONS[mode](backdrops[-1], own))
        backdrops.append(backdrops[-1] + alpha * (blends[-1] - backdrops[-1]))
    by_colour, by_alpha = np.empty_like(colours), np.zeros_like(colours)
    passed = np.ones_like(colours[0])
    for index in range(len(modes) - 1, 0, -1):
        backdrop, alpha = backdrops[index - 1], alphas[index]
        by_backdrop, by_source = _slopes(modes[index], backdrop, colours[index])
        by_colour[index] = passed * alpha * by_source
        by_alpha[index] = passed * (blends[index - 1] - backdrop)
        passed = passed * (1 - alpha + alpha * by_backdrop)
    by_colour[0] = passed
    return Shown(backdrops[-1], by_colour, by_alpha)


def _slopes(mode: BlendMode, backdrop: F32, source: F32) -> tuple[F32 | float, F32 | float]:
    """Of B(C_b, C_s) by C_b and by C_s: exact for the modes used most, else differences."""
    match mode:
        case BlendMode.NORMAL:
            return 0.0, 1.0
        case BlendMode.MULTIPLY:
            return source, backdrop
        case BlendMode.SCREEN:
            return 1 - source, 1 - backdrop
    blend = BLEND_FUNCTIONS[mode]
    low, high = np.maximum(backdrop - _STEP, 0), np.minimum(backdrop + _STEP, 1)
    by_backdrop = (blend(high, source) - blend(low, source)) / (high - low)
    low, high = np.maximum(source - _STEP, 0), np.minimum(source + _STEP, 1)
    by_source = (blend(backdrop, high) - blend(backdrop, low)) / (high - low)
    return np.asarray(by_backdrop, backdrop.dtype), np.asarray(by_source, source.dtype)
