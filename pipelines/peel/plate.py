"""The photograph of a guided analysis: what is drawn on it, its veils, its shadows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from layerstudio.color import F32
from layerstudio.document import Role
from layerstudio.pipelines.flat.analysis import Analysis, find_regions
from layerstudio.pipelines.flat.element import Element
from layerstudio.pipelines.flat.lettering import lines_on_photograph
from layerstudio.pipelines.flat.outline import filled
from layerstudio.pipelines.flat.photograph import Plate, plate_of, without, without_specks
from layerstudio.pipelines.flat.shadows import FAINTEST
from layerstudio.pipelines.flat.synthetic import find_drawn
from layerstudio.pipelines.flat.text import Line
from layerstudio.pipelines.flat.veils import stands_out
from layerstudio.pipelines.peel.darkening import believed_shadows
from layerstudio.pipelines.peel.gathering import gathered
from layerstudio.pipelines.peel.parting import parts_of
from layerstudio.pipelines.peel.reading import Mask, Reading, mean_by_region
from layerstudio.pipelines.peel.veils import guided_veils

_SEEN = 0.5
_AGREED = 0.4  # probability with which a region that the rules take for drawn is
_MIN_WRITTEN = 0.35  # mean probability of a line's pixels that something is drawn there
_MIN_CASTER = 600  # pixels
_LARGE = 64  # pixels of a region whose vote outweighs each of its pixels


def guided_plate(analysis: Analysis, reading: Reading) -> Plate:
    drawn = without_specks(_drawn(analysis, reading))
    votes = mean_by_region(analysis, reading.drawn) > _SEEN
    votes[0] = False
    lines = tuple(
        line for line in lines_on_photograph(analysis, votes) if _is_written(line, reading)
    )
    for line in lines:
        drawn[line.bounds.slices] |= line.mask()
    veils = guided_veils(analysis, reading, drawn)
    for veil in veils:
        drawn[veil.bounds.slices] |= stands_out(analysis.rgb, veil, analysis.tolerance)
    bare = without(analysis.rgb, veils)
    shadows, cast, casters = _shadows(analysis, bare, reading, drawn)
    return plate_of(bare, drawn, veils, lines, shadows, cast, casters)


def _drawn(analysis: Analysis, reading: Reading) -> Mask:
    """Regions by the vote of their pixels, what lies between them pixel by pixel.

    Where the vote is close, the rules are asked whether a region is drawn. With them a graded panel
    that the network takes for a veil is one all the same; without them a veil is none.
    """
    veiled = reading.veil > _SEEN
    pixels = np.where(veiled, reading.text + reading.drawing, reading.drawn)
    either = np.maximum(reading.drawn, reading.veil)
    votes = mean_by_region(analysis, pixels) > _SEEN
    close = ~votes & (mean_by_region(analysis, either) > _AGREED)
    votes |= find_drawn(analysis, close).labels
    voting = analysis.regions.areas >= _LARGE
    voting[0] = False
    labels = analysis.regions.labels
    return np.where(voting[labels], votes[labels], pixels > _SEEN)


def _is_written(line: Line, reading: Reading) -> bool:
    return float(reading.drawn[line.bounds.slices][line.mask()].mean()) >= _MIN_WRITTEN


def _shadows(
    analysis: Analysis, bare: F32, reading: Reading, drawn: Mask
) -> tuple[list[Element], list[Element], list[Element]]:
    """Drop shadows on the photograph ``bare`` (h, w, 3): those of shapes, those of drawings, and
    these drawings."""
    shapes = _bodies(drawn & (reading.shape > _SEEN), Role.SHAPE)
    drawings = _bodies(drawn & (reading.drawing > _SEEN), Role.OBJECT)
    parts = [part for body in drawings for part in _parts(body, analysis, reading)]
    parts = gathered(parts, reading)
    found: tuple[list[Element], list[Element]] = ([], [])
    casters: list[Element] = []
    for number, bounds, alpha in believed_shadows(bare, drawn, shapes + parts, reading.shadow):
        alpha[alpha < FAINTEST] = 0
        colour = np.zeros((*alpha.shape, 3), np.float32)
        shadow = Element(Role.SHADOW, bounds, alpha, colour, "shadow").cropped()
        found[number >= len(shapes)].append(shadow)
        if number >= len(shapes):
            casters.append(parts[number - len(shapes)])
    return *found, casters


def _parts(body: Element, analysis: Analysis, reading: Reading) -> list[Element]:
    """The drawings that a body consists of."""
    mask = body.alpha > 0.5
    sight = reading.sight(body.bounds, analysis.rgb[body.bounds.slices])
    labels = parts_of(mask, sight, analysis.extent)
    count = int(labels.max(initial=0)) + 1
    if count < 2:
        return [body]
    alphas = [np.where(mask & (labels == n), body.alpha, 0) for n in range(count)]
    return [replace(body, alpha=alpha.astype(np.float32)).cropped() for alpha in alphas]


def _bodies(mask: Mask, role: Role) -> list[Element]:
    """Pieces of a mask, each without its holes."""
    pieces = find_regions(mask, connectivity=8)
    found = []
    for label in np.flatnonzero(pieces.areas >= _MIN_CASTER):
        if label == 0:
            continue
        bounds = pieces.bounds(int(label))
        own = pieces.mask(int(label), bounds)
        alpha = filled(own).astype(np.float32)
        colour = np.zeros((*alpha.shape, 3), np.float32)
        found.append(Element(role, bounds, alpha, colour, "drawing"))
    return found
