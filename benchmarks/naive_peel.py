"""LayerD's refinements written down plainly, for `benchmarks.layerd_refine` and as an oracle.

Slow on purpose, and in the way that the released code is: every connected part of a mask is
treated on the whole canvas, in float64, colours counted one by one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from layerstudio.color import U8

Mask = NDArray[np.bool_]
F64 = NDArray[np.float64]


def dilate(mask: Mask, rows: int, columns: int) -> Mask:
    return cv2.dilate(mask.astype(np.uint8), np.ones((rows, columns), np.uint8)) > 0


def parts(mask: Mask) -> list[Mask]:
    count, labels = cv2.connectedComponents(mask.astype(np.uint8))
    return [labels == label for label in range(1, count)]


def gradient(rgb: U8) -> F64:
    across = cv2.Sobel(rgb, cv2.CV_64F, 1, 0, ksize=3)
    down = cv2.Sobel(rgb, cv2.CV_64F, 0, 1, ksize=3)
    return np.sqrt(across**2 + down**2).sum(axis=-1)


def palette(rgb: U8, part: Mask, most: int, least_flat: float) -> list[tuple[int, ...]]:
    """Empty where no few colours explain the part."""
    flat = part & (gradient(rgb) == 0)
    if flat.sum() / part.sum() <= least_flat:
        return []
    counted = Counter(tuple(int(v) for v in colour) for colour in rgb[flat]).most_common()
    if len(counted) > 1000:
        return []
    total, share, chosen = sum(count for _, count in counted), 0, []
    for colour, count in counted:
        chosen.append(colour)
        share += count
        if share / total >= 0.99:
            break
    explained = np.any([equal_to(rgb, colour) for colour in chosen], axis=0) & part
    return [] if len(chosen) > most or explained.sum() / part.sum() < 0.85 else chosen


def equal_to(rgb: U8, colour: tuple[int, ...]) -> Mask:
    return (rgb == np.array(colour)).all(axis=-1)


def colour_areas(rgb: U8, part: Mask, most: int, least_flat: float, least_overlap: float):
    """(colour, mask) of the areas of each palette colour that lie in the part."""
    found = []
    for colour in palette(rgb, part, most, least_flat):
        mask = np.zeros(part.shape, bool)
        for area in parts(equal_to(rgb, colour)):
            if (area & part).sum() / area.sum() > least_overlap:
                mask |= area
        if mask.any():
            found.append((np.array(colour, np.uint8), mask))
    return found


def refine_plate(plate: U8, holes: Mask, most: int = 10) -> U8:
    refined = plate.copy()
    for part in parts(holes):
        width = max(int(np.sqrt(part.sum()) * 0.2), 5)
        ring = dilate(part, width, width) & ~part
        if not ring.any():
            continue
        colours = [colour for colour, _ in colour_areas(plate, ring, most, 0.0, 0.0)]
        if not colours:
            continue
        own = cv2.cvtColor(plate[part][:, None], cv2.COLOR_RGB2LAB).astype(float)
        known = cv2.cvtColor(np.array(colours)[None], cv2.COLOR_RGB2LAB).astype(float)
        distance = np.linalg.norm((own - known) * [1.0, 0.5, 0.5], axis=-1)
        refined[part] = np.array(colours)[distance.argmin(axis=1)]
    return refined


def unblend(rgb: U8, plate: U8, alpha: F64) -> U8:
    weight = np.where(alpha >= 0.95, 1.0, alpha)[..., None].repeat(3, axis=2)
    colour, under, shown = rgb.astype(float), plate.astype(float), weight > 0
    colour[shown] = (colour[shown] - under[shown] * (1 - weight[shown])) / weight[shown]
    return np.clip(colour, 0, 255).astype(np.uint8)


def alpha_of(rgb: U8, plate: U8, colour: U8, inside: Mask) -> F64 | None:
    picture, under, own = (values.astype(float) for values in (rgb, plate, colour))
    known = inside & (under != own).any(axis=-1)
    if not known.any():
        return None
    along = ((own - under) * (picture - under)).sum(axis=-1)
    alpha = inside.astype(float)
    alpha[known] = along[known] / ((own - under) ** 2).sum(axis=-1)[known]
    return np.clip(alpha, 0, 1)


def peel(
    rgb: U8,
    matting: Callable[[U8], F64],
    inpainting: Callable[[U8, Mask], U8],
    *,
    peels: int = 3,
    scale: float = 0.015,
    refine_foreground: bool = False,
) -> list[U8]:
    plate, foregrounds = rgb, []
    kernel = round(rgb.shape[0] * scale), round(rgb.shape[1] * scale)
    for _ in range(peels):
        picture, alpha = plate, matting(plate).copy()
        hard, areas = alpha > 0.005, []
        for part in parts(hard) if refine_foreground else []:
            areas += colour_areas(picture, part, 2, 0.2, 0.5)
        holes = dilate(np.any([hard, *(mask for _, mask in areas)], axis=0), *kernel)
        behind = refine_plate(inpainting(picture, holes), holes)
        colour = unblend(picture, behind, alpha)
        for ink, mask in areas:
            better = alpha_of(picture, behind, ink, dilate(mask, *kernel))
            if better is not None:
                missed = ~hard & (better > 0)
                alpha[missed] = better[missed]
                colour[missed] = ink
        foreground = np.dstack([colour, (alpha * 255).astype(np.uint8)])
        if foreground[..., 3].max() < 1:
            break
        foregrounds.append(foreground)
        plate = behind
    return [np.dstack([plate, np.full(plate.shape[:2], 255, np.uint8)]), *foregrounds[::-1]]
