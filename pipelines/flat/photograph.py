"""The photograph as a backdrop: what is drawn on it taken away, what it hides completed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32, U8
from layerstudio.geometry import Extent
from layerstudio.ops.fill import fill
from layerstudio.ops.fill_smooth import fill_smooth
from layerstudio.pipelines.flat.analysis import Analysis, dilate, erode
from layerstudio.pipelines.flat.element import Element, lay_over
from layerstudio.pipelines.flat.lettering import lines_on_photograph
from layerstudio.pipelines.flat.synthetic import find_drawn, without_specks
from layerstudio.pipelines.flat.text import Line
from layerstudio.pipelines.flat.veils import find_veils, stands_out, unveiled

_RIM = 4  # pixels around drawn things that their edges may colour
_ROUNDING = 0.3  # levels: the deviation that rounding to 8 bits leaves
_GRAIN_SEEN = 4.0  # levels of noise that are seen
_MAX_BLUR = 4.0  # pixels


@dataclass(frozen=True, eq=False)
class Plate:
    """``bare`` (h, w, 3) is the photograph without veils, interpolated where ``drawn`` (h, w)
    things and their rims hide it; ``backdrop`` the same under its veils and shadows; ``lines`` are
    the text found on it. ``shadows`` lie beneath panels, ``cast`` are those on top of them, thrown
    by ``casters``."""

    bare: F32
    backdrop: F32
    drawn: NDArray[np.bool_]
    veils: tuple[Element, ...]
    lines: tuple[Line, ...]
    shadows: tuple[Element, ...] = ()
    cast: tuple[Element, ...] = ()
    casters: tuple[Element, ...] = ()

    @property
    def translucent(self) -> tuple[Element, ...]:
        return (*self.veils, *self.shadows, *self.cast)

    def unshaded(self, shadow: Element) -> Plate:
        """Where one of ``cast`` is none: what is darker there is the photograph itself."""
        at = next(n for n, one in enumerate(self.cast) if one is shadow)
        bare = self.bare.copy()
        lay_over(bare, shadow)
        cast, casters = ((*all_[:at], *all_[at + 1 :]) for all_ in (self.cast, self.casters))
        return replace(self, bare=bare, cast=cast, casters=casters)


def find_plate(analysis: Analysis) -> Plate:
    """A first plate, smooth where it is hidden: good enough to measure what lies on it."""
    found = find_drawn(analysis)
    lines = tuple(lines_on_photograph(analysis, found.labels))
    drawn = without_specks(found.mask)
    for line in lines:
        drawn[line.bounds.slices] |= line.mask()
    veils = tuple(find_veils(analysis, dilate(drawn, _RIM)))
    for veil in veils:
        drawn[veil.bounds.slices] |= stands_out(analysis.rgb, veil, analysis.tolerance)
    return plate_of(without(analysis.rgb, veils), drawn, veils, lines)


def without(rgb: U8, veils: Sequence[Element]) -> F32:
    """``rgb`` (h, w, 3) as it would be without ``veils``, bottom to top."""
    bare = rgb.astype(np.float32)
    for veil in reversed(veils):
        unveiled(bare, veil)
    return bare


def plate_of(
    bare: F32,
    drawn: NDArray[np.bool_],
    veils: Sequence[Element],
    lines: Sequence[Line],
    shadows: Sequence[Element] = (),
    cast: Sequence[Element] = (),
    casters: Sequence[Element] = (),
) -> Plate:
    """The plate of ``bare`` (h, w, 3), the photograph without ``veils``; shadows are taken off it,
    in place."""
    for shadow in (*shadows, *cast):
        unveiled(bare, shadow)
    bare = np.asarray(fill_smooth(bare, dilate(drawn, _RIM)), np.float32)
    backdrop = bare.copy()
    for layer in (*veils, *shadows, *cast):
        lay_over(backdrop, layer)
    thrown = tuple(shadows), tuple(cast), tuple(casters)
    return Plate(bare, backdrop, drawn, tuple(veils), tuple(lines), *thrown)


def completed(plate: Plate, rgb: U8, hole: NDArray[np.bool_], *, noise: float, seed: int) -> F32:
    """The photograph (h, w, 3) as it is shown once layers are moved: veils off, ``hole`` filled
    with its own texture."""
    source = rgb.astype(np.float32)
    hole = hole.copy()
    for shadow in reversed((*plate.shadows, *plate.cast)):
        unveiled(source, shadow)
    for veil in reversed(plate.veils):
        _take_off(source, veil, hole, noise)
    shown = cv2.convertScaleAbs(source)
    return fill(np.asarray(shown, np.uint8), hole, noise=noise, seed=seed).image.astype(np.float32)


def _take_off(image: F32, veil: Element, hole: NDArray[np.bool_], noise: float) -> None:
    """Take a veil off ``image`` (h, w, 3); its edge, and in a noisy picture what is near ``hole``
    (h, w), join the hole.

    The step from under a veil of opacity a back to full contrast multiplies noise and rounding by
    1 / (1 - a); as much is smoothed away.
    """
    unveiled(image, veil)
    around = veil.bounds.padded(_RIM + 1).clamped(Extent.of(hole))
    alpha = np.zeros(around.extent.shape, np.float32)
    alpha[veil.bounds.relative_to(around).slices] = veil.alpha
    body = alpha > 0.98 * veil.alpha.max()
    wide = _RIM if noise < 0.5 else 2 * _RIM
    edge = dilate(alpha > 0, _RIM) & ~erode(body, _RIM)
    near = body & dilate(hole[around.slices], wide)
    hole[around.slices] |= edge | near
    gain = (noise + _ROUNDING) / max(0.02, 1.0 - float(veil.alpha.max()))
    if gain > _GRAIN_SEEN:
        view = image[around.slices]
        smooth = _smoothed(view, ~hole[around.slices], min(_MAX_BLUR, gain / _GRAIN_SEEN))
        view[body] = smooth[body]


def _smoothed(image: F32, known: NDArray[np.bool_], sigma: float) -> F32:
    """Gaussian blur over ``known`` (h, w) pixels alone (normalised convolution: Knutsson and
    Westin 1993)."""
    weight = known.astype(np.float32)
    total = cv2.GaussianBlur(image * weight[..., None], (0, 0), sigma)
    share = cv2.GaussianBlur(weight, (0, 0), sigma)[..., None]
    return np.asarray(np.where(share > 1e-3, total / np.maximum(share, 1e-3), image), np.float32)
