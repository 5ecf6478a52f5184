"""Given pictures as LayerDiffuse's networks take them: sized to the canvas, alpha matted on grey.

Formulas and resampling filters are those of layerdiffusion/sd-forge-layerdiffuse.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import cv2
import numpy as np
import torch
from torch import Tensor

from layerstudio.color import F32
from layerstudio.errors import InvalidRequest
from layerstudio.geometry import Extent
from layerstudio.pipelines.layerdiffuse.rgba_input import as_rgba
from layerstudio.pipelines.steps import Canvas
from layerstudio.pipelines.vae_steps import encode_mean, scaled

ResizeMode = Literal["crop", "resize", "fill"]
GREY = 0.5


def grey_matte(rgba: Tensor) -> Tensor:
    """(b, 4, h, w) in [0, 1], straight, to (b, 3, h, w): 0.5 + (rgb - 0.5) alpha."""
    return GREY + (rgba[:, :3] - GREY) * rgba[:, 3:]


def on_canvas(pictures: Any, canvas: Canvas, resize_mode: ResizeMode = "crop") -> Tensor:
    """Whatever ``as_rgba`` takes as (b, 4, H, W) of the canvas's padded size.

    A list of pictures need not be of one size.
    """
    listed = pictures if isinstance(pictures, list | tuple) and pictures else [pictures]
    batches = [as_rgba(one).movedim(1, -1).numpy() for one in listed]
    rows = [fitted(one, canvas.wanted, resize_mode) for batch in batches for one in batch]
    return canvas.pad(torch.from_numpy(np.stack(rows)).movedim(-1, 1))


def fitted(rgba: F32, extent: Extent, resize_mode: ResizeMode = "crop") -> F32:
    """(h, w, 4) in [0, 1], straight, brought to ``extent``.

    "crop" covers the canvas and cuts what stands out alike on opposite sides, "fill" keeps all
    and fills the rest with the median of the border's pixels, "resize" stretches. Colour is
    resampled premultiplied, so that what alpha hides leaves no fringe.
    """
    if resize_mode not in ("crop", "resize", "fill"):
        raise InvalidRequest(
            f"There is no resize mode {resize_mode!r}.", advice="Known: crop, resize, fill."
        )
    if Extent.of(rgba) == extent:
        return rgba
    if resize_mode == "resize":
        return _resampled(rgba, extent)
    sides = (extent.width / rgba.shape[1], extent.height / rgba.shape[0])
    scale = max(sides) if resize_mode == "crop" else min(sides)
    size = Extent(*(max(1, round(side * scale)) for side in Extent.of(rgba)))
    resampled = _resampled(rgba, size)
    if resize_mode == "crop":
        left, top = (size.width - extent.width) // 2, (size.height - extent.height) // 2
        return resampled[top : top + extent.height, left : left + extent.width]
    filled = np.empty((*extent.shape, 4), np.float32)
    filled[:] = _median_of_border(rgba)
    left, top = (extent.width - size.width) // 2, (extent.height - size.height) // 2
    filled[top : top + size.height, left : left + size.width] = resampled
    return filled


def condition_latents(vae: Any, pictures: Sequence[Tensor]) -> Tensor:
    """Pictures (b or 1, 4, H, W) in the order of the model to (b, 4 n, h, w), scaled.

    The mean of the VAE's distribution is taken, where the published code draws from it, so that
    a condition is the same in every run.
    """
    encoded = [scaled(vae, encode_mean(vae, grey_matte(rgba))) for rgba in pictures]
    rows = max(latents.shape[0] for latents in encoded)
    return torch.cat([latents.expand(rows, -1, -1, -1) for latents in encoded], dim=1)


def check_given(given: Mapping[str, Any], needed: Sequence[str], mode: str) -> None:
    """Raises ``InvalidRequest`` unless exactly the ``needed`` pictures are there."""
    missing = [name for name in needed if given.get(name) is None]
    if missing:
        raise InvalidRequest(
            f"The mode {mode!r} starts from a {missing[0]}, and none was given.",
            advice=f"It takes {' and '.join(needed)}.",
        )
    unused = [name for name, value in given.items() if value is not None and name not in needed]
    if unused:
        taken = f"It takes {' and '.join(needed)}." if needed else "It takes none."
        raise InvalidRequest(f"The mode {mode!r} has no use for a {unused[0]}.", advice=taken)


def _resampled(rgba: F32, size: Extent) -> F32:
    """INTER_AREA to a smaller area, else LANCZOS4."""
    shrinks = size.pixel_count < Extent.of(rgba).pixel_count
    filtering = cv2.INTER_AREA if shrinks else cv2.INTER_LANCZOS4
    premul = np.concatenate((rgba[..., :3] * rgba[..., 3:], rgba[..., 3:]), axis=-1)
    resized = np.clip(cv2.resize(premul, tuple(size), interpolation=filtering), 0, 1)
    resized[..., :3] /= np.where(resized[..., 3:] == 0, 1, resized[..., 3:])
    return np.asarray(np.clip(resized, 0, 1), np.float32)


def _median_of_border(rgba: F32) -> F32:
    border = np.concatenate((rgba[0], rgba[-1], rgba[:, 0], rgba[:, -1]))
    return np.median(border, axis=0)
