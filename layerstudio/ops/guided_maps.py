"""Maps of a small picture carried over to the large one, in bands of rows, edges kept."""

from __future__ import annotations

import cv2
import numpy as np

from layerstudio.color import F32
from layerstudio.geometry import Extent
from layerstudio.ops.guided import linear_models


class GuidedMaps:
    """``maps`` (h, w, m) as functions of the colours of ``guide`` (h, w, 3), both in [0, 1].

    ``radius`` is half a window in pixels; colours that vary by less than the root of ``epsilon``
    within one count as equal there (He, Sun and Tang 2013).
    """

    def __init__(self, guide: F32, maps: F32, *, radius: int, epsilon: float) -> None:
        weight = np.ones(guide.shape[:2], np.float32)
        models = [
            linear_models(guide, maps[..., index], weight, radius=radius, epsilon=epsilon)
            for index in range(maps.shape[2])
        ]
        slopes = np.stack([model.slope for model in models], axis=-1)
        offsets = np.stack([model.offset for model in models], axis=-1)
        # (h, w, 4, m): what is multiplied by red, green, blue and 1.
        self._terms = np.concatenate([slopes, offsets[..., None, :]], axis=2)

    def rows(self, guide: F32, top: int, extent: Extent) -> F32:
        """The maps (rows, width, m) where ``guide`` (rows, width, 3) lies in a picture of
        ``extent``, from its row ``top`` on."""
        bottom = top + guide.shape[0]
        result = enlarged_rows(self._terms[..., 3, :], top, bottom, extent)
        for channel in range(3):
            slopes = enlarged_rows(self._terms[..., channel, :], top, bottom, extent)
            result += slopes * guide[..., channel : channel + 1]
        return result


def enlarged_rows(small: F32, top: int, bottom: int, extent: Extent) -> F32:
    """Rows ``top`` to ``bottom`` of ``small`` (h, w, m) enlarged to ``extent``, bilinear."""
    height = small.shape[0]
    centres = (np.arange(top, bottom) + 0.5) * height / extent.height - 0.5
    centres = np.clip(centres, 0, height - 1)
    lower = centres.astype(np.intp)
    upper = np.minimum(lower + 1, height - 1)
    share = (centres - lower).astype(np.float32)[:, None, None]
    rows = small[lower] * (1.0 - share) + small[upper] * share
    wide = np.empty((bottom - top, extent.width, small.shape[2]), np.float32)
    for start in range(0, small.shape[2], 4):  # OpenCV is made for up to four channels
        part = np.ascontiguousarray(rows[..., start : start + 4])
        size = (extent.width, bottom - top)
        found = cv2.resize(part, size, interpolation=cv2.INTER_LINEAR)
        wide[..., start : start + 4] = found.reshape(*found.shape[:2], -1)
    return wide
