# ruff: noqa: N803 -- Cb, Cs and C are the symbols of the specifications.
"""The blend functions B(Cb, Cs), one per mode, as pure functions of straight colour.

``Cb`` is the backdrop's colour and ``Cs`` the source's, float32 in [0, 1]; so is the result.
Separable functions take arrays of any shape; the others take planar ``(3, ...)`` RGB.

Sources, cited per function:

- *W3C*: Compositing and Blending Level 1, sections 10.1 (separable) and 10.2 (non-separable).
  ISO 32000-1 (PDF 1.7) 11.3.5, tables 136 and 137, has the same formulas.
- *Photoshop*: Adobe's descriptions of the modes that no standard has, in the closed form that
  programs which read PSD agree on.

Where programs disagree with the W3C the W3C's formula stands. ``tests/test_krita_blend.py``
measures Krita 5.1 on random colour and alpha at 16 bits: all modes agree within 0.2/255 but for

- soft light, where Krita and Photoshop take the square root for dark backdrops too and the W3C a
  polynomial below 1/4: up to 13/255;
- the six modes that compare luminosity, which Krita weighs by 0.299, 0.587, 0.114: up to 3/255, and
  a different choice between two colours of nearly equal luminosity in darker and lighter color;
- hard mix at Cb + Cs = 1, where Krita has 0;
- dissolve, whose noise is every program's own.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from layerstudio.color import F32, LUMA
from layerstudio.document import BlendMode
from layerstudio.geometry import Bounds

BlendFunction = Callable[[F32, F32], F32]

# Sums that miss 1 by float32 rounding alone count as 1; 16-bit values are 1.5e-5 apart.
_ROUNDING = np.float32(1e-5)


def normal(Cb: F32, Cs: F32) -> F32:
    """Cs. W3C "normal"."""
    return Cs


def darken(Cb: F32, Cs: F32) -> F32:
    """min(Cb, Cs). W3C "darken"."""
    return np.minimum(Cb, Cs)


def multiply(Cb: F32, Cs: F32) -> F32:
    """Cb Cs. W3C "multiply"."""
    return Cb * Cs


def color_burn(Cb: F32, Cs: F32) -> F32:
    """1 if Cb = 1, else 0 if Cs = 0, else 1 - min(1, (1 - Cb) / Cs). W3C "color-burn"."""
    return 1 - _ratio(1 - Cb, Cs)


def linear_burn(Cb: F32, Cs: F32) -> F32:
    """max(0, Cb + Cs - 1). Photoshop."""
    return np.maximum(Cb + Cs - 1, 0)


def lighten(Cb: F32, Cs: F32) -> F32:
    """max(Cb, Cs). W3C "lighten"."""
    return np.maximum(Cb, Cs)


def screen(Cb: F32, Cs: F32) -> F32:
    """1 - (1 - Cb) (1 - Cs). W3C "screen"."""
    return 1 - (1 - Cb) * (1 - Cs)


def color_dodge(Cb: F32, Cs: F32) -> F32:
    """0 if Cb = 0, else 1 if Cs = 1, else min(1, Cb / (1 - Cs)). W3C "color-dodge"."""
    return _ratio(Cb, 1 - Cs)


def linear_dodge(Cb: F32, Cs: F32) -> F32:
    """min(1, Cb + Cs). Photoshop "linear dodge (add)"."""
    return np.minimum(Cb + Cs, 1)


def overlay(Cb: F32, Cs: F32) -> F32:
    """Hard light with the colours swapped. W3C "overlay"."""
    return hard_light(Cs, Cb)


def soft_light(Cb: F32, Cs: F32) -> F32:
    """Cb - (1 - 2 Cs) Cb (1 - Cb) if Cs <= 1/2, else Cb + (2 Cs - 1) (D(Cb) - Cb), with
    D(x) = ((16 x - 12) x + 4) x if x <= 1/4, else sqrt(x). W3C "soft-light"."""
    curve = np.where(Cb <= 0.25, ((16 * Cb - 12) * Cb + 4) * Cb, np.sqrt(Cb))
    target = np.where(Cs <= 0.5, Cb * (1 - Cb), curve - Cb)
    return Cb + (2 * Cs - 1) * target


def hard_light(Cb: F32, Cs: F32) -> F32:
    """multiply(Cb, 2 Cs) if Cs <= 1/2, else screen(Cb, 2 Cs - 1). W3C "hard-light"."""
    return np.where(Cs <= 0.5, multiply(Cb, 2 * Cs), screen(Cb, 2 * Cs - 1))


def vivid_light(Cb: F32, Cs: F32) -> F32:
    """color_burn(Cb, 2 Cs) if Cs <= 1/2, else color_dodge(Cb, 2 Cs - 1). Photoshop."""
    burnt = color_burn(Cb, np.minimum(2 * Cs, 1))
    return np.where(Cs <= 0.5, burnt, color_dodge(Cb, np.maximum(2 * Cs - 1, 0)))


def linear_light(Cb: F32, Cs: F32) -> F32:
    """Cb + 2 Cs - 1, clipped to [0, 1]. Photoshop."""
    return np.clip(Cb + 2 * Cs - 1, 0, 1)


def pin_light(Cb: F32, Cs: F32) -> F32:
    """min(Cb, 2 Cs) if Cs <= 1/2, else max(Cb, 2 Cs - 1). Photoshop."""
    return np.where(Cs <= 0.5, np.minimum(Cb, 2 * Cs), np.maximum(Cb, 2 * Cs - 1))


def hard_mix(Cb: F32, Cs: F32) -> F32:
    """1 if Cb + Cs >= 1, else 0 (vivid light cut at 1/2). Photoshop."""
    return (Cb + Cs >= 1 - _ROUNDING).astype(np.float32)


def difference(Cb: F32, Cs: F32) -> F32:
    """abs(Cb - Cs). W3C "difference"."""
    return np.abs(Cb - Cs)


def exclusion(Cb: F32, Cs: F32) -> F32:
    """Cb + Cs - 2 Cb Cs. W3C "exclusion"."""
    return Cb + np.multiply(Cs, 1 - 2 * Cb)


def subtract(Cb: F32, Cs: F32) -> F32:
    """max(0, Cb - Cs). Photoshop."""
    return np.maximum(Cb - Cs, 0)


def divide(Cb: F32, Cs: F32) -> F32:
    """0 if Cb = 0, else 1 if Cs = 0, else min(1, Cb / Cs). Photoshop."""
    return _ratio(Cb, Cs)


def darker_color(Cb: F32, Cs: F32) -> F32:
    """The whole colour of lower luminosity, the backdrop's if equal. Photoshop; W3C "Lum"."""
    return np.where(_lum(Cs) < _lum(Cb), Cs, Cb)


