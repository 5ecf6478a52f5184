"""Lines of text straight on a photograph, by their contrast with what is around them.

Letters are darker or lighter than a median over more than their stroke, all in one colour, and
end within a pixel or two. Pieces of a photograph that pass for letters differ in colour from one
to the next, and most have soft ends.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from layerstudio.color import U8
from layerstudio.geometry import Bounds
from layerstudio.pipelines.flat.analysis import Analysis, crisp, dilate
from layerstudio.pipelines.flat.glyphs import Glyph, glyphs_of
from layerstudio.pipelines.flat.text import Line, find_lines

_WINDOWS = (21, 61)  # pixels of the median: for small text and for large
_MIN_CONTRAST = 40  # levels
_INK_SHARE = 0.5  # of the strongest contrast nearby
_MIN_LETTERS = 3
_EXTREME = 8  # one pixel in so many of a letter shows its ink at full coverage
# Levels between the letters' inks, median deviation: a rendering has none, compression some.
_CLEAN_SPREAD = 1.0
_NOISY_SPREAD = 3.0
_LONG_LINE, _LONG_SPREAD = 8, 7.0  # letters, and what their inks may differ by
_MAX_TAIL = 13.0  # levels, of the 80th percentile, under compression
_NOISY_SCORE = 0.7
_INK_REACH = 35  # levels from the ink's colour
_MIN_OWN = 0.55  # of the pixels of that colour in and around a line that are its letters
_MIN_SHARP = 0.6  # of a letter's contrast that is found in one step at its edge
_MAX_GLYPHS = 6000  # more are texture


def lines_by_contrast(analysis: Analysis) -> list[Line]:
    """Lines of text (light or dark) that stand out from what is around them."""
    grey = np.asarray(cv2.cvtColor(analysis.rgb, cv2.COLOR_RGB2GRAY), np.uint8)
    full = Bounds.full(analysis.extent)
    found: list[Line] = []
    for window in _WINDOWS:
        around = _median(grey, window)
        for contrast in (cv2.subtract(grey, around), cv2.subtract(around, grey)):
            glyphs = glyphs_of(_ink(np.asarray(contrast, np.uint8)), analysis.rgb, full)
            glyphs = [glyph for glyph in glyphs if glyph.area >= 4]
            if len(glyphs) <= _MAX_GLYPHS:
                lines = find_lines(glyphs)
                found += [line for line in lines if _is_written(analysis, contrast, line)]
    return found


def _median(grey: U8, window: int) -> U8:
    """Median over a window, of every third pixel where the window is large."""
    if window <= 31:
        return np.asarray(cv2.medianBlur(grey, window), np.uint8)
    height, width = grey.shape
    size = (max(1, width // 3), max(1, height // 3))
    small = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    blurred = cv2.medianBlur(small, window // 3 | 1)
    return np.asarray(cv2.resize(blurred, (width, height)), np.uint8)


def _ink(contrast: U8) -> NDArray[np.bool_]:
    return (contrast >= _MIN_CONTRAST) & crisp(contrast, _INK_SHARE)


def _is_written(analysis: Analysis, contrast: NDArray, line: Line) -> bool:
    """Whether enough letters share an ink that nothing around them has, and end sharply."""
    if len(line.glyphs) < _MIN_LETTERS:
        return False
    inks = np.array([_ink_of(analysis.rgb, contrast, glyph) for glyph in line.glyphs])
    ink = np.median(inks, axis=0)
    sharp = np.median([_sharpness(analysis.step, contrast, glyph) for glyph in line.glyphs])
    return (
        _is_one_ink(np.abs(inks - ink).max(axis=1), line, noisy=analysis.noise >= 0.5)
        and float(sharp) >= _MIN_SHARP
        and _own_share(analysis, line, ink) >= _MIN_OWN
    )


def _is_one_ink(off: NDArray, line: Line, *, noisy: bool) -> bool:
    """Whether the letters' distances ``off`` (n,) from their common ink are what noise makes."""
    spread = float(np.median(off))
    if not noisy:
        return spread <= _CLEAN_SPREAD
    limit = _NOISY_SPREAD if len(off) < _LONG_LINE else _LONG_SPREAD
    tail = float(np.quantile(off, 0.8))
    return spread <= limit and tail <= _MAX_TAIL and line.score >= _NOISY_SCORE


def _ink_of(rgb: U8, contrast: NDArray, glyph: Glyph) -> NDArray[np.float64]:
    """The mean colour (3,) of the letter's pixels with the most contrast."""
    strength = contrast[glyph.bounds.slices][glyph.mask]
    strongest = np.argsort(strength)[-max(1, len(strength) // _EXTREME) :]
    return rgb[glyph.bounds.slices][glyph.mask][strongest].mean(axis=0)


def _own_share(analysis: Analysis, line: Line, ink: NDArray) -> float:
    """Of the pixels in and around a line that have its ink's colour, the share in its letters."""
    around = line.bounds.padded(round(0.6 * line.height) + 2).clamped(analysis.extent)
    inked = np.abs(analysis.rgb[around.slices] - ink).max(axis=2) <= _INK_REACH
    own = np.zeros(inked.shape, bool)
    own[line.bounds.relative_to(around).slices] = line.mask()
    return float(np.count_nonzero(inked & dilate(own, 1)) / max(1, np.count_nonzero(inked)))


def _sharpness(step: U8, contrast: NDArray, glyph: Glyph) -> float:
    """The typical largest step around a letter, as a share of its contrast."""
    own = glyph.mask.astype(np.uint8)
    edged = cv2.copyMakeBorder(own, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    rim = edged[1:-1, 1:-1] - cv2.erode(edged, np.ones((3, 3), np.uint8))[1:-1, 1:-1]
    peak = cv2.dilate(step[glyph.bounds.slices], np.ones((3, 3), np.uint8))[rim > 0]
    strength = contrast[glyph.bounds.slices][glyph.mask].astype(np.float32)
    return float(np.median(peak)) / max(1.0, float(np.quantile(strength, 0.85)))
