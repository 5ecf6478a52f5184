"""LayerD's peel loop as it was published, bit for bit, whatever finds and fills the foreground.

Source: arXiv 2509.25134 and its released code. What is better by default is in `peeling.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from layerstudio.color import U8
from layerstudio.geometry import Extent
from layerstudio.ops.peel_colours import projected_alpha, truncated_alpha, unblended
from layerstudio.ops.peel_palette import (
    ColourArea,
    Mask,
    dilated,
    flat_colour_areas,
    snap_to_palettes,
)
from layerstudio.progress import CancelToken, Progress, ProgressCallback, ignore_progress

Matting = Callable[[U8], NDArray[np.floating]]
Inpainting = Callable[[U8, Mask], U8]

KERNEL_SCALE = 0.015  # of the picture's sides: the rectangle by which holes are widened
PEELS = 3
THRESHOLD = 0.005  # alpha above which a pixel is foreground
PLATE_COLOURS = 10
FOREGROUND_COLOURS = 2


@dataclass(frozen=True)
class Published:
    """The released code's options, by its defaults."""

    peels: int = PEELS
    kernel_scale: float = KERNEL_SCALE
    unblend: bool = True
    refine_plate: bool = True
    refine_foreground: bool = False


def peel_as_published(
    rgb: U8,
    matting: Matting,
    inpainting: Inpainting,
    options: Published | None = None,
    *,
    progress: ProgressCallback = ignore_progress,
    cancel: CancelToken | None = None,
) -> list[U8]:
    """The plate and what was peeled off it, (h, w, 4) uint8 each, bottom to top.

    ``rgb`` is (h, w, 3); ``matting`` gives alpha (h, w) in [0, 1] and ``inpainting`` the picture
    with a mask's pixels made up. A picture in which nothing is found comes back alone.
    """
    options, cancel = options or Published(), cancel or CancelToken()
    plate, foregrounds = rgb, []
    for number in range(options.peels):
        cancel.check()
        progress(Progress(f"peel {number + 1}", number / options.peels))
        alpha = np.array(matting(plate), np.float64)
        cancel.check()
        foreground, behind = _peeled(plate, alpha, inpainting, options)
        if foreground[..., 3].max() < 1:
            break
        foregrounds.append(foreground)
        plate = behind
    return [_with_alpha(plate, np.full(plate.shape[:2], 255, np.uint8)), *foregrounds[::-1]]


def kernel_of(extent: Extent, scale: float) -> tuple[int, int]:
    """Rows and columns of the rectangle by which holes are widened."""
    return round(extent.height * scale), round(extent.width * scale)


def _peeled(
    rgb: U8, alpha: NDArray[np.float64], inpainting: Inpainting, options: Published
) -> tuple[U8, U8]:
    """What lies on top (h, w, 4), and the plate behind it (h, w, 3); changes ``alpha``."""
    kernel = kernel_of(Extent.of(rgb), options.kernel_scale)
    hard = alpha > THRESHOLD
    areas = flat_colour_areas(rgb, hard, FOREGROUND_COLOURS) if options.refine_foreground else []
    covered = hard.copy()
    for area in areas:
        covered[area.box.slices] |= area.mask
    holes = dilated(covered, *kernel)
    plate = inpainting(rgb, holes)
    if options.refine_plate:
        plate = snap_to_palettes(plate, holes, PLATE_COLOURS)
    colour = unblended(rgb, plate, alpha) if options.unblend else rgb.copy()
    for area in areas:
        _refine(colour, alpha, area, rgb, plate, hard, kernel)
    return _with_alpha(colour, truncated_alpha(alpha)), plate


def _refine(
    colour: U8,
    alpha: NDArray[np.float64],
    area: ColourArea,
    rgb: U8,
    plate: U8,
    hard: Mask,
    kernel: tuple[int, int],
) -> None:
    """Give an area's colour, and alpha by projection, to what the matte missed around it."""
    box = area.box.padded(max(*kernel, 3)).clamped(Extent.of(rgb))
    inside = np.zeros(box.extent.shape, bool)
    inside[area.box.relative_to(box).slices] = area.mask
    view = box.slices
    refined = projected_alpha(rgb[view], plate[view], area.colour, dilated(inside, *kernel))
    if refined is not None:
        missed = ~hard[view] & (refined > 0)
        alpha[view][missed] = refined[missed]
        colour[view][missed] = area.colour


def _with_alpha(rgb: U8, alpha: U8) -> U8:
    return np.dstack([rgb, alpha])