def lighter_color(Cb: F32, Cs: F32) -> F32:
    """The whole colour of higher luminosity, the backdrop's if equal. Photoshop; W3C "Lum"."""
    return np.where(_lum(Cs) > _lum(Cb), Cs, Cb)


def hue(Cb: F32, Cs: F32) -> F32:
    """SetLum(SetSat(Cs, Sat(Cb)), Lum(Cb)). W3C "hue"."""
    return _set_lum(_set_sat(Cs, _sat(Cb)), _lum(Cb))


def saturation(Cb: F32, Cs: F32) -> F32:
    """SetLum(SetSat(Cb, Sat(Cs)), Lum(Cb)). W3C "saturation"."""
    return _set_lum(_set_sat(Cb, _sat(Cs)), _lum(Cb))


def color(Cb: F32, Cs: F32) -> F32:
    """SetLum(Cs, Lum(Cb)). W3C "color"."""
    return _set_lum(Cs, _lum(Cb))


def luminosity(Cb: F32, Cs: F32) -> F32:
    """SetLum(Cb, Lum(Cs)). W3C "luminosity"."""
    return _set_lum(Cb, _lum(Cs))


BLEND_FUNCTIONS: dict[BlendMode, BlendFunction] = {
    BlendMode.NORMAL: normal,
    BlendMode.DISSOLVE: normal,  # its coverage is special, see ``dissolve_coverage``
    BlendMode.DARKEN: darken,
    BlendMode.MULTIPLY: multiply,
    BlendMode.COLOR_BURN: color_burn,
    BlendMode.LINEAR_BURN: linear_burn,
    BlendMode.DARKER_COLOR: darker_color,
    BlendMode.LIGHTEN: lighten,
    BlendMode.SCREEN: screen,
    BlendMode.COLOR_DODGE: color_dodge,
    BlendMode.LINEAR_DODGE: linear_dodge,
    BlendMode.LIGHTER_COLOR: lighter_color,
    BlendMode.OVERLAY: overlay,
    BlendMode.SOFT_LIGHT: soft_light,
    BlendMode.HARD_LIGHT: hard_light,
    BlendMode.VIVID_LIGHT: vivid_light,
    BlendMode.LINEAR_LIGHT: linear_light,
    BlendMode.PIN_LIGHT: pin_light,
    BlendMode.HARD_MIX: hard_mix,
    BlendMode.DIFFERENCE: difference,
    BlendMode.EXCLUSION: exclusion,
    BlendMode.SUBTRACT: subtract,
    BlendMode.DIVIDE: divide,
    BlendMode.HUE: hue,
    BlendMode.SATURATION: saturation,
    BlendMode.COLOR: color,
    BlendMode.LUMINOSITY: luminosity,
}


