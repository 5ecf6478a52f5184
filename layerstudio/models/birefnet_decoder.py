"""BiRefNet's decoder: from the coarsest features up, the picture looked at again at every scale.

Zheng et al. 2024 (arXiv:2401.03407), section 3; keys and widths of the published checkpoints.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from layerstudio.models.birefnet_blocks import (
    DecoderBlock,
    LateralBlock,
    PictureBlock,
    gradient_features,
    gradient_map,
    pointwise_after,
    resized,
    tiles_like,
)

# The picture's own features have an eighth of the channels of those beside them.
_SHARE = 8


class Decoder(nn.Module):
    """``channels`` (finest first) are those of the features at 1/4, 1/8, 1/16 and 1/32."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        c1, c2, c3, c4 = channels
        self.ipt_blk5 = PictureBlock(3 * 32**2, c4 // _SHARE)
        self.ipt_blk4 = PictureBlock(3 * 16**2, c4 // _SHARE)
        self.ipt_blk3 = PictureBlock(3 * 8**2, c3 // _SHARE)
        self.ipt_blk2 = PictureBlock(3 * 4**2, c2 // _SHARE)
        self.ipt_blk1 = PictureBlock(3, c1 // _SHARE)
        self.decoder_block4 = DecoderBlock(c4 + c4 // _SHARE, c3)
        self.decoder_block3 = DecoderBlock(c3 + c4 // _SHARE, c2)
        self.decoder_block2 = DecoderBlock(c2 + c3 // _SHARE, c1)
        self.decoder_block1 = DecoderBlock(c1 + c2 // _SHARE, c1 // 2)
        self.conv_out1 = nn.Sequential(nn.Conv2d(c1 // 2 + c1 // _SHARE, 1, 1))
        self.lateral_block4 = LateralBlock(c3, c3)
        self.lateral_block3 = LateralBlock(c2, c2)
        self.lateral_block2 = LateralBlock(c1, c1)
        for number, width in ((4, c3), (3, c2), (2, c1)):
            # conv_ms_spvn and gdt_convs_pred are of use in training only, and are published.
            self.add_module(f"conv_ms_spvn_{number}", nn.Conv2d(width, 1, 1))
            self.add_module(f"gdt_convs_{number}", gradient_features(width))
            self.add_module(f"gdt_convs_pred_{number}", gradient_map())
            self.add_module(f"gdt_convs_attn_{number}", gradient_map())

    def forward(self, picture: Tensor, features: Sequence[Tensor]) -> Tensor:
        """(B, 3, H, W) and its features, finest first, to logits (B, 1, H, W)."""
        f1, f2, f3, x = features
        for number, finer in ((4, f3), (3, f2), (2, f1)):
            x = self._block("decoder_block", number, self._with_picture(x, picture, number + 1))
            x = x * self._attention(x, number)
            x = resized(x, finer) + self._block("lateral_block", number, finer)
        x = self._block("decoder_block", 1, self._with_picture(x, picture, 2))
        return self._logits(x, picture)

    def _block(self, name: str, number: int, x: Tensor) -> Tensor:
        return self.get_submodule(f"{name}{number}")(x)

    def _with_picture(self, x: Tensor, picture: Tensor, number: int) -> Tensor:
        return torch.cat([x, self._block("ipt_blk", number, tiles_like(picture, x))], dim=1)

    def _attention(self, x: Tensor, number: int) -> Tensor:
        gradients = self._block("gdt_convs_", number, x)
        return self._block("gdt_convs_attn_", number, gradients).sigmoid()

    def _logits(self, x: Tensor, picture: Tensor) -> Tensor:
        """The last convolution is 1 x 1, so it goes before the enlarging, and into what is before.

        The published order makes all channels at full size first: two gigabytes at 1024 x 1024.
        """
        last = self.conv_out1[0]
        assert isinstance(last, nn.Conv2d)
        for_features, for_picture = last.weight.split(
            [x.shape[1], last.in_channels - x.shape[1]], dim=1
        )
        weight, bias = pointwise_after(self.ipt_blk1.conv_out, for_picture)
        own = F.conv2d(self.ipt_blk1.conv1(picture), weight, bias, padding=1)
        return own + resized(F.conv2d(x, for_features, last.bias), picture)
