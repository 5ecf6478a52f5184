"""Pictures of networks as bytes."""

from __future__ import annotations

from torch import Tensor

from layerstudio.color import U8


def to_bytes(pictures: Tensor, *, truncate: bool = False) -> U8:
    """(B, C, H, W) in [0, 1] to uint8 (B, H, W, C), rounded; ``truncate`` as published."""
    scaled = pictures.detach().float() * 255
    whole = scaled if truncate else scaled.round()
    return whole.clamp(0, 255).byte().permute(0, 2, 3, 1).contiguous().cpu().numpy()
