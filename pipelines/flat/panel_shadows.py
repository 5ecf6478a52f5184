"""Whether a shadow that was found on a photograph falls on the panels that lie there too."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto

import numpy as np

from layerstudio.color import F32
from layerstudio.document import Role
from layerstudio.geometry import Extent
from layerstudio.pipelines.flat.analysis import Analysis, dilate, residual
from layerstudio.pipelines.flat.element import Element

_DARKENED = 0.03  # opacity of a shadow that is seen on a panel
_EXPLAINED = 12.0  # levels from the backdrop, in shadow or not, up to which it is what shows
_MIN_SEEN = 40  # pixels of a shadow or of a drawing on a panel
_INKED = 0.5  # opacity
_RIM = 2  # pixels around a drawing that its edges colour


class Place(Enum):
    """Where a shadow lies: on the panels, beneath them, or nowhere, since it is none."""

    ON = auto()
    BENEATH = auto()
    NOWHERE = auto()


def covered_by(panels: Sequence[Element], extent: Extent) -> F32:
    """(h, w): how much panels cover of each pixel."""
    covered = np.zeros(extent.shape, np.float32)
    for panel in panels:
        if panel.role is not Role.SHADOW:
            view = covered[panel.bounds.slices]
            np.maximum(view, panel.alpha, out=view)
    return covered


def place_of(
    analysis: Analysis, backdrop: F32, shadow: Element, caster: Element, covered: F32
) -> Place:
    """Where a shadow lies, of which ``shadow`` is the part over panels.

    Where the panels show no such darkness they lie above it; but if what throws it lies on them,
    it is none. ``backdrop`` (h, w, 3) has the panels, ``covered`` (h, w) is how much they cover.
    """
    if _shows(analysis, backdrop, shadow, caster):
        return Place.ON
    return Place.NOWHERE if _lies_over(analysis, backdrop, caster, covered) else Place.BENEATH


def _shows(analysis: Analysis, backdrop: F32, shadow: Element, caster: Element) -> bool:
    """Whether what is seen of the panels is rather explained with a shadow than without; yes where
    nothing tells."""
    image = analysis.rgb[shadow.bounds.slices].astype(np.float32)
    bare = backdrop[shadow.bounds.slices]
    shaded = bare + (shadow.colour - bare) * shadow.alpha[..., None]
    off, left = (np.abs(image - ground).max(axis=2) for ground in (bare, shaded))
    clear = (shadow.alpha > _DARKENED) & (np.minimum(off, left) < _EXPLAINED)
    common = caster.bounds.intersection(shadow.bounds)
    hidden = dilate(caster.alpha > 0, _RIM)[common.relative_to(caster.bounds).slices]
    clear[common.relative_to(shadow.bounds).slices] &= ~hidden
    told = np.count_nonzero(clear)
    return bool(told < _MIN_SEEN or np.count_nonzero(left[clear] < off[clear]) > 0.5 * told)


def _lies_over(analysis: Analysis, backdrop: F32, caster: Element, covered: F32) -> bool:
    """Whether a part of what throws a shadow is seen on a panel."""
    view = caster.bounds.slices
    off = residual(analysis.rgb[view], backdrop[view])
    seen = (caster.alpha > _INKED) & (covered[view] > _INKED) & (off > _EXPLAINED)
    return bool(np.count_nonzero(seen) >= _MIN_SEEN)
