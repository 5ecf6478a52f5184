"""RGBA tensors as bytes, and over the checkerboard that LayerDiffuse shows them on."""

from __future__ import annotations

import torch
from torch import Tensor

from layerstudio.color import U8

# LayerDiffuse's preview (published code): squares of 64 pixels, 0.5 ± 0.05.
_SQUARE = 64
_DARK, _LIGHT = 0.45, 0.55


def to_bytes(pictures: Tensor, *, truncate: bool = False) -> U8:
    """(B, C, H, W) in [0, 1] to uint8 (B, H, W, C), rounded; ``truncate`` as published."""
    scaled = pictures.detach().float() * 255
    whole = scaled if truncate else scaled.round()
    return whole.clamp(0, 255).byte().permute(0, 2, 3, 1).contiguous().cpu().numpy()


def over_checkerboard(rgba: Tensor) -> Tensor:
    """(B, 3, H, W): straight ``rgba`` (B, 4, H, W) in [0, 1] over light and dark squares."""
    height, width = rgba.shape[2:]
    rows = torch.arange(height, device=rgba.device)[:, None] // _SQUARE
    columns = torch.arange(width, device=rgba.device) // _SQUARE
    board = torch.where((rows + columns) % 2 == 0, _DARK, _LIGHT)
    alpha = rgba[:, 3:]
    return rgba[:, :3] * alpha + board.to(rgba) * (1 - alpha)
