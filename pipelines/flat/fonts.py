"""The installed free font nearest to a line of ink, by setting the same string in each."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from layerstudio.color import F32
from layerstudio.geometry import Bounds
from layerstudio.pipelines.flat.glyphs import Bools
from layerstudio.pipelines.fonts import Face, installed_faces

_PROBE = 64  # px at which candidates are set
_RASTER = 32  # px of ink height at which they are compared
_BLUR = 1.5  # px along the line, of the raster
_LONGEST = 40  # characters; more adds time, not certainty
_CAP_HEIGHT = 0.7  # of the font size, where no font can be asked


@dataclass(frozen=True)
class FontGuess:
    """``size`` in canvas pixels, ``baseline`` on the canvas, ``likeness`` 0..1."""

    family: str
    bold: bool
    italic: bool
    size: float
    baseline: float
    likeness: float


@functools.lru_cache(maxsize=64)
def _loaded(path: str) -> ImageFont.FreeTypeFont | None:
    try:
        return ImageFont.truetype(path, _PROBE)
    except OSError:
        return None


def guess_font(
    string: str, ink: Bools, bounds: Bounds, height: float, baseline: float
) -> FontGuess:
    """The face whose rendering of ``string`` is closest to ``ink`` (h, w) over ``bounds``.

    Without a string or fonts: ``sans-serif`` at the size that ``height``, the height of capitals
    in pixels, and ``baseline``, the measured one, suggest.
    """
    string = string.strip()
    guesses = [_compared(face, string, ink, bounds) for face in installed_faces()] if string else []
    known = [guess for guess in guesses if guess is not None]
    if not known:
        return FontGuess("sans-serif", False, False, height / _CAP_HEIGHT, baseline, 0.0)
    return max(known, key=lambda guess: guess.likeness)


def _compared(face: Face, string: str, ink: Bools, bounds: Bounds) -> FontGuess | None:
    font = _loaded(face.path)
    if font is None:
        return None
    left, top, right, bottom = font.getbbox(string, anchor="ls")
    if right <= left or bottom <= top:
        return None
    shown = Image.new("L", (int(right - left) + 4, int(bottom - top) + 4))
    ImageDraw.Draw(shown).text((2 - left, 2 - top), string, 255, font, anchor="ls")
    tight = Bounds.of_mask(np.asarray(shown) > 127)
    if tight.is_empty:
        return None
    scale = bounds.height / tight.height
    above = tight.y - 2 + top  # of the ink's top from the baseline, in probe pixels
    stretch = (bounds.width / tight.width) / scale
    wide = max(8, round(_RASTER * bounds.width / bounds.height))
    alike = _likeness(
        _raster(np.asarray(shown)[tight.slices], wide),
        _raster(ink.astype(np.uint8) * 255, wide),
    )
    return FontGuess(
        face.family,
        face.bold,
        face.italic,
        size=_PROBE * float(np.sqrt(scale * scale * stretch)),
        baseline=float(bounds.y - above * scale),
        likeness=float(alike * np.exp(-3.0 * abs(np.log(stretch)))),
    )


def _raster(alpha, width: int) -> F32:
    size = (min(width, _RASTER * _LONGEST), _RASTER)
    return cv2.resize(alpha.astype(np.float32) / 255, size, interpolation=cv2.INTER_AREA)


def _likeness(one: F32, other: F32) -> float:
    """Soft intersection over union, blurred along the line so that letter-spacing matters less,
    times how alike the weights are, which the overlap alone would always find too bold."""
    weight = abs(float(np.log(max(one.mean(), 1e-3) / max(other.mean(), 1e-3))))
    one, other = _blurred(one), _blurred(other)
    shared = np.minimum(one, other).sum() / max(float(np.maximum(one, other).sum()), 1e-6)
    return float(shared) * float(np.exp(-2.0 * weight))


def _blurred(raster: F32) -> F32:
    return cv2.GaussianBlur(raster, (0, 0), _BLUR, sigmaY=0.5).astype(np.float32, copy=False)
