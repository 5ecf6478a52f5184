"""A picture taken apart, from the background upwards.

Each step explains part of the picture and lays it on the backdrop; what differs from the backdrop
is left for the next: panels with their shadows, then lettering, then drawings and their shadows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32, U8
from layerstudio.document import Role
from layerstudio.geometry import Bounds
from layerstudio.pipelines.flat.analysis import (
    Analysis,
    analyse,
    crisp,
    dilate,
    find_regions,
    hysteresis,
    pieces_with,
    residual,
)
from layerstudio.pipelines.flat.background import find_background
from layerstudio.pipelines.flat.element import Element, lay_over
from layerstudio.pipelines.flat.glyphs import Glyph, glyphs_of
from layerstudio.pipelines.flat.grounds import find_grounds
from layerstudio.pipelines.flat.guide import Guide
from layerstudio.pipelines.flat.lettering import Lettering, blocks_to_lettering, find_lettering
from layerstudio.pipelines.flat.objects import find_drawings
from layerstudio.pipelines.flat.panel_shadows import Place, covered_by, place_of
from layerstudio.pipelines.flat.panels import find_panels
from layerstudio.pipelines.flat.photograph import Plate, completed, find_plate
from layerstudio.pipelines.flat.rows import are_letter_like, rows_of
from layerstudio.pipelines.flat.shadows import shadow_of, soft_darkness
from layerstudio.pipelines.flat.underneath import beneath_letters
from layerstudio.progress import CancelToken, Progress, ProgressCallback, ignore_progress

_EDGE_REACH = 5  # pixels into a panel's edge that a drawing across it is followed
_INK_SHARE = 0.42  # of the strongest contrast in the window, a little under one half
_SCRAP = 0.1  # of a text's ink
_MIN_CRISP = 4  # pixels of a piece
_MIN_ON_PHOTOGRAPH = 0.0008  # of the canvas
_MIN_STICKER = 0.015  # of the canvas
_MOST_STICKERS = 6
_OUTLINE = 4  # pixels around drawn regions on a photograph where their outline may run
_STRONG = 48  # levels from the plate that an outline is
_COVERING = 0.98  # opacity, or share
_INKED = 0.5  # opacity
_RIM = 2  # pixels around letters that their edges colour
_CLUTTERED = 0.5  # share of what surrounds letters that is not what they stand on
_SLIVER = 0.6  # share of a piece that lies in panel edges when it is nothing but edge


@dataclass(eq=False)
class _Scene:
    """The state of the analysis: ``backdrop`` (h, w, 3) is everything explained so far."""

    analysis: Analysis
    backdrop: F32
    elements: list[Element]
    plate: Plate | None = None
    guide: Guide | None = None
    cast: list[Element] = field(default_factory=list)
    edges: NDArray[np.bool_] = field(default_factory=lambda: np.zeros((0, 0), bool))

    def add(self, element: Element) -> None:
        lay_over(self.backdrop, element)
        self.elements.append(element)


def find_elements(
    rgb: U8,
    *,
    lossy: bool,
    seed: int = 0,
    guide: Guide | None = None,
    progress: ProgressCallback = ignore_progress,
    cancel: CancelToken | None = None,
) -> list[Element]:
    """The picture (h, w, 3) as elements bottom to top, the background first.

    ``guide`` is asked before the rules where it knows better.
    """
    cancel = cancel or CancelToken()

    def step(stage: str, fraction: float) -> None:
        cancel.check()
        progress(Progress(stage, fraction))

    step("measuring", 0.0)
    analysis = analyse(rgb, lossy=lossy)
    step("background", 0.1)
    scene = _with_background(analysis, guide)
    step("panels", 0.2)
    guessed = guide is not None and scene.plate is not None
    panels, scene.edges = find_panels(analysis, scene.backdrop, guide, guessed=guessed)
    scene.elements += panels
    _lay_cast(scene, panels)
    _lay_grounds(scene)
    step("shadows", 0.45)
    soft = _lay_shadows(scene)
    step("lettering", 0.6)
    foreground = _foreground(scene, soft)
    ink = _ink(scene, foreground)
    letters = _letters(scene, foreground, ink)
    step("drawings", 0.7)
    drawings, letters = _things(scene, foreground, ink, letters)
    if scene.plate is not None:
        drawings = _plainly_drawn(scene, drawings, letters)
    if guide is not None:
        scene.elements = guide.stacked(analysis, scene.elements, drawings, scene.cast, scene.edges)
    else:
        scene.elements += drawings
    _go_beneath(scene, letters)
    scene.elements += [item.element for item in letters]
    step("hidden parts", 0.8)
    _complete_photograph(scene, seed)
    step("hidden parts", 0.95)
    return scene.elements


def _with_background(analysis: Analysis, guide: Guide | None) -> _Scene:
    full = Bounds.full(analysis.extent)
    opaque = np.ones(analysis.extent.shape, np.float32)
    background = find_background(analysis)
    if background.shade is not None:
        backdrop = background.render(full)
        if guide is None or not guide.is_photograph(analysis, backdrop):
            element = Element(Role.BACKGROUND, full, opaque, backdrop.copy(), background.kind)
            return _Scene(analysis, backdrop, [element], guide=guide)
    plate = find_plate(analysis) if guide is None else guide.plate(analysis)
    element = Element(Role.BACKGROUND, full, opaque, plate.bare, "photograph")
    elements = [element, *plate.veils, *plate.shadows]
    return _Scene(analysis, plate.backdrop, elements, plate, guide)


def _lay_cast(scene: _Scene, panels: Sequence[Element]) -> None:
    """Shadows that the backdrop of a photograph has already fall on its panels too, or lie beneath
    them, or are none."""
    if scene.plate is None or not scene.plate.cast:
        return
    lowest = len(scene.elements) - len(panels)
    covered = covered_by(panels, scene.analysis.extent)
    for shadow, caster in zip(scene.plate.cast, scene.plate.casters, strict=True):
        part = replace(shadow, alpha=shadow.alpha * covered[shadow.bounds.slices])
        place = place_of(scene.analysis, scene.backdrop, part, caster, covered)
        if place is Place.ON:
            lay_over(scene.backdrop, part)
            scene.elements.append(shadow)
            scene.cast.append(shadow)
        elif place is Place.BENEATH:
            scene.elements.insert(lowest, shadow)
            lowest += 1
        else:
            scene.plate = scene.plate.unshaded(shadow)
            scene.elements[0].colour = scene.plate.bare


def _lay_grounds(scene: _Scene) -> None:
    if scene.plate is None:
        grounds, edges = find_grounds(scene.analysis, scene.backdrop)
        scene.elements += grounds
        scene.edges |= edges


def _lay_shadows(scene: _Scene) -> NDArray[np.bool_]:
    """Shadows of drawings go under them first, so that edges are measured against the shadow.

    Returns the soft darkness (h, w) that is no drawing: what no shadow has explained, or, where
    there is a guide, all.
    """
    analysis, guide = scene.analysis, scene.guide
    soft = soft_darkness(analysis, scene.backdrop)
    if guide is not None:
        soft = guide.soft(analysis, scene.backdrop, soft)
        if scene.plate is not None:
            soft &= _on_panels(scene)  # those on the photograph itself are in its plate
    if not soft.any():
        return soft
    foreground = _foreground(scene, soft)
    if guide is not None:
        ink = _ink(scene, foreground)
        drawings, letters = _things(scene, foreground, ink, _letters(scene, foreground, ink))
        things = drawings + [item.element for item in letters]
        for shadow in guide.cast(analysis, scene.backdrop, soft, things, foreground, scene.edges):
            scene.add(shadow)
            scene.cast.append(shadow)
        return soft
    for caster in find_drawings(analysis, scene.backdrop, foreground):
        shadow = shadow_of(analysis, scene.backdrop, soft, caster, foreground)
        if shadow is not None:
            scene.add(shadow)
            scene.cast.append(shadow)
            soft[shadow.bounds.slices] &= shadow.alpha <= 0
    return soft


def _on_panels(scene: _Scene) -> NDArray[np.bool_]:
    """Pixels (h, w) that an opaque panel covers."""
    shapes = [element for element in scene.elements if element.role is Role.SHAPE]
    return covered_by(shapes, scene.analysis.extent) > _COVERING


def _on_veils(scene: _Scene) -> NDArray[np.bool_]:
    """Pixels (h, w) of a photograph beneath a translucent panel."""
    found = np.zeros(scene.analysis.extent.shape, bool)
    for veil in scene.plate.veils if scene.plate is not None else ():
        found[veil.bounds.slices] |= veil.alpha > 0
    return found


def _foreground(scene: _Scene, soft: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels (h, w) that the backdrop does not explain."""
    tolerance = scene.analysis.tolerance
    off = residual(scene.analysis.rgb, scene.backdrop)
    found = hysteresis(off, tolerance, 2.5 * tolerance + 4) & ~soft
    if scene.plate is not None:
        drawn = scene.plate.drawn
        found &= dilate(drawn, 1) | (dilate(drawn, _OUTLINE) & (off > _STRONG))
    clear = found & ~scene.edges
    found &= clear | dilate(clear, _EDGE_REACH)
    return _without_slivers(found, scene.edges)


