"""Lines and blocks of text as elements: one colour, alpha by projection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32, channel_max
from layerstudio.document import Role
from layerstudio.geometry import Bounds, Extent
from layerstudio.ops.unblend import project_alpha
from layerstudio.pipelines.flat.analysis import Analysis, Regions, dilate, find_regions
from layerstudio.pipelines.flat.blocks import Block, find_blocks
from layerstudio.pipelines.flat.element import Element
from layerstudio.pipelines.flat.glyphs import Glyph, color_distance, glyphs_of
from layerstudio.pipelines.flat.photo_lines import lines_by_contrast
from layerstudio.pipelines.flat.text import Line, find_lines, grown

_EDGE = 2  # pixels around ink that may hold antialiased coverage
_RINGING = 4  # pixels around ink that compression disturbs
_STRAY_REACH = 0.6  # of a line's height, to the left and right
_LETTER_HEIGHT = 0.55  # of a line's height, for what stands beside it
_STRAY_COLOUR = 40.0  # levels
_FREE_SHARE = 0.5  # of the foreground that letters are part of
_INK_REACH = 30  # levels from a letter's colour that are still its ink, on a photograph
_MAX_LETTER_SHARE = 0.02  # of the canvas
_MAX_INKS = 10  # colours of text looked for on a photograph


@dataclass(frozen=True, eq=False)
class Lettering:
    """A block of text and the pixels (h, w) over its bounds that it accounts for."""

    element: Element
    claimed: NDArray[np.bool_]

    @property
    def lines(self) -> tuple[Line, ...]:
        block = self.element.block
        return () if block is None else block.lines


def find_lettering(
    analysis: Analysis, backdrop: F32, ink: NDArray[np.bool_], pieces: NDArray[np.bool_]
) -> list[Lettering]:
    """Blocks of text among the connected parts of ``ink`` (h, w).

    ``pieces`` (h, w) is the foreground that the ink is part of: letters inside a larger piece are
    details of a drawing.
    """
    glyphs = glyphs_of(ink, analysis.rgb, Bounds.full(analysis.extent))
    lines = [_with_strays(analysis, line, glyphs) for line in find_lines(glyphs)]
    found = blocks_to_lettering(analysis, backdrop, lines)
    return [item for item in found if _stands_free(item, pieces)]


def blocks_to_lettering(
    analysis: Analysis, backdrop: F32, lines: Sequence[Line]
) -> list[Lettering]:
    return [_lettering(analysis, backdrop, block) for block in find_blocks(lines)]


def _with_strays(analysis: Analysis, line: Line, glyphs: Sequence[Glyph]) -> Line:
    """The line with what stands in it and has its colour.

    That is joined letters that look like no text, and letters that touch a drawing, which are
    looked for by their colour again.
    """
    line = _without_far_specks(line)
    taken = {glyph.index for glyph in line.glyphs}
    free = [glyph for glyph in glyphs if glyph.index not in taken]
    strays = [glyph for glyph in free if _belongs(glyph, line)]
    line = grown(line, strays) if strays else line
    touching = [glyph for glyph in _same_ink(analysis, line) if _belongs(glyph, line, whole=True)]
    touching = [glyph for glyph in touching if not _is_in(glyph, line)]
    return grown(line, touching) if touching else line


def _without_far_specks(line: Line) -> Line:
    """Without small pieces beyond the reach of any letter: no full stop stands that far off."""
    letters = [glyph for glyph in line.glyphs if glyph.bounds.height >= 0.4 * line.height]
    reach = _STRAY_REACH * line.height

    def is_near(glyph: Glyph) -> bool:
        return any(
            max(other.bounds.x - glyph.bounds.right, glyph.bounds.x - other.bounds.right) <= reach
            for other in letters
        )

    kept = [glyph for glyph in line.glyphs if is_near(glyph)]
    if not letters or len(kept) == len(line.glyphs):
        return line
    return grown(replace(line, glyphs=()), kept)


def _belongs(glyph: Glyph, line: Line, *, whole: bool = False) -> bool:
    """Whether a piece stands between or next to a line's letters and looks like their ink.

    ``whole`` asks for the height of a letter too.
    """
    box = glyph.bounds
    gap = max(line.bounds.x - box.right, box.x - line.bounds.right)
    inside = box.y >= line.bounds.y - 3 and box.bottom <= line.bounds.bottom + 3
    tall = box.height >= (_LETTER_HEIGHT if whole or gap > 0 else 0) * line.height
    return (
        inside
        and tall
        and gap <= _STRAY_REACH * line.height
        and box.width <= 1.6 * line.height + max(0, -gap)
        and color_distance(glyph.color, line.color) <= _STRAY_COLOUR
    )


def _same_ink(analysis: Analysis, line: Line) -> list[Glyph]:
    """Pieces of the line's colour around its ends, whatever they touch."""
    reach = round(2.2 * line.height)
    box = line.bounds.padded(round(0.4 * line.height) + 4)
    bounds = Bounds.from_edges(
        line.bounds.x - reach, box.y, line.bounds.right + reach, box.bottom
    ).clamped(analysis.extent)
    image = analysis.rgb[bounds.slices]
    off = channel_max(np.abs(image.astype(np.int16) - np.int16(np.rint(line.color))))
    return glyphs_of(off <= _INK_REACH, image, bounds)


