"""The colours of a picture, few enough to reason about."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32, Pixels, to_depth

_MOST = 1 << 20  # pixels looked at: a grid over larger pictures shows the same colours
_SHIFT = 3  # bits of an 8-bit channel that a bin leaves out: 32 levels (Tan et al. 2018)
_OWN = 0.1  # share of a bin's pixels with one exact colour, from which the bin has that colour
_RARE = 2e-5  # share of the pixels below which a bin is noise


class ColourBins(NamedTuple):
    """``colours`` (n, 3) float32 in [0, 1] and the number of pixels (n,) that have each.

    A bin's colour is the exact colour that most of its pixels have, as in flat drawings, or their
    mean where no colour repeats, as in photographs.
    """

    colours: F32
    counts: NDArray[np.int64]


def colour_bins(pixels: Pixels) -> ColourBins:
    """Of (h, w, 4) pixels that are not fully transparent; no bins where all of them are."""
    height, width = pixels.shape[:2]
    step = max(1, int(np.ceil((height * width / _MOST) ** 0.5)))
    sample = to_depth(np.ascontiguousarray(pixels[::step, ::step]), np.uint8)
    seen = sample[sample[..., 3] > 0][:, :3].astype(np.int64)
    packed, counts = np.unique(
        (seen[:, 0] << 16) | (seen[:, 1] << 8) | seen[:, 2], return_counts=True
    )
    exact = np.stack([packed >> 16, (packed >> 8) & 255, packed & 255], axis=1)
    bins, owner = np.unique(_bin_of(exact), return_inverse=True)
    total = np.bincount(owner, counts, len(bins))
    sums = [np.bincount(owner, counts * exact[:, c], len(bins)) for c in range(3)]
    colours = np.stack(sums, axis=1) / np.maximum(total, 1)[:, None]
    order = np.lexsort((counts, owner))
    last = order[np.flatnonzero(np.append(np.diff(owner[order]), 1))] if len(bins) else order
    own = counts[last] >= np.maximum(_OWN * total, 2)
    colours[own] = exact[last][own]
    kept = total > _RARE * len(seen)
    return ColourBins(np.asarray(colours[kept] / 255.0, np.float32), total[kept].astype(np.int64))


def _bin_of(exact: NDArray[np.int64]) -> NDArray[np.int64]:
    cells = exact >> _SHIFT
    return (cells[:, 0] << 10) | (cells[:, 1] << 5) | cells[:, 2]