def _without_slivers(mask: NDArray[np.bool_], edges: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Without pieces that lie in panel edges for the most part: misfits of the edges."""
    pieces = find_regions(mask, connectivity=8)
    within = np.bincount(pieces.labels[edges], minlength=len(pieces.areas))
    kept = within <= _SLIVER * pieces.areas
    kept[0] = False
    return kept[pieces.labels]


def _ink(scene: _Scene, foreground: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return foreground & crisp(residual(scene.analysis.rgb, scene.backdrop), _INK_SHARE)


def _letters(
    scene: _Scene, foreground: NDArray[np.bool_], ink: NDArray[np.bool_]
) -> list[Lettering]:
    found = find_lettering(scene.analysis, scene.backdrop, ink, foreground)
    if scene.plate is not None:
        free = [
            line
            for line in scene.plate.lines
            if not any(line.bounds.overlaps(item.element.bounds) for item in found)
        ]
        if free:  # lines of one block may have been found in two ways
            lines = [line for item in found for line in item.lines]
            found = blocks_to_lettering(scene.analysis, scene.backdrop, [*lines, *free])
    if scene.guide is not None:
        panels = _on_panels(scene)
        found = [
            item
            for item in found
            if (_lies_on(panels, item.element) and _is_bare_around(scene, item.element))
            or scene.guide.is_text(item)
        ]
    return found


def _lies_on(panels: NDArray[np.bool_], item: Element) -> bool:
    """Whether something stands on panels: what does is drawn, whoever takes it for a part of a
    sticker or of the photograph."""
    ink = item.alpha > _INKED
    return bool(ink.any() and panels[item.bounds.slices][ink].mean() >= _COVERING)


def _is_bare_around(scene: _Scene, item: Element) -> bool:
    """Whether what something stands on shows around it, and no drawing."""
    around = item.bounds.padded(2 * _RIM).clamped(scene.analysis.extent)
    ink = np.zeros(around.extent.shape, bool)
    ink[item.bounds.relative_to(around).slices] = item.alpha > 0
    ring = dilate(ink, 2 * _RIM) & ~dilate(ink, _RIM)
    image = scene.analysis.rgb[around.slices]
    off = residual(image, scene.backdrop[around.slices]) > scene.analysis.tolerance
    return not ring.any() or float(off[ring].mean()) < _CLUTTERED


def _things(
    scene: _Scene,
    foreground: NDArray[np.bool_],
    ink: NDArray[np.bool_],
    letters: list[Lettering],
) -> tuple[list[Element], list[Lettering]]:
    """Drawings, and ``letters`` with those drawings that a guide knows to be letters."""
    drawings = _drawings(scene, foreground, ink, letters)
    if scene.guide is None:
        return drawings, letters
    glyphs: list[Glyph] = []
    left = list(drawings)
    for item in drawings:
        if scene.guide.is_written(item):
            image = scene.analysis.rgb[item.bounds.slices]
            pieces = glyphs_of(item.alpha > _INKED, image, item.bounds)
            if are_letter_like(pieces):
                glyphs += pieces
                left.remove(item)
    if not glyphs:
        return drawings, letters
    lines = [line for item in letters for line in item.lines] + rows_of(glyphs)
    return left, blocks_to_lettering(scene.analysis, scene.backdrop, lines)


def _drawings(
    scene: _Scene,
    foreground: NDArray[np.bool_],
    ink: NDArray[np.bool_],
    letters: list[Lettering],
) -> list[Element]:
    rest = foreground.copy()
    for item in letters:
        rest[item.element.bounds.slices] &= ~item.claimed
    # Pieces that are all faint beside something strong are ringing around letters.
    rest = pieces_with(rest, ink, _MIN_CRISP)
    drawings = find_drawings(scene.analysis, scene.backdrop, rest)
    return [item for item in drawings if not _is_scrap(item, letters)]


def _go_beneath(scene: _Scene, letters: list[Lettering]) -> None:
    """Drawings go on beneath what stands on them."""
    scene.elements = [
        beneath_letters(item, letters) if item.role is Role.OBJECT else item
        for item in scene.elements
    ]


def _is_scrap(drawing: Element, letters: list[Lettering]) -> bool:
    """Whether it is a leftover of lettering: small, and inside the box of a block of text."""
    return any(
        item.element.bounds.contains(drawing.bounds)
        and drawing.alpha.sum() < _SCRAP * item.element.alpha.sum()
        for item in letters
    )


def _plainly_drawn(
    scene: _Scene, drawings: list[Element], letters: list[Lettering]
) -> list[Element]:
    """Drawings on a photograph that are no glints or bricks of it.

    Where there is neither lettering nor a panel, nothing says that the photograph is part of a
    design: then few and large drawings are believed, and no shadows without them.
    """
    total = scene.analysis.extent.pixel_count
    guide = scene.guide
    large = [item for item in drawings if item.alpha.sum() >= _MIN_ON_PHOTOGRAPH * total]
    if guide is not None:
        panels, veils = _on_panels(scene), _on_veils(scene)
        return [
            item
            for item in drawings
            if _lies_on(panels, item)
            or (item in large and (_lies_on(veils, item) or guide.is_drawn(item)))
        ]
    designed = letters or any(item.role is Role.SHAPE for item in scene.elements)
    if designed:
        return large
    stickers = [item for item in drawings if item.alpha.sum() >= _MIN_STICKER * total]
    if len(large) > _MOST_STICKERS or not stickers:
        del scene.elements[1:]
        return []
    return stickers


def _complete_photograph(scene: _Scene, seed: int) -> None:
    if scene.plate is None:
        return
    background, *others = scene.elements
    hole = np.zeros(scene.analysis.extent.shape, bool)
    for element in others:
        if not any(element is veil for veil in scene.plate.translucent):
            hole[element.bounds.slices] |= element.alpha > 0
    background.colour = completed(
        scene.plate, scene.analysis.rgb, dilate(hole, 1), noise=scene.analysis.noise, seed=seed
    )