def _is_in(glyph: Glyph, line: Line) -> bool:
    """Whether the line already has the piece."""
    return any(
        glyph.bounds.intersection(other.bounds).area
        > 0.3 * min(glyph.bounds.area, other.bounds.area)
        for other in line.glyphs
    )


def _stands_free(item: Lettering, pieces: NDArray[np.bool_]) -> bool:
    """Whether most letters are in pieces of foreground that consist of letters."""
    bounds = item.element.bounds
    around = bounds.padded(max(bounds.width, bounds.height)).clamped(Extent.of(pieces))
    found = find_regions(pieces[around.slices], connectivity=8)
    own = found.labels[bounds.relative_to(around).slices][item.claimed]
    claimed = np.bincount(own, minlength=len(found.areas)).astype(np.float64)
    claimed[0] = 0
    free = claimed >= _FREE_SHARE * found.areas
    return bool(claimed[free].sum() >= _FREE_SHARE * max(1.0, float(claimed.sum())))


def lines_on_photograph(analysis: Analysis, drawn: NDArray[np.bool_]) -> list[Line]:
    """Lines of text on a photograph: letters are found by the colours that drawn regions share.

    ``drawn`` (n,) says which regions are drawn. Thin strokes lose their regions to antialiasing,
    so each ink's colour is looked for again around the letters that have one.
    """
    lines = lines_by_contrast(analysis)
    for colour, labels in _inks(analysis, drawn):
        bounds = _neighbourhood(analysis, labels)
        image = analysis.rgb[bounds.slices]
        off = channel_max(np.abs(image.astype(np.int16) - np.int16(np.rint(colour))))
        found = find_lines(_seeded(glyphs_of(off <= _INK_REACH, image, bounds)))
        seeds = np.zeros(bounds.extent.shape, bool)
        for label in labels:
            box = analysis.regions.bounds(int(label))
            view = box.relative_to(bounds).slices
            seeds[view] |= analysis.regions.mask(int(label), box)
        for line in found:
            hits = seeds[line.bounds.relative_to(bounds).slices] & line.mask()
            if np.count_nonzero(hits) > 0.2 * np.count_nonzero(line.mask()):
                lines.append(line)
    return _without_doubles(lines)


def _seeded(glyphs: list[Glyph]) -> list[Glyph]:
    return [glyph for glyph in glyphs if glyph.area >= 4]


