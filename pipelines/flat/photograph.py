"""The photograph as a backdrop: what is drawn on it taken away, what it hides completed."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32, U8
from layerstudio.ops.fill import fill
from layerstudio.ops.fill_smooth import fill_smooth
from layerstudio.pipelines.flat.analysis import Analysis, dilate
from layerstudio.pipelines.flat.element import Element, lay_over
from layerstudio.pipelines.flat.lettering import lines_on_photograph
from layerstudio.pipelines.flat.synthetic import find_drawn, without_specks
from layerstudio.pipelines.flat.text import Line
from layerstudio.pipelines.flat.veils import find_veils, stands_out, unveiled

_RIM = 2  # pixels around drawn things that their edges may colour


@dataclass(frozen=True, eq=False)
class Plate:
    """``bare`` (h, w, 3) is the photograph without veils, with ``hole`` (h, w) interpolated;
    ``backdrop`` the same under its veils; ``lines`` are the text found on it."""

    bare: F32
    backdrop: F32
    hole: NDArray[np.bool_]
    drawn: NDArray[np.bool_]
    veils: tuple[Element, ...]
    lines: tuple[Line, ...]


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
    hole = dilate(drawn, _RIM)
    bare = analysis.rgb.astype(np.float32)
    for veil in reversed(veils):
        unveiled(bare, veil)
    bare = np.asarray(fill_smooth(bare, hole), np.float32)
    backdrop = bare.copy()
    for veil in veils:
        lay_over(backdrop, veil)
    return Plate(bare, backdrop, hole, drawn, veils, lines)


def completed(plate: Plate, rgb: U8, hole: NDArray[np.bool_], *, noise: float, seed: int) -> F32:
    """The photograph (h, w, 3) as it is shown once layers are moved: veils off, ``hole`` filled
    with its own texture."""
    source = rgb.astype(np.float32)
    for veil in reversed(plate.veils):
        unveiled(source, veil)
    shown = cv2.convertScaleAbs(source)
    return fill(np.asarray(shown, np.uint8), hole, noise=noise, seed=seed).image.astype(np.float32)
