"""Given pictures as LayerDiffuse's networks take them: sized to the canvas, alpha matted on grey.

Formulas and resampling filters are those of layerdiffusion/sd-forge-layerdiffuse.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from layerstudio.color import F32
from layerstudio.errors import InvalidRequest
from layerstudio.geometry import Extent
from layerstudio.pipelines.steps import Canvas
from layerstudio.pipelines.vae_steps import encode_mean, scaled

ResizeMode = Literal["crop", "resize", "fill"]
GREY = 0.5


def grey_matte(rgba: Tensor) -> Tensor:
    """(b, 4, h, w) in [0, 1], straight, to (b, 3, h, w): 0.5 + (rgb - 0.5) alpha."""
    return GREY + (rgba[:, :3] - GREY) * rgba[:, 3:]


def as_batch(pictures: Any, canvas: Canvas, resize_mode: ResizeMode = "crop") -> Tensor:
    """Whatever diffusers takes as images, as (b, 4, H, W) float32 of the canvas's padded size.

    ``pictures`` is a PIL image, an array (h, w, c) or (b, h, w, c) of uint8 or of floats in
    [0, 1], a tensor (c, h, w) or (b, c, h, w) in [0, 1], or a list of these; c is 1, 3 or 4.

    Raises ``InvalidRequest`` for anything else.
    """
    listed = [fitted(one, canvas.wanted, resize_mode) for one in _each(pictures)]
    batch = torch.from_numpy(np.stack(listed)).movedim(-1, 1)
    return canvas.pad(batch)


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


def _each(pictures: Any) -> list[F32]:
    if isinstance(pictures, list | tuple):
        if not pictures:
            raise InvalidRequest("The list of pictures is empty.")
        return [rgba for one in pictures for rgba in _each(one)]
    if isinstance(pictures, Image.Image):
        return [_rgba(np.asarray(pictures.convert("RGBA")))]
    if isinstance(pictures, Tensor):
        return _each(pictures.detach().float().movedim(-3, -1).cpu().numpy())
    if isinstance(pictures, np.ndarray) and pictures.ndim in (3, 4):
        return [_rgba(one) for one in (pictures if pictures.ndim == 4 else pictures[None])]
    raise InvalidRequest(
        f"{type(pictures).__name__} is no picture.",
        advice="Give a PIL image, an array (h, w, c), a tensor (c, h, w), or a list of them.",
    )


def _rgba(pixels: np.ndarray) -> F32:
    """(h, w, 1, 3 or 4) of uint8 or floats to (h, w, 4) float32 in [0, 1]."""
    channels = pixels.shape[-1]
    if channels not in (1, 3, 4) or 0 in pixels.shape:
        raise InvalidRequest(
            f"An array of {' x '.join(map(str, pixels.shape))} is no picture.",
            advice="Channels come last in arrays and first in tensors: 1, 3 or 4 of them.",
        )
    values = pixels.astype(np.float32) / (255 if pixels.dtype == np.uint8 else 1)
    if not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1):
        raise InvalidRequest("The values of a picture must lie between 0 and 1.")
    colour = np.broadcast_to(values[..., :3], (*values.shape[:2], 3))
    alpha = values[..., 3:] if channels == 4 else np.ones((*values.shape[:2], 1), np.float32)
    return np.concatenate((colour, alpha), axis=-1)


def _resampled(rgba: F32, size: Extent) -> F32:
    """INTER_AREA to a smaller area, else LANCZOS4."""
    shrinks = size.pixel_count < Extent.of(rgba).pixel_count
    filtering = cv2.INTER_AREA if shrinks else cv2.INTER_LANCZOS4
    premul = np.concatenate((rgba[..., :3] * rgba[..., 3:], rgba[..., 3:]), axis=-1)
    resized = np.clip(cv2.resize(premul, tuple(size), interpolation=filtering), 0, 1)
    hidden = resized[..., 3:] == 0
    resized[..., :3] /= np.where(hidden, 1, resized[..., 3:])
    return np.clip(resized, 0, 1).astype(np.float32, copy=False)


def _median_of_border(rgba: F32) -> F32:
    border = np.concatenate((rgba[0], rgba[-1], rgba[:, 0], rgba[:, -1]))
    return np.median(border, axis=0)
