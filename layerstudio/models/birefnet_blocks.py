"""What BiRefNet's decoder is built of (Zheng et al. 2024, arXiv:2401.03407, section 3)."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from layerstudio.models.deformable import DeformableConv2d

_INNER = 64  # channels inside every block, whatever the widths around it
_BRANCH = 256  # channels of each branch of the pyramid
_KERNELS = (1, 3, 7)
_GRADIENT = 16


class DecoderBlock(nn.Module):
    """Convolution, pyramid, convolution."""

    def __init__(self, channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(channels, _INNER, 3, padding=1)
        self.dec_att = DeformablePyramid(_INNER)
        self.conv_out = nn.Conv2d(_INNER, out_channels, 3, padding=1)
        self.bn_in = nn.BatchNorm2d(_INNER)
        self.bn_out = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn_in(self.conv_in(x)))
        return self.bn_out(self.conv_out(self.dec_att(x)))


class DeformablePyramid(nn.Module):
    """ASPP (Chen et al. 2017, arXiv:1706.05587) whose branches are deformable convolutions."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.aspp1 = _Branch(channels, 1)
        self.aspp_deforms = nn.ModuleList(_Branch(channels, kernel) for kernel in _KERNELS)
        self.global_avg_pool = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, _BRANCH, 1, bias=False),
            nn.BatchNorm2d(_BRANCH),
            nn.ReLU(),
        )
        self.conv1 = nn.Conv2d(_BRANCH * (len(_KERNELS) + 2), channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """``conv1`` over all branches, added up branch by branch: one is held at a time."""
        *shares, pooled_share = self.conv1.weight.split(_BRANCH, dim=1)
        total = F.conv2d(self.global_avg_pool(x), pooled_share)
        for branch, share in zip((self.aspp1, *self.aspp_deforms), shares, strict=True):
            total = total + F.conv2d(branch(x), share)
        return F.relu(self.bn1(total))


class _Branch(nn.Module):
    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.atrous_conv = DeformableConv2d(channels, _BRANCH, kernel)
        self.bn = nn.BatchNorm2d(_BRANCH)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.atrous_conv(x)))


class PictureBlock(nn.Module):
    """The picture's own pixels on their way into the decoder; nothing between its convolutions."""

    def __init__(self, channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, _INNER, 3, padding=1)
        self.conv_out = nn.Conv2d(_INNER, out_channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv_out(self.conv1(x))


class LateralBlock(nn.Module):
    def __init__(self, channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


def gradient_features(channels: int) -> nn.Sequential:
    """What is trained to show where the picture's gradients are, and steers attention."""
    return nn.Sequential(
        nn.Conv2d(channels, _GRADIENT, 3, padding=1), nn.BatchNorm2d(_GRADIENT), nn.ReLU()
    )


def gradient_map() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(_GRADIENT, 1, 1))


def resized(x: Tensor, like: Tensor) -> Tensor:
    """To the height and width of ``like``, corners on corners, as everywhere in BiRefNet."""
    if x.shape[2:] == like.shape[2:]:
        return x
    return F.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=True)


def tiles_like(picture: Tensor, like: Tensor) -> Tensor:
    """``picture`` (B, C, H, W) in tiles of ``like``'s size, laid one upon another as channels."""
    batch, channels, height, width = picture.shape
    h, w = like.shape[2:]
    tiles = picture.reshape(batch, channels, height // h, h, width // w, w)
    return tiles.permute(0, 1, 2, 4, 3, 5).reshape(batch, -1, h, w)


def pointwise_after(first: nn.Conv2d, pointwise: Tensor) -> tuple[Tensor, Tensor]:
    """Weight and bias of one convolution that does ``first`` and then a 1 x 1 ``pointwise``.

    Exact at the borders too, since the padding comes before the first. ``first`` has a bias.
    """
    assert first.bias is not None
    mixed = pointwise[:, :, 0, 0]
    return torch.einsum("oc,cikl->oikl", mixed, first.weight), mixed @ first.bias
