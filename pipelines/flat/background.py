"""Finding the background: the smooth fill that reaches the picture's edge, if there is one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32, U8
from layerstudio.geometry import Bounds, Extent
from layerstudio.ops.gradient import best_shade_of
from layerstudio.ops.shade import Shade
from layerstudio.pipelines.flat.analysis import Analysis, erode

BackgroundKind = Literal["plain", "linear", "radial", "photograph"]

# A fill counts as background when it holds this share of the picture's border, or of the whole.
_BORDER_SHARE = 0.25
_AREA_SHARE = 0.25
_CLEARANCE = 0.03  # of the longest side, around everything that is not this region
_MIN_GAIN = 0.002  # of the region
_MIN_CLEAR = 0.3  # of the region that must be left by that
# Share of a candidate's pixels that the fitted fill must show within tolerance, best first; soft
# shadows on the background are the rest.
_FIT_SHARES = (0.97, 0.9, 0.78)


@dataclass(frozen=True, eq=False)
class Background:
    """``shade`` is None for a photograph, whose plate is found after the foreground."""

    kind: BackgroundKind
    shade: Shade | None

    def render(self, bounds: Bounds) -> F32:
        assert self.shade is not None, "a photograph has no formula"
        return self.shade.render(bounds)


def find_background(analysis: Analysis) -> Background:
    """The simplest fill of the region that holds most of the border; a photograph if none fits."""
    for label in _candidates(analysis):
        shade = _fit(analysis, label)
        if shade is not None:
            return Background(shade.kind, shade)
    return Background("photograph", None)


def _candidates(analysis: Analysis) -> list[int]:
    """Regions that may be the background, most of the border first."""
    regions = analysis.regions
    labels = regions.labels
    edge = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    counts = np.bincount(edge, minlength=len(regions.areas)).astype(np.float64)
    counts[0] = 0
    border = counts / max(1, edge.size)
    area = regions.areas / analysis.extent.pixel_count
    area[0] = 0
    order = np.argsort(-(border + 0.5 * area))[:3]
    return [
        int(label)
        for label in order
        if border[label] >= _BORDER_SHARE or (area[label] >= _AREA_SHARE and border[label] > 0.05)
    ]


def _fit(analysis: Analysis, label: int) -> Shade | None:
    """The fill of a region, measured away from what stands on it, where shadows lie.

    It must still show most of the whole region.
    """
    bounds = analysis.regions.bounds(label)
    mask = analysis.regions.mask(label, bounds)
    image = analysis.rgb[bounds.slices]
    tolerance = max(2.0, 0.8 * analysis.tolerance)
    clear = erode(mask, max(2, round(_CLEARANCE * analysis.extent.longest_side)))
    if np.count_nonzero(clear) >= _MIN_CLEAR * np.count_nonzero(mask):
        shade = best_shade_of(image, clear, tolerance, _FIT_SHARES)
        if shade is not None:
            shade = _carried_on(shade, image, mask, tolerance)
            if _shown(shade, image, mask, tolerance) >= min(_FIT_SHARES):
                return shade.moved(bounds.x, bounds.y)
    shade = best_shade_of(image, mask, tolerance, _FIT_SHARES)
    return None if shade is None else shade.moved(bounds.x, bounds.y)


def _carried_on(shade: Shade, image: U8, mask: NDArray[np.bool_], tolerance: float) -> Shade:
    """The ramp carried on beyond the clear part, where that shows more of the whole region."""
    longer = shade.extended(Bounds.full(Extent.of(image)))
    gain = _shown(longer, image, mask, tolerance) - _shown(shade, image, mask, tolerance)
    return longer if gain > _MIN_GAIN else shade


def _shown(shade: Shade, image: U8, mask: NDArray[np.bool_], tolerance: float) -> float:
    """Share of a region that the fill shows within tolerance."""
    return float((shade.difference(image, mask) <= tolerance).mean())