def _inks(analysis: Analysis, drawn: NDArray[np.bool_]) -> list[tuple[F32, NDArray]]:
    """Colours that several small drawn regions share, with those regions, most regions first."""
    regions = analysis.regions
    small = regions.areas <= _MAX_LETTER_SHARE * analysis.extent.pixel_count
    labels = np.flatnonzero(drawn & small)
    if labels.size == 0:
        return []
    colours = _mean_colours(analysis.rgb, regions, labels)
    groups = []
    left = np.ones(len(labels), bool)
    for index in np.argsort(-regions.areas[labels]):
        if not left[index]:
            continue
        alike = left & (np.abs(colours - colours[index]).max(axis=1) <= _INK_REACH)
        left &= ~alike
        if np.count_nonzero(alike) >= 2:
            weight = regions.areas[labels[alike]].astype(np.float64)
            colour = np.average(colours[alike], axis=0, weights=weight)
            groups.append((colour.astype(np.float32), labels[alike]))
    return sorted(groups, key=lambda group: -len(group[1]))[:_MAX_INKS]


def _mean_colours(rgb: NDArray, regions: Regions, labels: NDArray) -> F32:
    means = np.empty((len(labels), 3), np.float32)
    for row, label in enumerate(labels):
        bounds = regions.bounds(int(label))
        means[row] = rgb[bounds.slices][regions.mask(int(label), bounds)].mean(axis=0)
    return means


def _neighbourhood(analysis: Analysis, labels: NDArray) -> Bounds:
    """A box around the letters' regions, with room for letters that have none."""
    boxes = [analysis.regions.bounds(int(label)) for label in labels]
    tallest = max(box.height for box in boxes)
    return Bounds.around(boxes).padded(2 * tallest + 8).clamped(analysis.extent)


def _without_doubles(lines: list[Line]) -> list[Line]:
    """Of lines that overlap for the most part only the more text-like one."""
    kept: list[Line] = []
    for line in sorted(lines, key=lambda line: -line.score):
        clash = any(
            line.bounds.intersection(other.bounds).area
            > 0.5 * min(line.bounds.area, other.bounds.area)
            for other in kept
        )
        if not clash:
            kept.append(line)
    return kept


def _lettering(analysis: Analysis, backdrop: F32, block: Block) -> Lettering:
    margin = _RINGING + 1
    bounds = block.bounds.padded(margin).clamped(analysis.extent)
    alpha = np.zeros(bounds.extent.shape, np.float32)
    colour = np.zeros((*alpha.shape, 3), np.float32)
    claimed = np.zeros(alpha.shape, bool)
    for line in block.lines:
        box = line.bounds.padded(margin).clamped(analysis.extent)
        own = np.zeros(box.extent.shape, bool)
        own[line.bounds.relative_to(box).slices] = line.mask()
        image = analysis.rgb[box.slices].astype(np.float32)
        under = backdrop[box.slices]
        ink = _ink_colour(image, under, own, line)
        reach = dilate(own, _EDGE)
        coverage = np.where(reach, project_alpha(image, ink, under), 0).astype(np.float32)
        coverage[coverage < 3.0 / 255] = 0
        coverage[coverage > 1 - 3.0 / 255] = 1
        view = box.relative_to(bounds).slices
        alpha[view] = np.maximum(alpha[view], coverage)
        colour[view][reach] = ink
        claimed[view] |= reach if analysis.noise < 0.5 else dilate(own, _RINGING)
    return Lettering(Element(Role.TEXT, bounds, alpha, colour, "text", block=block), claimed)


def _ink_colour(image: F32, under: F32, own: NDArray[np.bool_], line: Line) -> F32:
    """The colour of full coverage: that of the ink pixels farthest from what lies beneath.

    In thin letters most pixels are partly covered, and their mean is a mix.
    """
    inked = image[own]
    axis = np.asarray(line.color, np.float32) - under[own].mean(axis=0)
    along = (inked - under[own].mean(axis=0)) @ axis
    strongest = inked[along >= np.quantile(along, 0.85)]
    return np.median(strongest, axis=0).astype(np.float32)
