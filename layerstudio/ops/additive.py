"""Layers that are added up: shares of a colour that sum to it exactly, in whole levels."""

from __future__ import annotations

import numpy as np

from layerstudio.color import F32


def whole_shares(parts: F32, wanted: F32 | None, full: int) -> F32:
    """``parts`` (k, n, 3) in [0, 1] as whole levels of ``full`` whose sum is ``wanted`` (n, 3),
    in levels, or the rounded sum of the parts where that is None.

    Sums so far are rounded, not parts, so that no error adds up; to meet ``wanted``, all parts are
    scaled alike, and what no part has any of goes to the last one.
    """
    so_far = np.cumsum(parts * np.float32(full), axis=0, dtype=np.float32)
    if wanted is not None:
        total = so_far[-1].copy()
        some = total > 1e-3
        so_far *= np.divide(wanted, total, out=np.zeros_like(total), where=some)
        so_far[-1] = wanted
    np.rint(so_far, out=so_far)
    np.clip(so_far, 0, full if wanted is None else wanted, out=so_far)
    so_far[1:] -= so_far[:-1].copy()
    return so_far
