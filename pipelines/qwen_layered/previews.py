"""The layers as they come, small, while they are sampled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from layerstudio.color import U8
from layerstudio.geometry import Extent
from layerstudio.models.rgba_pictures import to_uint8
from layerstudio.pipelines.qwen_layered.decoding import decode_layers

_SIDE = 16  # latents: pictures of 128 pixels, which take a hundredth of a step
_GREY = 0.5  # shown where a layer is transparent


def previewer(pipeline: Any, working: Extent, layers: int) -> Callable[[Tensor], U8]:
    """From tokens (1, n, 64) to the layers side by side, bottom left, over grey (h, n w, 3).

    Decoded from means over the latents; noise of early steps averages out in them.
    """

    @torch.no_grad()
    def preview(tokens: Tensor) -> U8:
        frames = pipeline._unpack_latents(
            tokens, *working.shape, layers, pipeline.vae_scale_factor
        )[0, :, 1:].movedim(1, 0)
        scale = min(1.0, _SIDE / max(frames.shape[-2:]))
        size = [max(1, round(side * scale)) for side in frames.shape[-2:]]
        small = functional.interpolate(frames.float(), size, mode="area").to(frames.dtype)
        decoded = decode_layers(pipeline.vae, small.unsqueeze(2), at_once=1, check=lambda: None)
        shown = decoded[:, :3] * decoded[:, 3:] + _GREY * (1 - decoded[:, 3:])
        return np.concatenate(list(to_uint8(shown)), axis=1)

    return preview
