"""The photograph of a guided analysis: what is drawn on it, its veils, its shadows."""

from __future__ import annotations

import cv2
import numpy as np

from layerstudio.color import F32
from layerstudio.document import Role
from layerstudio.geometry import Bounds
from layerstudio.ops.fill_smooth import fill_smooth
from layerstudio.pipelines.flat.analysis import Analysis, dilate, find_regions
from layerstudio.pipelines.flat.element import Element, lay_over
from layerstudio.pipelines.flat.lettering import lines_on_photograph
from layerstudio.pipelines.flat.photograph import Plate, without_specks
from layerstudio.pipelines.flat.shadows import fitted_shadow
from layerstudio.pipelines.flat.text import Line
from layerstudio.pipelines.flat.veils import stands_out, unveiled
from layerstudio.pipelines.peel.reading import Mask, Reading, mean_by_region
from layerstudio.pipelines.peel.veils import guided_veils

_RIM = 4  # pixels around drawn things that their edges may colour
_DRAWN = 0.5
_MIN_WRITTEN = 0.35  # mean probability of a line's pixels that something is drawn there
_MIN_DARK = 0.04  # opacity from which a shadow is one
_MIN_SHADOW = 80  # pixels
_LARGE = 64  # pixels of a region whose vote outweighs each of its pixels


def guided_plate(analysis: Analysis, reading: Reading) -> Plate:
    drawn = without_specks(_drawn(analysis, reading))
    votes = mean_by_region(analysis, reading.drawn) > _DRAWN
    votes[0] = False
    lines = tuple(
        line for line in lines_on_photograph(analysis, votes) if _is_written(line, reading)
    )
    for line in lines:
        drawn[line.bounds.slices] |= line.mask()
    veils = guided_veils(analysis, reading, drawn)
    for veil in veils:
        drawn[veil.bounds.slices] |= stands_out(analysis.rgb, veil, analysis.tolerance)
    hole = dilate(drawn, _RIM)
    bare = analysis.rgb.astype(np.float32)
    for veil in reversed(veils):
        unveiled(bare, veil)
    shadows = _shadows(analysis, reading, drawn)
    for shadow in reversed(shadows):
        unveiled(bare, shadow)
    bare = np.asarray(fill_smooth(bare, hole), np.float32)
    backdrop = bare.copy()
    for layer in (*veils, *shadows):
        lay_over(backdrop, layer)
    return Plate(bare, backdrop, drawn, tuple(veils), lines, tuple(shadows))


def _drawn(analysis: Analysis, reading: Reading) -> Mask:
    """Regions by the vote of their pixels, what lies between them pixel by pixel."""
    pixels = reading.drawn > _DRAWN
    votes = mean_by_region(analysis, reading.drawn) > _DRAWN
    voting = analysis.regions.areas >= _LARGE
    voting[0] = False
    labels = analysis.regions.labels
    return np.where(voting[labels], votes[labels], pixels)


def _is_written(line: Line, reading: Reading) -> bool:
    return float(reading.drawn[line.bounds.slices][line.mask()].mean()) >= _MIN_WRITTEN


def _shadows(analysis: Analysis, reading: Reading, drawn: Mask) -> list[Element]:
    """Drop shadows of what is drawn, fitted to the darkness that the network sees."""
    dark = (reading.shadow > _MIN_DARK) & ~drawn
    if np.count_nonzero(dark) < _MIN_SHADOW:
        return []
    bodies = find_regions(drawn, connectivity=8)
    found = []
    for label in np.argsort(-bodies.areas):
        if label == 0 or bodies.areas[label] < _MIN_SHADOW:
            continue
        bounds = bodies.bounds(int(label))
        body = bodies.mask(int(label), bounds)
        alpha = body.astype(np.float32)
        caster = Element(Role.OBJECT, bounds, alpha, np.zeros((*alpha.shape, 3), np.float32))
        shadow = fitted_shadow(reading.shadow, dark, drawn, caster)
        if shadow is not None:
            found.append(shadow)
    return found
