"""The photograph of a guided analysis: what is drawn on it, its veils, its shadows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from layerstudio.document import Role
from layerstudio.ops.fill_smooth import fill_smooth
from layerstudio.pipelines.flat.analysis import Analysis, dilate, find_regions
from layerstudio.pipelines.flat.element import Element, lay_over
from layerstudio.pipelines.flat.lettering import lines_on_photograph
from layerstudio.pipelines.flat.outline import filled
from layerstudio.pipelines.flat.photograph import Plate, without_specks
from layerstudio.pipelines.flat.shadows import fitted_shadow
from layerstudio.pipelines.flat.synthetic import find_drawn
from layerstudio.pipelines.flat.text import Line
from layerstudio.pipelines.flat.veils import stands_out, unveiled
from layerstudio.pipelines.peel.parting import parts_of
from layerstudio.pipelines.peel.reading import Mask, Reading, mean_by_region
from layerstudio.pipelines.peel.shade import nearest_caster
from layerstudio.pipelines.peel.veils import guided_veils

_RIM = 4  # pixels around drawn things that their edges may colour
_SEEN = 0.5
_AGREED = 0.4  # probability with which a region that the rules take for drawn is
_MIN_WRITTEN = 0.35  # mean probability of a line's pixels that something is drawn there
_MIN_DARK = 0.12  # opacity from which a shadow is one
_MIN_SHADOW = 80  # pixels
_MIN_OPACITY, _MAX_OPACITY = 0.2, 0.7  # of a shadow that is believed
_MIN_CASTER = 600  # pixels
_REACH = 4  # pixels between a caster and the darkness that shows
_MAX_ERROR = 0.06  # mean error of a fitted shadow's opacity
_LARGE = 64  # pixels of a region whose vote outweighs each of its pixels


def guided_plate(analysis: Analysis, reading: Reading) -> Plate:
    found = find_drawn(analysis).labels
    drawn = without_specks(_drawn(analysis, reading, found))
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
    hole = dilate(drawn, _RIM)
    bare = analysis.rgb.astype(np.float32)
    for veil in reversed(veils):
        unveiled(bare, veil)
    shadows, cast = _shadows(analysis, reading, drawn)
    for shadow in (*shadows, *cast):
        unveiled(bare, shadow)
    bare = np.asarray(fill_smooth(bare, hole), np.float32)
    backdrop = bare.copy()
    for layer in (*veils, *shadows, *cast):
        lay_over(backdrop, layer)
    return Plate(bare, backdrop, drawn, tuple(veils), lines, tuple(shadows), tuple(cast))


def _drawn(analysis: Analysis, reading: Reading, found: Mask) -> Mask:
    """Regions by the vote of their pixels, what lies between them pixel by pixel.

    ``found`` (n,) are the regions that the rules take for drawn. With them a graded panel that the
    network takes for a veil is one all the same; without them a veil is none.
    """
    veiled = reading.veil > _SEEN
    pixels = np.where(veiled, np.minimum(reading.drawn, reading.text), reading.drawn)
    either = np.maximum(reading.drawn, reading.veil)
    votes = mean_by_region(analysis, pixels) > _SEEN
    votes |= found & (mean_by_region(analysis, either) > _AGREED)
    voting = analysis.regions.areas >= _LARGE
    voting[0] = False
    labels = analysis.regions.labels
    return np.where(voting[labels], votes[labels], pixels > _SEEN)


def _is_written(line: Line, reading: Reading) -> bool:
    return float(reading.drawn[line.bounds.slices][line.mask()].mean()) >= _MIN_WRITTEN


def _shadows(
    analysis: Analysis, reading: Reading, drawn: Mask
) -> tuple[list[Element], list[Element]]:
    """Drop shadows of shapes, and those of drawings, each fitted to the darkness that the network
    sees nearest to what throws it."""
    dark = (reading.shadow > _MIN_DARK) & ~drawn
    found: tuple[list[Element], list[Element]] = ([], [])
    if np.count_nonzero(dark) < _MIN_SHADOW:
        return found
    near = dilate(dark, _REACH)
    casters = [(0, caster) for caster in _bodies(drawn & (reading.shape > _SEEN), near)]
    for body in _bodies(drawn & (reading.drawing > _SEEN), near):
        casters += [(1, part) for part in _parts(body, analysis, reading)]
    cells = nearest_caster(dark.shape, [caster for _, caster in casters])
    for number, (which, caster) in enumerate(casters):
        own = dark & (cells == number)
        shadow = fitted_shadow(reading.shadow, own, drawn | (dark & ~own), caster, _MAX_ERROR)
        if shadow is not None and _MIN_OPACITY <= float(shadow.alpha.max()) <= _MAX_OPACITY:
            found[which].append(shadow)
    return found


def _parts(body: Element, analysis: Analysis, reading: Reading) -> list[Element]:
    """The drawings that a body consists of."""
    mask = body.alpha > 0.5
    view = body.bounds.slices
    labels = parts_of(mask, reading.border[view], analysis.rgb[view], analysis.extent)
    count = int(labels.max(initial=0)) + 1
    if count < 2:
        return [body]
    alphas = [np.where(mask & (labels == n), body.alpha, 0) for n in range(count)]
    return [replace(body, alpha=alpha.astype(np.float32)).cropped() for alpha in alphas]


def _bodies(mask: Mask, near: Mask) -> list[Element]:
    """Pieces of a mask that darkness comes near, each without its holes."""
    pieces = find_regions(mask, connectivity=8)
    found = []
    for label in np.flatnonzero(pieces.areas >= _MIN_CASTER):
        if label == 0:
            continue
        bounds = pieces.bounds(int(label))
        own = pieces.mask(int(label), bounds)
        if not (own & near[bounds.slices]).any():
            continue
        alpha = filled(own).astype(np.float32)
        colour = np.zeros((*alpha.shape, 3), np.float32)
        found.append(Element(Role.OBJECT, bounds, alpha, colour))
    return found
