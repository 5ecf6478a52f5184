"""Pictures at the sizes at which colours are worked with: small for estimates, bands for pixels."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np

from layerstudio.color import F32, Pixels, premultiply, to_float, unpremultiply
from layerstudio.geometry import Bounds, Extent
from layerstudio.progress import CancelToken, Progress, ProgressCallback

_BAND_PIXELS = 65_536  # a band's maps of ten layers are some 100 MB on two cores
_LOOKED_AT = 1 << 22  # pixels averaged to a small picture


def small_picture(pixels: Pixels, most: int) -> tuple[F32, F32]:
    """Colours (h, w, 3) and alpha (h, w), both in [0, 1], of about ``most`` pixels at most.

    Averages are premultiplied; where nothing is seen the colour is the mean of what is.
    """
    height, width = pixels.shape[:2]
    step = max(1, int(np.ceil((height * width / _LOOKED_AT) ** 0.5)))
    looked_at = premultiply(to_float(pixels[::step, ::step]))
    scale = min(1.0, (most / (looked_at.shape[0] * looked_at.shape[1])) ** 0.5)
    size = (max(1, round(looked_at.shape[1] * scale)), max(1, round(looked_at.shape[0] * scale)))
    small = cv2.resize(looked_at, size, interpolation=cv2.INTER_AREA)
    rgba = unpremultiply(np.asarray(small, np.float32))
    seen = rgba[..., 3] > 0
    colours = np.ascontiguousarray(rgba[..., :3])
    if seen.any():
        colours[~seen] = colours[seen].mean(axis=0)
    return colours, rgba[..., 3].copy()


def in_bands(
    extent: Extent,
    work: Callable[[Bounds], None],
    report: ProgressCallback,
    cancel: CancelToken,
) -> None:
    """``work`` on every band of rows, on all cores; raises ``Cancelled`` between any two."""
    rows = max(1, _BAND_PIXELS // extent.width)
    tops = range(0, extent.height, rows)
    bands = [Bounds(0, top, extent.width, min(rows, extent.height - top)) for top in tops]

    def checked(band: Bounds) -> None:
        cancel.check()
        work(band)

    with ThreadPoolExecutor(min(os.cpu_count() or 1, len(bands))) as pool:
        for done, _ in enumerate(pool.map(checked, bands), 1):
            report(Progress("layers", done / len(bands)))
