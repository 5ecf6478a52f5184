"""Pictures of networks as bytes."""

from __future__ import annotations

import torch
from torch import Tensor

from layerstudio.color import U8


def to_uint8(pictures: Tensor) -> U8:
    """(b, c, h, w) in [0, 1] to (b, h, w, c) in 0..255, rounded."""
    scaled = pictures.detach().float().clamp(0, 1).movedim(1, -1).cpu() * 255
    return scaled.round().to(torch.uint8).contiguous().numpy()