def dissolve_coverage(alpha: F32, place: Bounds) -> F32:
    """Coverage 1 where ``alpha`` (h, w) exceeds the canvas's noise at ``place``, else 0.

    The noise, uniform in [0, 1), depends on nothing but the pixel's place on the canvas, so that
    tiles of one picture agree and a picture composites the same twice. Alpha 0 never shows and
    alpha 1 always does.
    """
    ys = np.arange(place.y, place.bottom, dtype=np.int64).astype(np.uint32)[:, None]
    xs = np.arange(place.x, place.right, dtype=np.int64).astype(np.uint32)[None, :]
    # 24 bits are what a float32 in [0, 1) holds exactly.
    noise = (_hash(xs ^ _hash(ys)) >> np.uint32(8)) * np.float32(2.0**-24)
    return (alpha > noise).astype(np.float32)


def _hash(values: np.ndarray) -> np.ndarray:
    """A 32-bit integer mixer with low bias (Ellis, "Prospecting for Hash Functions", 2018)."""
    mixed = values + np.uint32(0x9E3779B9)  # 0 would otherwise map to 0
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        mixed = (mixed ^ (mixed >> np.uint32(shift))) * np.uint32(factor)
    return mixed ^ (mixed >> np.uint32(16))


def _ratio(numerator: F32, denominator: F32) -> F32:
    """min(1, n / d) with 0 / d = 0 for every d, and n / 0 = 1 for n > 0."""
    one_or_more = numerator >= denominator
    safe = np.where(one_or_more, np.float32(1), denominator)
    ratio = np.where(one_or_more, np.float32(1), numerator / safe)
    return np.where(numerator > 0, ratio, np.float32(0))


def _lum(C: F32) -> F32:
    """Lum(C) = 0.3 R + 0.59 G + 0.11 B. W3C 10.2."""
    return LUMA[0] * C[0] + LUMA[1] * C[1] + LUMA[2] * C[2]


def _sat(C: F32) -> F32:
    """Sat(C) = max(R, G, B) - min(R, G, B). W3C 10.2."""
    return C.max(axis=0) - C.min(axis=0)


def _set_lum(C: F32, lum: F32) -> F32:
    """SetLum(C, l) = ClipColor(C + (l - Lum(C))). W3C 10.2."""
    return _clip_color(C + np.subtract(lum, _lum(C)), lum)


def _clip_color(C: F32, lum: F32) -> F32:
    """ClipColor(C): towards the grey of the same Lum until all of it is in [0, 1]. W3C 10.2.

    ``lum`` is Lum(C), which every caller knows exactly. C is a colour from [0, 1] moved by one
    amount, so it cannot leave the range at both ends.
    """
    low, high = C.min(axis=0), C.max(axis=0)
    shrink = np.ones_like(lum)
    np.divide(lum, lum - low, out=shrink, where=low < 0)
    np.divide(1 - lum, high - lum, out=shrink, where=high > 1)
    return lum + np.subtract(C, lum) * shrink


def _set_sat(C: F32, sat: F32) -> F32:
    """SetSat(C, s): minimum to 0, maximum to s, the middle in proportion. W3C 10.2."""
    low = C.min(axis=0)
    span = C.max(axis=0) - low
    scale = np.zeros_like(span)
    np.divide(sat, span, out=scale, where=span > 0)
    return np.subtract(C, low) * scale
